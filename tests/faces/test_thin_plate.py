"""Thin-plate splines against their definition."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.faces import thin_plate
from skyreels_avatar.faces.thin_plate import ThinPlateSpline


@pytest.fixture
def moved() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(7)
    source = generator.uniform(-0.5, 0.5, (24, 2))
    return source, source + generator.normal(0, 0.03, source.shape)


def test_places_told_exactly_arrive_and_a_slope_of_the_plane_is_kept(moved):
    source, target = moved
    spline = ThinPlateSpline.of(source, target, np.zeros(len(source)))
    np.testing.assert_allclose(source + spline(source), target, atol=1e-9)
    slope = source @ np.array([[1.1, 0.2], [-0.1, 0.9]]) + 0.3
    far = np.array([[4.0, -3.0], [-2.0, 5.0]])
    plane = ThinPlateSpline.of(source, slope, np.full(len(source), 0.01))
    wanted = far @ np.array([[1.1, 0.2], [-0.1, 0.9]]) + 0.3
    np.testing.assert_allclose(far + plane(far), wanted, atol=1e-9)


def test_it_solves_the_system_of_least_squares(moved):
    source, target = moved
    source[5], target[5] = source[4], target[4]  # as the corners of lips, told twice
    stiffness = np.full(len(source), 1e-4)
    square = np.square(source[:, None] - source).sum(-1)
    plane = np.concatenate([np.ones((len(source), 1)), source], 1)
    bends = square * np.log(square + 1e-12) + np.diag(stiffness)
    system = np.block([[bends, plane], [plane.T, np.zeros((3, 3))]])
    wanted = np.concatenate([target - source, np.zeros((3, 2))])
    expected = np.linalg.lstsq(system, wanted, rcond=None)[0]
    found = ThinPlateSpline.of(source, target, stiffness).weights
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_places_told_twice_without_stiffness_are_still_fitted(moved):
    source, target = np.repeat(moved[0], 2, 0), np.repeat(moved[1], 2, 0)
    spline = ThinPlateSpline.of(source, target, np.zeros(len(source)))
    np.testing.assert_allclose(source + spline(source), target, atol=1e-6)


def test_many_places_move_as_each_does_alone_in_either_precision(moved):
    spline = ThinPlateSpline.of(*moved, np.full(24, 1e-4))
    at = np.random.default_rng(8).uniform(-1, 1, (thin_plate.PIECE + 30, 2))
    alone = np.concatenate([spline(one[None]) for one in at])
    np.testing.assert_allclose(spline(at), alone, atol=1e-12)
    single = spline(at.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, alone, atol=2e-5)  # of H


def test_it_is_fitted_by_elimination_not_by_singular_values(moved, monkeypatch):
    def slow(*_args, **_options):
        raise AssertionError("ten times as slow")

    monkeypatch.setattr(np.linalg, "lstsq", slow)
    ThinPlateSpline.of(*moved, np.full(24, 1e-4))
