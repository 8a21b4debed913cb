"""The upper teeth of a person, taken from the frame of a video that shows them best."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.curves import refine
from skyreels_avatar.rig.geometry import (
    INNER_LOWER,
    INNER_UPPER,
    FaceFrame,
    interpolate_curves,
    smoothstep,
)
from skyreels_avatar.rig.source_teeth import find_teeth
from skyreels_avatar.rig.teeth_arch import frontal_columns, turned_columns

CLIPPED, MOST_CLIPPED = 0.92, 0.3  # brightness, and the share of the teeth: all of one white
SOFT = 0.006  # of H, how softly the teeth end
LEAST_WIDTH = 0.13  # of H, seen from the front: about four teeth
LEAST_SIDE = 0.45  # of that, on either side of the middle
LEAST_DETAIL = 100.0  # of `FilmedTeeth.detail`: below, teeth are a blurred slab
LENGTH = 0.05  # of H, of incisors: where the lip hides a part of them the rest is stretched
SHADED = (0.5, 0.7)  # of the brightest column: what lies in the shadow of a corner is painted
FADED = 0.012  # of H at the corners: further teeth are painted
GAP = 4  # columns between neighboring teeth, at most
# Of the darker of what is above and below it: a darker line is the gap between two rows of teeth.
# Median of the columns, 13 rows of six videos: upper teeth alone 1.0, both rows 0.24 to 0.96.
BETWEEN_ROWS = 0.97
DARKEST = 0.82  # of what is round them: spaces between teeth, which are no gaps
SHARPENED, BLURRED = 0.5, 7  # across, in columns: footage tells neighboring teeth hardly apart
# Of H, the opening at which most light enters. Teeth in 9 videos (5 generated), with lips apart by
# 0.04 to 0.06 H are 0.94 (median) as bright as in wider mouths; in one, at 0.03 H, 0.9.
SLIT = 0.016
LEAST_LIT = 0.6  # what was filmed through a narrower slit is mostly noise
TIPS = 5  # columns at either end of the row that tell where painted teeth go on
FURTHEST = 0.02  # of H that these are moved
RIM_PX = 1.5  # beside the lips, whose color mixes with that of the teeth


@dataclass(frozen=True)
class FilmedTeeth:
    """Teeth as one frame shows them, in a patch of the mouth.

    Attributes:
        patch: (1, 4, R, W) colors in [0, 1] and their share.
        axes: the first column's face x, its step, the first row's face y and its step.
        middle: () face x of the middle of the teeth in that frame.
        edge: () face y of `MouthLook.teeth_edge` in that frame.
        turn: () radians of the head in that frame.
        slant: () of `row_slant` in that frame.
        lit: () share of the light that came between the lips in that frame.
        ends: (2, 2) face x and face y of the tips at the left and the right end of the row.
    """

    patch: torch.Tensor
    axes: torch.Tensor
    middle: torch.Tensor
    edge: torch.Tensor
    turn: torch.Tensor
    slant: torch.Tensor
    lit: torch.Tensor
    ends: torch.Tensor

    @classmethod
    def of(
        cls,
        frame: torch.Tensor,
        landmarks: torch.Tensor,
        axes: tuple[torch.Tensor, torch.Tensor],
        place: tuple[torch.Tensor, ...],
    ) -> FilmedTeeth | None:
        """Cut the teeth out of a frame; None where they are overexposed, a few, or of both rows.

        Args:
            frame: (3, h, w) in [0, 1].
            landmarks: (478, 3) in pixels.
            axes: face x (W,) of the patch's columns and face y (R,) of its rows.
            place: `middle`, `edge`, `turn` and `slant`, () each.
        """
        face = FaceFrame.of(landmarks[None])
        x, y = axes
        up, low = face.points[:, list(INNER_UPPER)], face.points[:, list(INNER_LOWER)]
        lips = refine((up[..., 0] + low[..., 0]) / 2)
        edges = refine(up[..., 1]), refine(low[..., 1]), find_teeth(frame, landmarks).end[None]
        upper, lower, parts = interpolate_curves(x[None], lips, *edges)  # 1 W
        rim = RIM_PX / face.height_px[0]
        end = torch.minimum(upper + parts * (lower - upper), lower - rim) - SOFT / 2
        rows = y[:, None].expand(-1, len(x))
        seen = (end - upper - rim).clamp_min(0.0)
        shorter = seen / seen.clamp_min(LENGTH)
        # The tips are as bright as the teeth: their own pixels show the dark gap below, too.
        looked = end - torch.minimum(((end - rows) * shorter).clamp_min(rim), seen)
        corners = lips[0, 0] + 2 * rim, lips[0, -1] - 2 * rim
        columns = x.clamp(*corners).expand_as(rows)
        at = face.to_pixels(torch.stack([columns, looked], -1)[None])
        size = at.new_tensor([frame.shape[2], frame.shape[1]])
        color = F.grid_sample(
            frame[None], at / size * 2 - 1, padding_mode="border", align_corners=False
        )
        share = ((end - rows) / SOFT + 0.5).clamp(0.0, 1.0)
        share = share * smoothstep(1.3, 1.1, (end - rows) / seen.clamp_min(LENGTH))
        beside = torch.minimum(x - corners[0], corners[1] - x)
        share = share * smoothstep(0.0, FADED, beside) * (lower - upper > 2 * rim)
        bright = (color.mean(1)[0] * share).sum(0) / share.sum(0).clamp_min(0.1)
        share = share * smoothstep(*SHADED, bright / bright.amax().clamp_min(1e-3))
        share = share * _widest_row(share.amax(0) > 0.5)
        clipped = (color.amax(1)[0] > CLIPPED) * share
        row, step = share.amax(0) > 0.5, x[1] - x[0]
        sides = [float((row & side).sum() * step) for side in (x < place[0], x >= place[0])]
        least = LEAST_WIDTH * float(place[2].cos())
        # Half a row beside painted teeth, of another white, looks broken.
        too_few = sum(sides) < least or min(sides) < LEAST_SIDE * least
        if too_few or float(clipped.sum()) > MOST_CLIPPED * float(share.sum()):
            return None
        if _shows_two_rows(color.mean(1)[0], share > 0.5):
            return None
        soft = F.avg_pool2d(color, (1, BLURRED), 1, (0, BLURRED // 2), count_include_pad=False)
        color = torch.maximum(color + SHARPENED * (color - soft), DARKEST * soft).clamp(0.0, 1.0)
        patch = torch.cat([color, share[None, None]], 1)
        opening = (lower - upper)[0, row].median()
        lit = light_between(opening).clamp_min(LEAST_LIT)
        columns = row.nonzero()[:, 0]
        outer = columns[:TIPS], columns[-TIPS:]
        ends = [torch.stack([x[part].mean(), end[0, part].mean()]) for part in outer]
        axes = torch.stack([x[0], x[1] - x[0], y[0], y[1] - y[0]])
        return cls(patch, axes, *place, lit, torch.stack(ends))

    def at(
        self, x: torch.Tensor, y: torch.Tensor, place: tuple[torch.Tensor, ...]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return colors (N, 3, r, W) and their share (N, 1, r, W) at columns (W,) and rows (r,).

        Args:
            place: `middle`, `edge`, `turn` and `slant`, (N,) each, in the frames that they are
                drawn into.
        """
        middle, edge, turn, slant = (one[:, None] for one in place)
        beside = turned_columns(frontal_columns(x - middle, turn[:, 0]), self.turn[None])
        columns = beside + self.middle
        level = self.slant * beside - slant * (x - middle)  # each along the slant of its own frame
        rows = (y - edge + self.edge)[..., None] + level[:, None]  # N r W
        left, step_x, top, step_y = self.axes
        high, wide = self.patch.shape[2:]
        grid_x = ((columns - left) / step_x + 0.5) * (2 / wide) - 1
        grid_y = ((rows - top) / step_y + 0.5) * (2 / high) - 1
        grid = torch.stack([grid_x[:, None].expand_as(grid_y), grid_y], -1)
        found = F.grid_sample(
            self.patch.expand(len(middle), -1, -1, -1), grid,
            padding_mode="border", align_corners=False,
        )  # fmt: skip
        return found[:, :3], found[:, 3:]

    def lowered(
        self, edge: torch.Tensor, x: torch.Tensor, place: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Return (N, W) how far painted teeth have to move down to go on where the row ends.

        Args:
            edge: (N, W) face y of their tips at columns x (W,).
            place: as in `at`.
        """
        middle, level, turn, slant = (one[:, None] for one in place)
        beside = (self.ends[:, 0] - self.middle)[None]
        tips = self.ends[:, 1] - self.edge + level - self.slant * beside
        frontal = frontal_columns(beside, self.turn[None])
        beside = turned_columns(frontal.expand(len(level), -1), turn[:, 0])
        at = (beside + middle).clamp(float(x[0]), float(x[-1]))
        tips = tips + slant * (at - middle)  # N 2
        column = ((at - x[0]) / (x[1] - x[0])).round().long()
        moved = (tips - edge.gather(1, column)).clamp(-FURTHEST, FURTHEST)
        across = ((x - at[:, :1]) / (at[:, 1:] - at[:, :1]).clamp_min(0.01)).clamp(0.0, 1.0)
        return torch.lerp(moved[:, :1], moved[:, 1:], across)

    @property
    def detail(self) -> float:
        """How much teeth show: how many, how bright, and how clearly each is told apart."""
        share = self.patch[:, 3:, :, 2:-2]
        light = self.patch[:, :3].mean(1, keepdim=True).clamp_min(0.02)
        tone = light.log()
        edges = (2 * tone[..., 2:-2] - tone[..., :-4] - tone[..., 4:]).abs()
        contrast = (edges * share).sum() / share.sum().clamp_min(1.0)
        return float(contrast.sqrt() * (light[..., 2:-2] * share).sum())

    def in_light(self, gain: torch.Tensor) -> FilmedTeeth:
        """Return the same teeth in a light that multiplies colors by ()."""
        color, share = self.patch[:, :3] * gain, self.patch[:, 3:]
        return replace(self, patch=torch.cat([color.clamp(0.0, 1.0), share], 1))

    def to(self, device: torch.device) -> FilmedTeeth:
        """Return the same on another device."""
        values = {field.name: getattr(self, field.name).to(device) for field in fields(self)}
        return replace(self, **values)


def light_between(opening: torch.Tensor) -> torch.Tensor:
    """Return the share of the light that reaches teeth between lips that are `opening` H apart."""
    return 1 - torch.exp(-opening.clamp_min(0.0) / SLIT)


def _shows_two_rows(light: torch.Tensor, shown: torch.Tensor) -> bool:
    """Return whether teeth (R, W) are crossed by a dark line: the lower ones are among them.

    Those would go with the head, one blank slab with the upper ones.

    Args:
        shown: (R, W) bool, where teeth are.
    """
    soft = F.avg_pool2d(light[None], (1, 5), 1, (0, 2), count_include_pad=False)[0]
    soft = soft.where(shown, 0.0)
    above, below = soft.cummax(0).values, soft.flip(0).cummax(0).values.flip(0)
    valley = soft / torch.minimum(above, below).clamp_min(1e-3)
    deepest = valley.where(shown, 1.0).amin(0)[shown.any(0)]
    return bool(deepest.median() < BETWEEN_ROWS)


def _widest_row(shown: torch.Tensor) -> torch.Tensor:
    """Return (W,) bool: the longest run of columns of (W,) bool, and the next ones, which fade.

    What shines beyond a hole in the row is a lip or a corner of the mouth; a gap between two teeth
    is no hole.
    """
    reach = 2 * (GAP // 2) + 1
    pool = partial(F.max_pool1d, kernel_size=reach, stride=1, padding=reach // 2)
    shown = -pool(-pool(shown[None].float()))[0] > 0.5
    runs = (shown[1:] != shown[:-1]).cumsum(0)
    runs = torch.cat([runs.new_zeros(1), runs])
    longest = runs.where(shown, -1).unique(return_counts=True)
    number, length = (part[longest[0] >= 0] for part in longest)
    if not len(number):
        return shown
    row = runs == int(number[length.argmax()])
    return pool(row[None].float())[0] > 0.5
