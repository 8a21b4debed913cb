"""The open mouth in the picture: its outline, and what is drawn between the lips.

Between the lips lie the teeth that the source picture shows (`source_teeth`), and where it shows
none the painted inside (`mouth`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.coefficients import GROUP_SIZE
from skyreels_avatar.rig.curves import coverage, refine
from skyreels_avatar.rig.fields import (
    LOWER,
    UPPER,
    FaceShape,
    MotionValues,
    face_field,
    mouth_field,
)
from skyreels_avatar.rig.geometry import interpolate_columns
from skyreels_avatar.rig.mouth import MOUTH_BOX, MOUTH_PATCH, mouth_interior
from skyreels_avatar.rig.reference_clip import ReferenceClip, sample_clip
from skyreels_avatar.rig.source_teeth import SourceTeeth
from skyreels_avatar.rig.warp import PosedFace, lip_line

JAW_OF_GAP = 0.7  # of the lip gap: how far the jaw drops


def part_lips(points: torch.Tensor, face: PosedFace) -> torch.Tensor:
    """Return (F, h, w, 2) the source of points round the mouth, the layer chosen exactly."""
    warp = face.warp
    at = points + warp.at("head", points)
    line = lip_line(at[..., 0].flatten(1), face.shape, face.values).reshape(at.shape[:3])
    below = (at[..., 1] > line)[..., None]
    return points + torch.where(below, warp.at("lower", points), warp.at("upper", points))


def lip_outline(
    shape: FaceShape, values: MotionValues
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the moved inner lip edges (F, 128) at patch columns (F, 128), head undone."""
    columns = torch.linspace(MOUTH_BOX[0], MOUTH_BOX[2], 2 * MOUTH_PATCH[1] + 1)[1::2]
    frames = values.motion.shape[0]
    columns = columns.to(shape.points).expand(frames, -1)
    edges = []
    for layer, rest_y in ((UPPER, shape.upper_y), (LOWER, shape.lower_y)):
        rest = torch.stack([shape.lip_x, rest_y], -1)
        rest = torch.stack([refine(rest[..., 0]), refine(rest[..., 1])], -1)
        rest = rest.expand(frames, -1, -1)
        moved = rest + mouth_field(rest, shape, values, layer)
        moved = moved + face_field(rest, shape, values)
        edges.append(interpolate_columns(columns, moved[..., 0], moved[..., 1]))
    upper = edges[0]
    return upper, torch.maximum(edges[1], upper), columns


def open_mouth(
    points: torch.Tensor, face: PosedFace, clip: ReferenceClip
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return color (F, 3, h, w) and alpha (F, 1, h, w) of the open mouth at (F, h, w, 2)."""
    shape = face.shape
    edge_up, edge_low, columns = lip_outline(shape, face.values)
    motion = face.values.motion[:, :GROUP_SIZE]
    look = clip.look.expand(motion.shape[0]).anchored(face.frame.points)
    jaw = motion
    if clip.lively:  # whose coefficients, but for the lip gap, are relative to the frames
        jaw = torch.cat([motion[:, :1], JAW_OF_GAP * motion[:, :1], motion[:, 2:]], 1)
    color = mouth_interior(edge_up, edge_low, jaw, look)
    at = points + face.warp.at("head", points)
    x, y = at.flatten(1, 2).unbind(-1)
    pixel = 1.0 / face.frame.height_px[:, None]
    alpha = coverage(y, x, columns, edge_up, edge_low, 1.3 * pixel)
    left, top, right, bottom = MOUTH_BOX
    scale = at.new_tensor([2 / (right - left), 2 / (bottom - top)])
    grid = (at - at.new_tensor([left, top])) * scale - 1
    inside = F.grid_sample(color, grid, mode="bilinear", padding_mode="border", align_corners=False)
    if bool((shape.gap > 0).any()):
        edges, teeth = (edge_up, edge_low, columns), clip.look.teeth
        own = SourceTeeth.of(at.flatten(1, 2), shape, teeth, edges, motion, pixel)
        looked = face.frame.to_pixels(own.at.reshape(at.shape)).permute(0, 3, 1, 2)
        seen = sample_clip(clip, looked)[:, :3] / 255
        share = own.share(seen.flatten(2), teeth).reshape(-1, 1, *at.shape[1:3])
        inside = inside + share * (seen - inside)
    return inside, alpha.reshape(-1, 1, *at.shape[1:3])
