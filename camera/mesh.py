"""A picture and its depth as a mesh of micro-triangles, two for each square of pixel centers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from skyreels_avatar.camera.geometry import unproject

JUMP_LOG_RANGE = 0.06
"""Range of log depth inside a triangle from which it counts as lying across a depth jump.
0.02 eats sloping surfaces, 0.15 draws the same pictures as 0.06 (design study, section 4.2)."""

RING_TOLERANCE = 0.02
"""Largest relative change of inverse depth over the half pixel to the border that is believed."""


@dataclass(frozen=True)
class Mesh:
    """Micro-triangles of one picture in the frame of the camera that took it.

    points: (V, 3) world coordinates. attributes: (V, C) values carried to the rendered pixels.
    faces: (T, 3) vertex indices, wound so that the source camera sees a negative signed area.
    jump: (T,) bool, True where a triangle spans a depth jump.
    """

    points: Tensor
    attributes: Tensor
    faces: Tensor
    jump: Tensor


def build_mesh(attributes: Tensor, depth: Tensor, intrinsics: Tensor) -> Mesh:
    """Build the mesh of a picture with a ring of vertices on the exact picture border.

    Args:
        attributes: (C, H, W) values of the pixels, colors for example.
        depth: (H, W) along z; values <= 0 count as unknown and leave a gap.
        intrinsics: (3, 3) pixels.

    Raises:
        ValueError: sizes differ, or the picture is smaller than 3x3.
    """
    height, width = depth.shape
    if attributes.shape[-2:] != depth.shape:
        raise ValueError(
            f"attributes and depth must have one size, got {tuple(attributes.shape[-2:])}"
            f" and {tuple(depth.shape)}"
        )
    if min(height, width) < 3:
        raise ValueError(f"a mesh needs at least 3x3 pixels, got {height}x{width}")
    device = depth.device
    depth = _ring_depth(depth)
    attributes = F.pad(attributes[None].float(), (1, 1, 1, 1), mode="replicate")[0]
    y, x = torch.meshgrid(
        _ring_positions(height, device), _ring_positions(width, device), indexing="ij"
    )
    points = unproject(torch.stack([x, y], dim=-1), depth, intrinsics.to(device))
    faces, jump = _grid_faces(depth)
    return Mesh(points.reshape(-1, 3), attributes.flatten(1).T.contiguous(), faces, jump)


def _ring_positions(length: int, device: torch.device) -> Tensor:
    """Return pixel centers 0.5 .. length - 0.5 with the border positions 0 and length around."""
    positions = torch.arange(-1, length + 1, device=device) + 0.5
    return positions.clamp(0.0, float(length))


def _ring_depth(depth: Tensor) -> Tensor:
    """Pad depth by one ring; inverse depth goes on linearly for half a pixel where it is smooth."""
    inverse = torch.where(depth > 0, 1 / depth.clamp_min(1e-12), -torch.ones_like(depth))
    inverse = F.pad(inverse[None, None], (1, 1, 1, 1), mode="replicate")[0, 0].clone()
    for dim in (0, 1):
        for ring, edge, inner in ((0, 1, 2), (-1, -2, -3)):
            at_edge, at_inner = inverse.select(dim, edge), inverse.select(dim, inner)
            extrapolated = at_edge + 0.5 * (at_edge - at_inner)
            smooth = ((extrapolated / at_edge - 1).abs() < RING_TOLERANCE) & (at_edge > 0)
            inverse.select(dim, ring).copy_(torch.where(smooth, extrapolated, at_edge))
    return torch.where(inverse > 0, 1 / inverse, torch.zeros_like(inverse))


def _grid_faces(depth: Tensor) -> tuple[Tensor, Tensor]:
    """Return faces (T, 3) of a vertex grid and whether each lies across a depth jump (T,)."""
    height, width = depth.shape
    index = torch.arange(height * width, device=depth.device).reshape(height, width)
    top_left, top_right = index[:-1, :-1], index[:-1, 1:]
    bottom_left, bottom_right = index[1:, :-1], index[1:, 1:]
    faces = torch.cat(
        [
            torch.stack([top_left, bottom_left, top_right], dim=-1).reshape(-1, 3),
            torch.stack([top_right, bottom_left, bottom_right], dim=-1).reshape(-1, 3),
        ]
    )
    corner_depth = depth.reshape(-1)[faces]
    known = (corner_depth > 0).all(dim=1)
    faces, corner_depth = faces[known], corner_depth[known]
    log_range = (corner_depth.amax(dim=1) / corner_depth.amin(dim=1)).log()
    return faces, log_range > JUMP_LOG_RANGE
