"""Teeth that the picture shows, moved with head and jaw.

Upper teeth stay with the head; what lies below them, lower teeth or the rim of the lip, goes with
the jaw. Where the two part the painted mouth is seen, and teeth that a rising lip uncovers are
those at its edge, stretched.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.coefficients import MOTION_INDEX, MOTION_SCALE
from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.curves import coverage, refine
from skyreels_avatar.rig.fields import FaceShape
from skyreels_avatar.rig.geometry import (
    INNER_LOWER,
    INNER_UPPER,
    interpolate_columns,
    interpolate_curves,
    smoothstep,
)

FOUND = CONSTANTS.source_teeth
ROWS = 32  # looked at between the lips
SMOOTHED = 5  # columns
WHOLE = 0.9, 1.0  # shares of an opening from which on its teeth come to rest on the lower lip
LEAST_ROWS = 3  # of teeth; less is the rim of a lip


@dataclass(frozen=True)
class ShownTeeth:
    """The upper teeth that a picture shows.

    Attributes:
        end: (41,) where they end in columns from the right to the left corner (`refine` of the
            inner lip points), in shares of the opening's height; 1 = at the lower lip.
        white: () how white they are, of `whiteness`.
        on_lip: they rest on the lower lip: nothing else of the mouth is seen.
    """

    end: torch.Tensor
    white: torch.Tensor
    on_lip: bool

    def to(self, device: torch.device) -> ShownTeeth:
        """Return the same on another device."""
        return ShownTeeth(self.end.to(device), self.white.to(device), self.on_lip)


def whiteness(color: torch.Tensor, dim: int) -> torch.Tensor:
    """Return how much colors (..., 3, ...) in [0, 1] are like enamel.

    Enamel has much of all colors alike; lips have little blue, and shadows little of all.
    """
    return color.amin(dim) ** 2 / color.amax(dim).clamp_min(1e-3)


def find_teeth(frame: torch.Tensor, landmarks: torch.Tensor) -> ShownTeeth:
    """Find where the upper teeth of an open mouth end.

    Args:
        frame: (3, h, w) in [0, 1].
        landmarks: (478, 3) in pixels.
    """
    upper, lower = (
        refine(landmarks[list(points), :2].T).T for points in (INNER_UPPER, INNER_LOWER)
    )
    shares = (torch.arange(ROWS) + 0.5) / ROWS
    at = upper[:, None] + shares[:, None] * (lower - upper)[:, None]  # 41 R 2
    size = torch.tensor([frame.shape[2], frame.shape[1]])
    found = F.grid_sample(
        frame[None], (at / size * 2 - 1)[None], padding_mode="border", align_corners=False
    )[0]
    white = whiteness(found, 0)  # 41 R
    brightest, row = white[:, : int(0.7 * ROWS)].max(1)
    height = (lower - upper).norm(dim=-1)
    lit = height > FOUND.low_column * height.max()
    lit &= brightest > FOUND.dark_column * torch.where(lit, brightest, 0.0).max()
    if int(lit.sum()) < SMOOTHED:  # of a mouth all black, or with one thing in it, nothing is told
        lit = torch.ones_like(lit)
    is_white = white > FOUND.lowest_teeth * brightest[:, None]
    run = is_white.float().unfold(1, LEAST_ROWS, 1).amin(2)
    start = torch.where(run.any(1), run.argmax(1), row)  # a tongue below may be as bright
    below = torch.arange(ROWS) > start[:, None]
    ended = (below & ~is_white).cummax(1).values
    gap = ended & ~(ended & is_white).cummax(1).values  # the first dark rows below the teeth
    darkest = torch.where(gap, white, white.amax()).amin(1)
    deep = gap & (white <= (darkest + FOUND.deep * (brightest - darkest))[:, None])
    end = torch.where(deep.any(1), deep.float().argmax(1) / ROWS, torch.ones(len(row)))
    wide = float(height.max()) > FOUND.tall * float((upper[-1] - upper[0]).norm())
    if wide and float(start[lit].float().median()) > FOUND.highest_start * ROWS:
        end = torch.full_like(end, FOUND.rim)  # a tongue, lower teeth: they go with the jaw
    # Teeth end in a line: columns that say otherwise are as their neighbors.
    lit &= (end - end[lit].median()).abs() < FOUND.ragged
    places = torch.arange(len(end)).float()
    end = interpolate_columns(places[None], places[lit][None], end[lit][None])[0]
    padded = F.pad(end[None], (SMOOTHED // 2, SMOOTHED // 2), mode="replicate")[0]
    end = padded.unfold(0, SMOOTHED, 1).median(-1).values
    padded = F.pad(end[None], (1, 1), mode="replicate")[0]
    end = padded.unfold(0, 3, 1) @ end.new_tensor([0.25, 0.5, 0.25])
    return ShownTeeth(end, brightest[lit].median(), bool(end.median() > FOUND.seen_below))


@dataclass(frozen=True)
class SourceTeeth:
    """What F frames show of the reference's own mouth.

    Attributes:
        at: (F, N, 2) face coordinates at rest to look at.
        above: (F, N) in [0, 1] what stays with the head.
        below: (F, N) in [0, 1] what goes with the jaw.
    """

    at: torch.Tensor
    above: torch.Tensor
    below: torch.Tensor

    @classmethod
    def of(
        cls,
        at: torch.Tensor,
        shape: FaceShape,
        teeth: ShownTeeth | None,
        edges: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        motion: torch.Tensor,
        pixel: torch.Tensor,
    ) -> SourceTeeth:
        """Look for points between the lips in the mouth at rest.

        Args:
            at: (F, N, 2) face coordinates, head undone.
            shape: of F frames or 1.
            teeth: that the reference shows; None = what it shows is seen while nothing moves.
            edges: upper and lower (F, K) inner lip edges, at columns (F, K).
            motion: (F, 8) mouth coefficients.
            pixel: (F, 1) in H.
        """
        x, y = at.unbind(-1)
        rest = torch.stack([shape.gap, shape.jaw], -1)
        moved = torch.cat([motion[:, :2] - rest, motion[:, 2:]], 1).abs()
        opened = moved[:, :1]
        # All of it as long as nothing moves, then without the rim of the lips.
        widen = pixel * (1.5 - opened / 0.004).clamp(-1.0, 1.5)
        pixel = 1.3 * pixel
        shown = (shape.gap > 0)[:, None].float()
        if teeth is None:
            rims = interpolate_curves(x, shape.lip_x, shape.upper_y - widen, shape.lower_y + widen)
            above = coverage(y, *rims, pixel) * shown
            furthest = (moved / moved.new_tensor(MOTION_SCALE[: moved.shape[1]])).amax(1)
            above = above * smoothstep(FOUND.faded, 0.0, furthest)[:, None]
            return cls(at, above, torch.zeros_like(above))
        lips = refine(shape.lip_x)
        rims = refine(shape.upper_y), refine(shape.lower_y)
        upper, lower, parts = interpolate_curves(x, lips, *rims, teeth.end.expand_as(lips))
        new_upper, new_lower = interpolate_curves(x, edges[2], *edges[:2])
        upper, lower = upper - widen, lower + widen
        new_upper, new_lower = new_upper - widen, new_lower + widen
        rounded = motion[:, MOTION_INDEX["pucker"], None].clamp(0.0, 1.0)
        on_teeth = y + CONSTANTS.mouth.teeth_behind_round * rounded
        end = upper + parts * (lower - upper)
        uncovered = (end - upper) / (end - new_upper - (on_teeth - y)).clamp_min(1e-4)
        kept = end - (end - on_teeth) * uncovered.clamp(0.0, 1.0)
        jaw = y - (new_lower - lower)
        whole = smoothstep(*WHOLE, parts)
        soft = torch.lerp(torch.full_like(y, FOUND.soft), pixel.expand_as(y), whole)
        above = ((end - on_teeth) / soft + 0.5).clamp(0.0, 1.0)
        seam = opened.clamp_max(FOUND.seam)  # shadows and tips of teeth lie between teeth and lip
        below = ((jaw - end - seam) / soft + 0.5).clamp(0.0, 1.0) * (1 - whole)
        row = torch.where(on_teeth < end, kept, torch.maximum(jaw, end))
        corners = (
            shape.lip_x[:, :1] + FOUND.corner,
            shape.lip_x[:, -1:] - FOUND.corner,
        )
        column = torch.minimum(torch.maximum(x, corners[0]), corners[1])
        return cls(torch.stack([column, row], -1), above * shown, below * shown)

    def share(self, color: torch.Tensor, teeth: ShownTeeth | None) -> torch.Tensor:
        """Return (F, N) how far colors (F, 3, N) seen at `at` are taken; the rest is painted.

        The tips of teeth that rest on the lip do not come along with it.
        """
        below = self.below
        if teeth is not None and teeth.on_lip:
            low, high = (share * teeth.white for share in FOUND.tips)
            below = below * ((high - whiteness(color, 1)) / (high - low)).clamp(0.0, 1.0)
        return torch.maximum(self.above, below)
