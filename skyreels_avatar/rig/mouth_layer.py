"""The open mouth in the picture: what is drawn between the lips.

Between the lips lie the teeth that the source picture shows (`source_teeth`), and where it shows
none the painted inside (`mouth`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.coefficients import GROUP_SIZE
from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.curves import STEEPEST, coverage, refine, steepness
from skyreels_avatar.rig.drawn_style import paint_drawn_mouth
from skyreels_avatar.rig.far_lips import far_reach
from skyreels_avatar.rig.geometry import (
    as_points,
    interpolate_curves,
    smoothstep,
)
from skyreels_avatar.rig.mouth import MOUTH_BOX, mouth_interior, patch_axes
from skyreels_avatar.rig.reference_clip import ReferenceClip, sample_clip
from skyreels_avatar.rig.source_teeth import SourceTeeth
from skyreels_avatar.rig.warp import PosedFace

MOUTH = CONSTANTS.mouth
ROUND_END, ROUNDEST = 0.5, 0.03  # of the height at the end of an outline, at most of H
FAR_STRETCH = 0.004  # of H: what is seen of the other lip beyond the far end of an opening
IN_CREASE = (0.54, 0.26, 0.26)  # light where lips meet over that on them: 128 shut mouths
RIM = 0.008  # of H: the edges of lips that the picture parts, which teeth and the dark mix with
SEAM_SOFT = 1.3  # pixels from one lip to the other
SEAM_STEP = 0.05  # of H: the line between lips rises no more from a pixel to the next
WIDEST = 1.6  # times the patch: a grin that widens is wider than it


@dataclass(frozen=True)
class LipPixels:
    """Where pixels (F, h, w) round the mouth come from, and whether a lip covers them in part.

    Attributes:
        source: (F, h, w, 2) face coordinates at rest, of the layer that covers most of a pixel.
        at: (F, h, w, 2) face coordinates with the head alone undone.
        rows: those in which both layers cover some pixel.
        other: (F, rows, w, 2) source of the other layer there.
        share: (F, 1, rows, w) in [0, 0.5] how much of a pixel that covers.
    """

    source: torch.Tensor
    at: torch.Tensor
    rows: slice
    other: torch.Tensor
    share: torch.Tensor


def part_lips(points: torch.Tensor, face: PosedFace) -> LipPixels:
    """Return where neighboring points (F, h, w, 2) come from, the layer chosen exactly."""
    upper, lower, head = face.warp.layers_at(points)
    at = points + head
    line = face.lips.line(at[..., 0].flatten(1)).reshape(at.shape[:3])
    past = at[..., 1] - line
    below = (past > 0)[..., None]
    source = _held_on_lip(points + torch.where(below, lower, upper), below[..., 0], face)
    share = _shared(past)
    found = (share > 0).any(2).any(0).nonzero()
    rows = slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0)
    below = ~below[:, rows]
    other = points[:, rows] + torch.where(below, lower[:, rows], upper[:, rows])
    if len(found):
        other = _held_on_lip(other, below[..., 0], face)
    return LipPixels(source, at, rows, other, share[:, None, rows])


def _shared(past: torch.Tensor) -> torch.Tensor:
    """Return (F, h, w) how much of each pixel lies beyond a line, (F, h, w) from its middle."""
    down, across = (F.pad(past.diff(dim=dim), pad, mode="replicate")
                    for dim, pad in ((1, (0, 0, 0, 1)), (2, (0, 1))))  # fmt: skip
    pixel = SEAM_SOFT * (down**2 + across.clamp(-SEAM_STEP, SEAM_STEP) ** 2).sqrt()
    return (0.5 - past.abs() / pixel.clamp_min(1e-6)).clamp_min(0.0)


def _held_on_lip(source: torch.Tensor, below: torch.Tensor, face: PosedFace) -> torch.Tensor:
    """Return sources (F, h, w, 2) that lie on their own lip, not between lips that are parted.

    Nor beyond the other lip where turned lips part at their far end: what a lip uncovers there is
    the rest of both, stretched.

    Args:
        below: (F, h, w) bool, of the lower layer.
    """
    shape = face.shape
    beyond, gap = far_reach(shape.points, shape.lip_x), shape.gap[:, None]
    if not bool((beyond > 0).any() | (gap > 0).any()):
        return source
    x, y = source.flatten(1, 2).unbind(-1)
    below = below.flatten(1)
    curves = (refine(one) for one in (shape.lip_x, shape.upper_y, shape.lower_y))
    upper, lower = interpolate_curves(x, *curves)
    right, left = beyond.split(1, 1)
    first, middle, last = shape.lip_x[:, :1], shape.center[:, :1], shape.lip_x[:, -1:]
    far = ((right > 0) & (x < middle) & (x > first - right)) | (
        (left > 0) & (x > middle) & (x < last + left)
    )
    shut = 1 - (face.values.lip_gap / gap.clamp_min(1e-4)).clamp(0.0, 1.0)
    half = (lower - upper) / 2
    rim = half.where(far, -torch.minimum(RIM * shut, half))
    past = torch.where(below, lower - rim - y, y - upper - rim).clamp_min(0.0)
    held = FAR_STRETCH * (1 - torch.exp(-past / FAR_STRETCH))
    shift = (past - held) * (far | ((gap > 0) & (x > first) & (x < last)))
    y = torch.where(below, y + shift, y - shift)
    return as_points(x, y).reshape(source.shape)


def open_mouth(
    at: torch.Tensor, face: PosedFace, clip: ReferenceClip
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return color (F, 3, h, w) and alpha (F, 1, h, w) of the open mouth.

    Args:
        at: (F, h, w, 2) face coordinates with the head undone, of `part_lips`.
    """
    shape = face.shape
    motion = face.values.motion[:, :GROUP_SIZE]
    painted_at = patch_axes(at.device)[0].expand(motion.shape[0], -1)
    columns = WIDEST * painted_at
    edge_up, edge_low = face.lips.at(columns)
    if clip.look.drawn is not None:
        return _drawn_mouth(at, face, clip, (columns, edge_up, edge_low))
    look = clip.look.expand(motion.shape[0]).anchored(face.frame.points)
    jaw = motion
    if clip.has_own_motion:  # whose coefficients, but for the lip gap, are relative to the frames
        jaw = torch.cat([motion[:, :1], MOUTH.jaw_of_gap * motion[:, :1], motion[:, 2:]], 1)
    rounded = face.values.pucker.clamp(0.0, 1.0)
    behind = MOUTH.teeth_behind_round * rounded
    # The lower teeth are laid out from the upper ones, but stay: the lower lip rises over them.
    lower = jaw[:, 1:2].clamp_min(0.0) + behind / CONSTANTS.inside.lower_drop
    jaw = torch.cat([jaw[:, :1], lower, jaw[:, 2:]], 1)
    look = replace(
        look,
        teeth_edge=look.teeth_edge - behind[:, 0],
        smile=(shape.smile + face.values.smile[:, 0]).clamp(0.0, 1.0),
    )
    x, y = at.flatten(1, 2).unbind(-1)
    pixel = 1.0 / face.frame.height_px[:, None]
    steep = (steepness(columns, edge) for edge in (edge_up, edge_low))
    upper, lower, *high = interpolate_curves(x, columns, edge_up, edge_low, *steep)
    within, left, falls = _within_outline(x, y, face, pixel)
    middle, half = (upper + lower) / 2, (lower - upper) / 2
    steeper = (falls * half).clamp_max(STEEPEST) ** 2
    ends = middle - left * half, middle + left * half
    alpha = within * coverage(
        y, *ends, tuple(1.3 * pixel * (one**2 + steeper).sqrt() for one in high)
    )
    if bool(alpha.any()):
        inside = _painted(at, mouth_interior(*face.lips.at(painted_at), jaw, look))
    else:
        inside = at.new_zeros(len(at), 3, *at.shape[1:3])
    if bool((shape.gap > 0).any()):
        edges, teeth = (edge_up, edge_low, columns), clip.look.teeth
        own = SourceTeeth.of(at.flatten(1, 2), shape, teeth, edges, motion, pixel)
        looked = face.frame.to_pixels(own.at.reshape(at.shape)).permute(0, 3, 1, 2)
        seen = sample_clip(clip, looked)[:, :3] / 255
        seen = seen * (1 - MOUTH.round_shade_own * rounded)[..., None, None]
        share = own.share(seen.flatten(2), teeth).reshape(-1, 1, *at.shape[1:3])
        inside = inside + share * (seen - inside)
    return inside, alpha.reshape(-1, 1, *at.shape[1:3])


def _painted(at: torch.Tensor, color: torch.Tensor) -> torch.Tensor:
    """Return (F, 3, h, w) of the patch (F, 3, 64, 128) at (F, h, w, 2), see `open_mouth`."""
    left, top, right, bottom = MOUTH_BOX
    scale = at.new_tensor([2 / (right - left), 2 / (bottom - top)])
    grid = (at - at.new_tensor([left, top])) * scale - 1
    return F.grid_sample(color, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _within_outline(
    x: torch.Tensor, y: torch.Tensor, face: PosedFace, pixel: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Return (F, N) 1 between the outermost points of the lips, 0 beside them.

    In a side view these are not the corners but where lips round the teeth go out of sight. There
    the opening ends round: (F, N) in 0..1 how much of its height is left, and how fast it falls.
    """
    ends = []
    for side, furthest in ((-1.0, torch.argmin), (1.0, torch.argmax)):
        upper, lower = (
            edge.gather(1, furthest(edge[..., :1], 1, keepdim=True).expand(-1, -1, 2))
            for edge in (face.lips.upper, face.lips.lower)
        )
        tall = (lower[..., 1] - upper[..., 1]).clamp_min(1e-4)
        share = ((y - upper[..., 1]) / tall).clamp(0.0, 1.0)
        inner = side * (torch.lerp(upper[..., 0], lower[..., 0], share) - x)
        ends.append((inner, (ROUND_END * tall).clamp_max(ROUNDEST)))
    within = (torch.minimum(*(inner for inner, _ in ends)) / pixel + 0.5).clamp(0.0, 1.0)
    near = [inner / depth.clamp_min(1e-4) for inner, depth in ends]
    depth = torch.where(near[0] < near[1], *(depth for _, depth in ends)).clamp_min(1e-4)
    near = torch.minimum(*near)
    near = near.clamp(0.0, 1.0)
    share = (near * (2 - near)).sqrt()
    return within, share, (1 - near) / (share.clamp_min(1e-2) * depth)


def _drawn_mouth(
    at: torch.Tensor, face: PosedFace, clip: ReferenceClip, edges: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return color and alpha as `open_mouth` does, of a flat drawing's mouth."""
    x, y = at.flatten(1, 2).unbind(-1)
    pixel = 1.0 / face.frame.height_px[:, None]
    ends = face.lips.upper[:, [0, -1], 0]
    alpha = coverage(y, *interpolate_curves(x, *edges), 1.3 * pixel)
    alpha = alpha * ((x > ends[:, :1]) & (x < ends[:, 1:]))
    color = paint_drawn_mouth(x, y, edges, clip.look.drawn, pixel)
    return color.unflatten(2, at.shape[1:3]), alpha.reshape(-1, 1, *at.shape[1:3])


def crease(at: torch.Tensor, face: PosedFace) -> torch.Tensor | None:
    """Return (F, 3, h, w) the light left where lips meet that roll in, or that the picture parts.

    None if there are no such lips.

    Args:
        at: as of `open_mouth`.
    """
    strength = MOUTH.crease * face.values.press.clamp(0.0, 1.0)
    gap = face.shape.gap[:, None]
    shut = smoothstep(MOUTH.seam_from, 0.0, face.values.lip_gap / gap.clamp_min(1e-4)) * (gap > 0)
    strength = torch.maximum(strength, MOUTH.seam * shut)
    if face.drawn or not bool((strength > 0.02).any()):
        return None
    x, y = at.flatten(1, 2).unbind(-1)
    left, right = face.lips.upper[:, :1, 0], face.lips.upper[:, -1:, 0]
    inner = torch.minimum(x - left, right - x)
    past = (y - face.lips.line(x)) / MOUTH.crease_width
    dark = strength * smoothstep(0.0, 0.03, inner) * torch.exp(-(past**2))
    deep = 1 - at.new_tensor(IN_CREASE)
    return 1 - (dark[:, None] * deep[:, None]).unflatten(2, at.shape[1:3])
