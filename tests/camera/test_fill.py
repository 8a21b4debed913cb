"""Values that spread smoothly into the unknown."""

from __future__ import annotations

import numpy as np

from skyreels_avatar.camera.fill import smooth_color, spread


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


def test_the_smooth_color_of_one_color_is_that_color():
    picture = np.full((60, 80, 3), 0.3, np.float32)
    known = np.ones((60, 80), bool)
    known[20:50, 30:] = False
    picture[~known] = 1.0
    np.testing.assert_allclose(smooth_color(picture, known), 0.3, atol=1e-3)
