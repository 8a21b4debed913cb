"""Values that spread smoothly into the unknown."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.camera.fill import (
    defocus,
    interpolate_behind,
    reflect,
    spread,
    without_unique_details,
)


def test_known_values_stay_and_the_rest_lies_between_them(rng: np.random.Generator):
    values = rng.random((40, 56, 2)).astype(np.float32)
    known = rng.random((40, 56)) > 0.7
    filled = spread(values, known)
    assert np.array_equal(filled[known], values[known])
    assert filled.min() >= values[known].min() - 1e-6
    assert filled.max() <= values[known].max() + 1e-6


def test_a_slope_goes_on_across_a_gap():
    x = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32), (64, 64))
    known = np.ones((64, 64), bool)
    known[24:40, 24:40] = False
    filled = spread(np.where(known, x, 0)[..., None].astype(np.float32), known)
    assert np.abs(filled[..., 0] - x).max() < 0.05


def test_nothing_known_gives_finite_values():
    filled = spread(np.full((9, 7, 3), 0.5, np.float32), np.zeros((9, 7), bool))
    assert np.isfinite(filled).all()


def test_a_reflection_keeps_what_is_known_and_copies_nothing_else(rng: np.random.Generator):
    picture = rng.random((60, 80, 3)).astype(np.float32)
    known = np.ones((60, 80), bool)
    known[20:50, 30:60] = False
    picture[~known] = 5.0
    filled = reflect(picture, known)
    assert np.array_equal(filled[known], picture[known])
    assert filled.max() <= 1.0


def test_stripes_across_a_border_go_on_in_a_reflection():
    """Patches began beside a head with what stood elsewhere: light clouds before dark doors."""
    stripes = np.zeros((96, 96, 3), np.float32)
    stripes[np.arange(96) // 6 % 2 == 0] = 1.0
    known = np.ones((96, 96), bool)
    known[10:, 36:60] = False
    filled = reflect(np.where(known[..., None], stripes, 0.5).astype(np.float32), known)
    error = np.abs(filled - stripes).mean(-1)
    assert error[24:, 36:44].mean() < 0.05
    assert error[24:, 52:60].mean() < 0.05


def test_a_plain_wall_stays_plain_in_a_reflection():
    wall = np.full((64, 96, 3), 0.4, np.float32)
    known = np.ones((64, 96), bool)
    known[20:, 30:60] = False
    holed = np.where(known[..., None], wall, 1.0).astype(np.float32)
    np.testing.assert_allclose(reflect(holed, known), wall, atol=1e-6)


@pytest.mark.parametrize("fill", [reflect, interpolate_behind])
@pytest.mark.parametrize("known", [True, False])
def test_all_or_nothing_known_stays_as_it_is(fill, known: bool):
    picture = np.full((9, 7, 3), 0.5, np.float32)
    assert np.array_equal(fill(picture, np.full((9, 7), known)), picture)


def _around_a_head() -> np.ndarray:
    """Return what is known beside a head and shoulders, (192, 192) bool."""
    y, x = np.mgrid[:192, :192]
    return (np.hypot(x - 96, y - 80) > 45) & ~((y > 115) & (abs(x - 96) < 70))


def test_a_horizon_goes_straight_on_behind_a_head():
    """Its mirror image followed the outline: dark lobes beside a hat when the camera rose."""
    known = _around_a_head()
    land = np.full((192, 192, 3), 0.8, np.float32)
    land[56:] = 0.2
    holed = np.where(known[..., None], land, 0.5).astype(np.float32)
    away = (abs(np.arange(192) - 56) > 15)[:, None]
    wrong = [
        (np.abs(fill(holed, known) - land)[..., 0] > 0.3)[~known & away].mean()
        for fill in (interpolate_behind, reflect)
    ]
    assert np.array_equal(interpolate_behind(holed, known)[known], land[known])
    assert wrong[0] < 0.005
    assert wrong[1] > 0.015


def test_things_beside_a_head_are_not_repeated_behind_it():
    known = _around_a_head()
    wall = np.full((192, 192, 3), 0.7, np.float32)
    wall[60:100, 30:48] = 0.1  # a door
    holed = np.where(known[..., None], wall, 0.7).astype(np.float32)
    assert reflect(holed, known)[~known].min() < 0.15
    assert interpolate_behind(holed, known)[:, 60:][~known[:, 60:]].min() > 0.3


def test_hair_that_a_matte_cuts_goes_on_below_the_cut():
    """The colors of flowers at the sides showed between the two parts of an afro."""
    picture = np.full((192, 192, 3), 0.8, np.float32)
    picture[:90, 30:162] = 0.1  # hair, the lower part of which is in the matte
    known = np.ones((192, 192), bool)
    known[60:, 34:158] = False
    picture[~known] = 0.5
    filled = interpolate_behind(picture, known)
    assert filled[60:64, 60:132].max() < 0.2


def test_texture_goes_on_behind_a_head(rng: np.random.Generator):
    known = _around_a_head()
    grass = (0.5 + 0.08 * rng.standard_normal((192, 192, 3))).astype(np.float32)
    filled = interpolate_behind(np.where(known[..., None], grass, 0).astype(np.float32), known)
    assert filled[~known].std() > 0.4 * grass.std()
    assert abs(filled[~known].mean() - 0.5) < 0.02


def test_letters_are_not_repeated_and_texture_is(rng: np.random.Generator):
    """The mirror image of a watermark was read beside it when the camera moved out."""
    texture = 0.5 + 0.1 * rng.standard_normal((200, 200, 3)).astype(np.float32)
    plain = np.full((200, 200, 3), 0.3, np.float32)
    for row in range(180, 192, 3):
        plain[row : row + 2, 150:190:4] = 0.9  # strokes
    kept = without_unique_details(texture)
    letters = without_unique_details(plain)[180:192, 150:190]
    assert kept.std() > 0.4 * texture.std()  # half of it
    assert letters.std() < 0.2 * plain[180:192, 150:190].std()


def test_a_watermark_in_a_corner_is_hardly_repeated(rng: np.random.Generator):
    """A large one raised what counts as usual round it, and was mirrored half as strong."""
    wall = 0.4 + 0.01 * rng.standard_normal((240, 240, 3)).astype(np.float32)
    marked = wall.copy()
    marked[222:238, 176:238:4] = marked[222:238, 177:238:4] = 0.75
    letters = (slice(218, 240), slice(172, 240))
    kept = without_unique_details(marked)[letters].std() / marked[letters].std()
    assert kept < 0.28  # 0.25; 0.32 before


def test_a_blur_differs_from_place_to_place(rng: np.random.Generator):
    noise = rng.random((64, 96, 3)).astype(np.float32)
    sigma = np.zeros((64, 96), np.float32)
    sigma[:, 32:64], sigma[:, 64:] = 0.7, 3.0
    blurred = defocus(noise, sigma)
    assert np.array_equal(blurred[:, :32], noise[:, :32])
    spreads = [blurred[:, start : start + 24].std() for start in (4, 36, 68)]
    assert spreads[0] > 1.3 * spreads[1] > 2.0 * spreads[2]
