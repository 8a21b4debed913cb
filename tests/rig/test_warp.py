"""The backward warp undoes the forward fields."""

from __future__ import annotations

from skyreels_avatar.rig.fields import (
    FaceShape,
    MotionValues,
)
from skyreels_avatar.rig.forward_warp import move_points
from skyreels_avatar.rig.warp import coarse_warp
from tests.rig.faces import random_motion


def test_the_backward_warp_undoes_the_forward_fields(shape: FaceShape) -> None:
    motion = random_motion(6, seed=9, share=0.5)
    values = MotionValues(motion)
    warp = coarse_warp(shape, values)
    moved = move_points(shape, motion)
    for layer, indices in (("upper", (4, 50, 280, 168, 0)), ("lower", (152, 17, 199))):
        at = moved[:, None, list(indices)]
        back = (at + warp.at(layer, at))[:, 0]
        error = (back - shape.points[:, list(indices), :2]).norm(dim=-1)
        assert float(error.max()) < 0.008, layer
