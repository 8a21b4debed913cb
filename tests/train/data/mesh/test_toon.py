"""Drawn faces lie where their landmarks say, and warps move pictures and landmarks alike."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.rig.geometry import EYES
from train.data.mesh.toon import (
    apply_warps,
    draw_toon,
    open_mouth,
    paint_over,
    random_warps,
    warp_picture,
)

SIDE = 192


@pytest.fixture
def points() -> np.ndarray:
    return synthetic_landmarks((46.0, 40.0, 100.0, 120.0)).astype(np.float64)


def test_large_eyes_grow_round_their_middle_and_the_border_stays(points):
    warps = random_warps(points, 3.0, np.random.default_rng(2))
    moved = apply_warps(warps, points)
    ring = [*EYES[0][0], *EYES[0][1]]
    assert np.ptp(moved[ring, 1]) > 1.3 * np.ptp(points[ring, 1])
    corner = np.array([[1.0, 1.0], [190.0, 2.0]])
    assert apply_warps(warps, corner) == pytest.approx(corner)
    assert np.array_equal(moved[:, 2], points[:, 2])


def test_a_dot_of_the_picture_moves_with_its_landmark(points):
    warps = random_warps(points, 1.0, np.random.default_rng(5))
    for index in (33, 263, 61, 13, 1):
        picture = np.zeros((SIDE, SIDE, 3), np.uint8)
        x, y = points[index, :2]
        cv2.circle(picture, (round(16 * x - 8), round(16 * y - 8)), 48, (255,) * 3, -1, 16, 4)
        rows, columns = np.nonzero(warp_picture(picture, warps)[..., 0] > 100)
        expected = apply_warps(warps, points[index])[:2]
        assert np.array([columns.mean(), rows.mean()]) + 0.5 == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize("seed", range(6))
def test_eyes_and_mouth_are_drawn_at_the_landmarks(points, seed):
    opened = open_mouth(points, 0.12)
    picture, weights = draw_toon(opened, SIDE, np.random.default_rng(seed))

    def color(place: np.ndarray) -> np.ndarray:
        return picture[tuple(place[1::-1].astype(int))].astype(int)

    cheek = color(opened[205])
    for place in (opened[468], opened[473], opened[[13, 14, 14]].mean(0)):
        assert np.abs(color(place) - cheek).max() > 30
    assert weights.shape == (478,) and weights.min() > 0 and weights[[13, 14, 33]].min() == 1


def test_a_mouth_opens_by_what_is_asked(points):
    height = np.linalg.norm(points[152, :2] - points[10, :2])
    opened = open_mouth(points, 0.1)
    assert (opened[14, 1] - points[14, 1]) / height == pytest.approx(0.1, abs=0.005)
    assert opened[61, 1] == pytest.approx(points[61, 1], abs=0.3)
    assert np.array_equal(opened[33], points[33])


def test_photos_are_painted_over_in_several_ways(points):
    picture, _ = draw_toon(points, SIDE, np.random.default_rng(1))
    painted = [paint_over(picture, np.random.default_rng(seed)) for seed in range(8)]
    assert all(one.dtype == np.uint8 and one.shape == picture.shape for one in painted)
    assert len({one.tobytes() for one in painted}) == 8
