"""The shapes of a mouth can be told apart: rounded, spread, bitten, pressed, relaxed."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from skyreels_avatar.rig.fields import (
    LOWER,
    UPPER,
    FaceShape,
    LipOutline,
    MotionValues,
    mouth_field,
)
from skyreels_avatar.rig.forward_warp import move_points
from skyreels_avatar.rig.geometry import MOUTH_CORNERS, lip_gap
from tests.rig.faces import motion_of


def width(shape: FaceShape, **coefficients: float) -> float:
    """Return the width of the mouth, 1 = at rest."""
    corners = move_points(shape, motion_of(**coefficients))[0, list(MOUTH_CORNERS), 0]
    rest = shape.points[0, list(MOUTH_CORNERS), 0]
    return float((corners[1] - corners[0]) / (rest[1] - rest[0]))


def red(shape: FaceShape, layer: int, **coefficients: float) -> float:
    """Return how much of a lip's red is seen in the middle, 1 = at rest."""
    values, motion = MotionValues(motion_of(**coefficients)), motion_of(**coefficients)
    outer = move_points(shape, motion)[0, 0 if layer == UPPER else 17, 1]
    edge = LipOutline.of(shape, values).at(shape.center[:, :1])[layer][0, 0]
    return float((edge - outer).abs() / shape.thickness[0, layer])


def test_rounding_narrows_the_mouth_and_thickens_the_lips(shape: FaceShape) -> None:
    assert 0.65 < width(shape, pucker=1.0) < 0.75
    assert 1.08 < red(shape, UPPER, pucker=1.0) < 1.3 and red(shape, LOWER, pucker=1.0) > 1.15
    assert width(shape, pucker=0.5) == pytest.approx((1 + width(shape, pucker=1.0)) / 2, abs=0.01)


@pytest.mark.parametrize("asked", [-0.18, 0.14])
def test_width_is_the_mouth_s_own(shape: FaceShape, asked: float) -> None:
    assert width(shape, width=asked) == pytest.approx(1 + asked, abs=0.015)


def test_pressed_lips_get_thin_and_stay_shut(shape: FaceShape) -> None:
    for layer in (UPPER, LOWER):
        assert red(shape, layer, press=1.0) < 0.75
    outline = LipOutline.of(shape, MotionValues(motion_of(press=1.0)))
    assert float((outline.lower - outline.upper)[..., 1].abs().max()) < 1e-3


def test_a_bite_shows_a_strip_above_a_lower_lip_that_rolls_in(shape: FaceShape) -> None:
    outline = LipOutline.of(shape, MotionValues(motion_of(tuck=1.0, lip_gap=0.005)))
    strip = float((outline.lower - outline.upper)[0, :, 1].max())
    assert 0.015 < strip < 0.03
    assert red(shape, LOWER, tuck=1.0) < 0.8 < red(shape, UPPER, tuck=1.0)


def test_lips_never_part_beyond_their_corners(shape: FaceShape) -> None:
    """Both layers move as one there, whatever the thickness of the lips is."""
    thin = dataclasses.replace(shape, thickness=shape.thickness * torch.tensor([[0.5, 1.5]]))
    columns = torch.linspace(1.0, 2.5, 20) * shape.half_width[0, 1] + shape.center[0, 0]
    line = torch.full_like(columns, float(shape.upper_y[0, -1]))
    points = torch.stack([columns, line], -1)[None]
    for name in ("pucker", "width", "smile", "frown", "press", "tuck"):
        values = MotionValues(motion_of(**{name: 1.0}))
        upper, lower = mouth_field(points, thin, values).unbind(1)
        torch.testing.assert_close(upper, lower, atol=2e-3, rtol=0)


def test_a_grin_at_rest_relaxes_while_lips_round_or_shut(shape: FaceShape) -> None:
    grinning = FaceShape.of(
        torch.cat([move_points(shape, motion_of(smile=1.0)), shape.points[..., 2:]], -1)
    )
    assert float(grinning.smile) > 0.5 > float(shape.smile)
    corner = grinning.points[0, 61, 1]
    shut = move_points(grinning, motion_of(press=1.0))[0, 61, 1]
    assert float(shut - corner) > 0.02
    back = move_points(grinning, motion_of())[0, 61, 1]
    assert float(back) == pytest.approx(float(corner), abs=1e-6)
    rest = move_points(shape, motion_of(press=1.0))[0, 61, 1] - shape.points[0, 61, 1]
    assert abs(float(rest)) < 0.01


def test_the_gap_of_the_lips_does_not_depend_on_their_shape(shape: FaceShape) -> None:
    for coefficients in ({"pucker": 0.7}, {"width": 0.1}, {"smile": 1.0}):
        moved = move_points(shape, motion_of(lip_gap=0.05, jaw_drop=0.03, **coefficients))
        assert float(lip_gap(moved)) == pytest.approx(0.05, abs=0.012)
