"""Where the landmarks of a face go: the plain forward twin of what `warp` inverts."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.fields import (
    LOWER,
    UPPER,
    FaceShape,
    MotionValues,
    face_field,
    mouth_field,
)
from skyreels_avatar.rig.geometry import INNER_LOWER, INNER_UPPER, interpolate_columns
from skyreels_avatar.rig.head import head_depth, head_field, head_weight
from skyreels_avatar.rig.picture_edge import keep_inside_picture


def move_points(
    shape: FaceShape, motion: torch.Tensor, edges: torch.Tensor | None = None
) -> torch.Tensor:
    """Return (F, 478, 2) where the landmarks go, in face coordinates (lids, irises left out).

    Args:
        edges: of `picture_edges`.
    """
    values = MotionValues(motion)
    points = shape.points[..., :2]
    line = interpolate_columns(points[..., 0], shape.lip_x, (shape.upper_y + shape.lower_y) / 2)
    lower = points[..., 1] > line + 1e-6
    lower[:, list(INNER_LOWER[1:-1])] = True
    lower[:, list(INNER_UPPER)] = False
    mouth = torch.where(
        lower[..., None],
        *mouth_field(points, shape, values)[:, [LOWER, UPPER]].unbind(1),
    )
    moved = points + mouth + face_field(points, shape, values)
    weight, depth = (shape.at_rest(make, points) for make in (head_weight, head_depth))
    turned = head_field(moved, depth, weight, shape, values)
    return moved + keep_inside_picture(turned, points, edges)
