"""ARKit's blend shapes: names as published, an exact way back, and what single shapes mean."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.rig.arkit import (
    BLEND_SHAPES,
    CHANNELS,
    POSE_CHANNELS,
    WITHOUT_COUNTERPART,
    from_arkit,
    to_arkit,
)
from skyreels_avatar.rig.coefficients import MOTION_INDEX, MOTION_NAMES, MOTION_RANGE


def random_coefficients(seed: int = 0, num_frames: int = 200) -> np.ndarray:
    low, high = np.array([MOTION_RANGE[name] for name in MOTION_NAMES]).T
    return np.random.default_rng(seed).uniform(low, high, (num_frames, len(MOTION_NAMES)))


def one(**weights: float) -> dict[str, float]:
    found = from_arkit({name: np.array([value]) for name, value in weights.items()})
    return {name: float(found[0, index]) for name, index in MOTION_INDEX.items() if found[0, index]}


def test_there_are_52_blend_shapes_and_the_pose():
    assert len(set(BLEND_SHAPES)) == 52 and len(set(CHANNELS)) == 60
    sides = [name for name in BLEND_SHAPES if name.endswith("Left")]
    assert all(name.removesuffix("Left") + "Right" in BLEND_SHAPES for name in sides)


@pytest.mark.parametrize("seed", range(3))
def test_a_performance_survives_the_way_there_and_back(seed):
    coefficients = random_coefficients(seed)
    weights = to_arkit(coefficients)
    assert tuple(weights) == CHANNELS
    np.testing.assert_allclose(from_arkit(weights), coefficients, atol=1e-12)


def test_weights_of_a_usual_performance_lie_between_0_and_1():
    """Corners, brows and a smile, which undoes that of the photo, have two directions in one."""
    weights = to_arkit(random_coefficients())
    both = {"mouthDimpleLeft", "mouthDimpleRight", "browInnerUp", "mouthUpperUpLeft"}
    both |= {"mouthUpperUpRight", "browOuterUpLeft", "browOuterUpRight"}
    both |= {"mouthSmileLeft", "mouthSmileRight"}
    for name in set(BLEND_SHAPES) - both:
        assert weights[name].min() >= -1e-9 and weights[name].max() <= 1 + 1e-9, name


def test_every_shape_with_a_counterpart_moves_a_coefficient():
    for name in BLEND_SHAPES:
        moved = one(**{name: 0.5, "jawOpen": 0.6} if name == "mouthClose" else {name: 0.5})
        base = one(jawOpen=0.6) if name == "mouthClose" else {}
        assert (moved == base) == (name in WITHOUT_COUNTERPART), name


def test_sides_are_those_of_the_person():
    assert set(one(eyeBlinkLeft=1.0)) == {"blink_l"}
    assert one(eyeLookOutLeft=1.0, eyeLookInRight=1.0)["gaze_x"] == pytest.approx(0.22)
    assert one(mouthLeft=1.0) == {"skew": 1.0}
    smile = one(mouthSmileRight=1.0)
    assert smile["corner_r"] > 0 > smile["corner_l"]


def test_lips_stay_shut_over_an_open_jaw():
    """Capture programs close the lips over the jaw with `mouthClose`."""
    shut = one(jawOpen=0.5, mouthClose=0.5)
    assert "lip_gap" not in shut and shut["jaw_drop"] == pytest.approx(0.045)
    assert one(jawOpen=0.5)["lip_gap"] == pytest.approx(0.06)


def test_the_pose_keeps_its_units():
    for channel, name in POSE_CHANNELS.items():
        assert one(**{channel: 0.1}) == {name: 0.1}
