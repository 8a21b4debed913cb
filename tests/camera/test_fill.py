"""Values that spread smoothly into the unknown."""

from __future__ import annotations

import numpy as np

from skyreels_avatar.camera.fill import inpaint, spread


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


def test_a_plain_wall_stays_plain_beyond_its_border():
    wall = np.full((64, 300, 3), 0.4, np.float32)
    target = np.zeros((64, 300), bool)
    target[:, 200:] = True
    holed = np.where(target[..., None], 1, wall).astype(np.float32)
    np.testing.assert_allclose(inpaint(holed, target), wall, atol=0.005)


def test_inpainting_changes_only_the_target_and_goes_on_along_an_edge(rng: np.random.Generator):
    picture = np.zeros((96, 128, 3), np.float32)
    picture[:, 60:] = 0.8
    target = np.zeros((96, 128), bool)
    target[30:60, 40:80] = True
    holed = np.where(target[..., None], rng.random(picture.shape), picture).astype(np.float32)
    filled = inpaint(holed, target)
    assert np.array_equal(filled[~target], picture[~target])
    assert filled[45, 42, 0] < 0.2 and filled[45, 77, 0] > 0.6
    nothing = np.zeros_like(target)
    assert inpaint(picture, nothing) is picture and inpaint(picture, ~nothing) is picture
