"""What is drawn between the lips."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.fields import (
    FaceShape,
    MotionValues,
)
from skyreels_avatar.rig.mouth_layer import lip_outline
from tests.rig.faces import random_motion


def test_a_shut_mouth_shows_nothing_of_its_inside(
    landmarks: torch.Tensor, shape: FaceShape
) -> None:
    motion = random_motion(8, seed=5)
    motion[:, MOTION_INDEX["lip_gap"]] = 0.0
    upper, lower, _ = lip_outline(shape, MotionValues(motion))
    assert float((lower - upper).max()) < 1e-3
