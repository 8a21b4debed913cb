"""What is drawn between the lips."""

from __future__ import annotations

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.fields import FaceShape, LipOutline, MotionValues
from skyreels_avatar.rig.mouth import patch_axes
from tests.rig.faces import random_motion


def test_a_shut_mouth_shows_nothing_of_its_inside(shape: FaceShape) -> None:
    motion = random_motion(8, seed=5)
    for name in ("lip_gap", "tuck", "tongue"):  # f shows teeth and th the tongue
        motion[:, MOTION_INDEX[name]] = 0.0
    columns = patch_axes()[0].expand(8, -1)
    upper, lower = LipOutline.of(shape, MotionValues(motion)).at(columns)
    assert float((lower - upper).max()) < 1e-3
