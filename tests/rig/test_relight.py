"""A light on a picture: what it leaves alone, which way it goes, and that it looks like light."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyreels_avatar.models.light_encoder import Light
from skyreels_avatar.rig.relight import (
    Grade,
    Relief,
    face_level,
    is_plain,
    limit_exposure,
    relight,
    shading,
)
from tests.faces.drawing import draw_person

FACE = (100.0, 40.0, 90.0, 110.0)
LIGHTS = {
    "dark": Light(exposure=-1.5),
    "bright": Light(exposure=1.4),
    "warm": Light(warmth=0.45),
    "red": Light(warmth=0.9, tint=0.9),
    "grey": Light(saturation=-1.0),
    "vivid": Light(saturation=1.0),
    "hard": Light(contrast=1.0),
    "soft": Light(contrast=-1.0),
    "left": Light(side=-1.0),
    "below": Light(above=-1.0),
    "back": Light(back=1.0),
    "spot": Light(spot=1.0),
}
number = st.floats(-1, 1)


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray, Relief]:
    """A drawn person (240, 300, 3) in 0..1, its matte and relief."""
    pixels, landmarks, mask = _person()
    return np.float32(pixels) / 255, mask, Relief.of(mask, [landmarks])


def _person() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pixels, landmarks, mask = draw_person(240, 300, FACE)
    return pixels, np.float32(landmarks), np.float32(mask)


def _luma(picture: np.ndarray) -> np.ndarray:
    return picture @ np.float32([0.2126, 0.7152, 0.0722])


def test_no_light_is_no_change(drawn):
    picture, matte, relief = drawn
    assert is_plain(Light()) and not is_plain(LIGHTS["warm"])
    np.testing.assert_allclose(relight(picture, Light(), relief, matte), picture, atol=1e-6)


@pytest.mark.parametrize("name", LIGHTS)
def test_every_light_is_seen_and_stays_in_range(drawn, name):
    picture, matte, relief = drawn
    lit = relight(picture, LIGHTS[name], relief, matte)
    assert lit.shape == picture.shape and lit.dtype == np.float32
    assert lit.min() >= 0 and lit.max() <= 1
    assert np.abs(lit - picture).mean() > 0.01


def test_black_and_white_has_no_color(drawn):
    picture, matte, relief = drawn
    lit = relight(picture, Light(saturation=-1.0, contrast=0.6, spot=0.3), relief, matte)
    assert np.ptp(lit, axis=-1).max() < 1e-6


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_light_from_one_side_lights_that_side_of_the_face(drawn, side):
    picture, matte, relief = drawn
    x, y, width, height = (int(value) for value in FACE)
    factor = _luma(relight(picture, Light(side=side), relief, matte)) / np.maximum(
        _luma(picture), 0.05
    )
    rows = slice(y + height // 3, y + 2 * height // 3)
    left = factor[rows, x + width // 10 : x + width // 3].mean()
    right = factor[rows, x + 2 * width // 3 : x + 9 * width // 10].mean()
    lit, dark = (left, right) if side < 0 else (right, left)
    assert lit > 1.3 * dark


def test_a_light_from_below_lights_what_looks_down(drawn):
    _, _, relief = drawn
    above, below = (shading(Light(above=sign), relief)[0] for sign in (1.0, -1.0))
    looks_up = (relief.normals[..., 1] < -0.4) & (relief.person > 0.5)
    looks_down = (relief.normals[..., 1] > 0.4) & (relief.person > 0.5)
    assert looks_up.any() and looks_down.any()
    assert above[looks_up].mean() > below[looks_up].mean()
    assert above[looks_down].mean() < below[looks_down].mean()


def test_no_band_of_light_lies_across_the_forehead(drawn):
    """Where the mesh of the face ends and the hair begins, a relief of depths had a groove."""
    _, _, relief = drawn
    x, y, width, height = (int(value) for value in FACE)
    middle = slice(y - height // 6, y + height // 8), slice(x + width // 3, x + 2 * width // 3)
    for sign in (1.0, -1.0):
        down = shading(Light(above=sign), relief)[0][middle].mean(1)
        assert (sign * np.diff(down)).max() < 0.04  # of the brows; the groove had 0.2


def test_a_spot_leaves_the_face_and_darkens_the_wall(drawn):
    _, _, relief = drawn
    person, behind = shading(LIGHTS["spot"], relief)
    assert person[relief.distance < 0.5].min() > 0.95
    assert behind[relief.person < 0.1].max() < 0.6


def test_light_from_behind_makes_a_bright_rim_round_a_dark_person(drawn):
    _, _, relief = drawn
    person, behind = shading(LIGHTS["back"], relief)
    inside = relief.person > 0.9
    assert (
        person[inside & (relief.rim > 0.7)].mean()
        > 1.3 * person[inside & (relief.rim < 0.2)].mean()
    )
    assert behind.min() > 1


@given(number, number, number, number, number)
def test_brighter_stays_brighter_in_any_light(exposure, warmth, tint, contrast, saturation):
    light = Light(2 * exposure, warmth, tint, saturation, contrast)
    grade = Grade.of(light, peak=1.4)
    values = np.linspace(0, 1.4, 200, dtype=np.float32)
    for channel in range(3):
        curve = grade.curve(values, channel)
        assert (np.diff(curve) >= -1e-6).all()
        assert curve.min() >= -1e-6 and curve.max() <= 1 + 1e-6
    assert grade.table().shape == (256, 3)


@given(st.floats(0.05, 0.98), st.floats(-2, 1.9))
def test_exposure_is_monotone(value, exposure):
    darker, brighter = (Grade.of(Light(exposure=e)) for e in (exposure, exposure + 0.1))
    values = np.float32([value])
    assert brighter.curve(values, 1) > darker.curve(values, 1)


def test_overexposure_keeps_differences_near_white():
    curve = Grade.of(Light(exposure=1.5)).curve(np.linspace(0.9, 1, 20, dtype=np.float32), 1)
    assert (np.diff(curve) > 1e-4).all()


def test_warm_is_red_and_cold_is_blue(drawn):
    picture, matte, relief = drawn
    warm, cold = (relight(picture, Light(warmth=w), relief, matte) for w in (0.5, -0.5))
    assert (warm[..., 0] >= cold[..., 0]).all() and (warm[..., 2] <= cold[..., 2]).all()
    assert _luma(warm).mean() == pytest.approx(_luma(picture).mean(), rel=0.1)


def test_a_dark_face_is_not_made_much_darker_nor_a_bright_one_brighter():
    box = (0.0, 0.0, 8.0, 8.0)
    dark, usual, bright = (
        face_level(np.full((8, 8, 3), value, np.float32), box) for value in (0.15, 0.46, 0.9)
    )
    night, glare = Light(exposure=-1.5), Light(exposure=1.5)
    assert limit_exposure(night, usual).exposure == pytest.approx(-1.5, abs=0.03)
    assert -1.0 < limit_exposure(night, dark).exposure < 0
    assert 0 < limit_exposure(glare, bright).exposure < 0.6
    assert limit_exposure(Light(warmth=1.0), dark) == Light(warmth=1.0)


def test_the_relief_of_two_persons_has_two_heads():
    _, landmarks, mask = _person()
    shift = np.float32([300, 0, 0])
    pair = Relief.of(np.concatenate([mask, mask], 1), [landmarks, landmarks + shift])
    one = Relief.of(np.concatenate([mask, 0 * mask], 1), [landmarks])
    half = pair.normals.shape[1] // 2
    x = int(half * (100 + 45) / 300)
    far = half - 60
    np.testing.assert_allclose(pair.normals[:, :far], one.normals[:, :far], atol=0.02)
    middle = pair.normals[60, half + x - 8 : half + x + 9, 0]
    assert middle[0] < 0 < middle[-1]
