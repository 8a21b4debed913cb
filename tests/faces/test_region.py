"""Crop regions: maps and crops agree, at every size and angle."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyreels_avatar.faces.region import CROP_SIZE, Region, cut, overlap, tiles
from skyreels_avatar.faces.template import synthetic_landmarks

angles = st.floats(-3.0, 3.0)


def _turned(points: np.ndarray, angle: float, center: tuple[float, float]) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    turned = points.copy()
    turned[:, :2] = (points[:, :2] - center) @ np.array([[cosine, sine], [-sine, cosine]]) + center
    return turned


@given(angles)
def test_the_crop_of_a_turned_face_is_upright_and_centered(angle):
    points = _turned(synthetic_landmarks((40, 50, 100, 120)), angle, (90, 110))
    region = Region.of_landmarks(points)
    matrix = region.matrix()
    seen = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    low, high = seen.min(0), seen.max(0)
    assert np.allclose((low + high) / 2, CROP_SIZE / 2, atol=1e-3)
    assert np.isclose((high - low).max() * 1.5, CROP_SIZE, atol=1e-3)
    assert abs(seen[33, 1] - seen[263, 1]) < 1e-3 and seen[33, 0] < seen[263, 0]


@pytest.mark.parametrize("side", [60.0, 192.0, 400.0, 1500.0])
@pytest.mark.parametrize("angle", [0.0, 0.7])
def test_a_dot_lands_where_the_matrix_says(side, angle):
    picture = np.zeros((1600, 1600, 3), np.uint8)
    radius = max(2, int(side / 40))
    cv2.circle(picture, (800, 700), radius, (255, 255, 255), -1)
    region = Region(820.0, 690.0, side, angle)
    crop = cut(picture, region)[..., 0].astype(float)
    rows, columns = np.mgrid[:CROP_SIZE, :CROP_SIZE] + 0.5
    found = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum()
    matrix = region.matrix()
    expected = matrix[:, :2] @ np.array([800.5, 700.5]) + matrix[:, 2]
    assert np.abs(found - expected).max() < 0.3


def test_tiles_cover_the_picture_and_overlap_by_half():
    picture = np.arange(101 * 64 * 3, dtype=np.int64).reshape(101, 64, 3)
    covered = np.zeros((101, 64), int)
    for left, top, part in tiles(picture, 2):
        height, width = part.shape[:2]
        assert (picture[top : top + height, left : left + width] == part).all()
        covered[top : top + height, left : left + width] += 1
    assert (covered[:100] >= 1).all() and covered[40, 30] == 4


def test_overlap_is_the_share_of_the_smaller_box():
    assert overlap((0, 0, 10, 10), (2, 2, 4, 4)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == 0.5
    assert overlap((0, 0, 10, 10), (20, 0, 10, 10)) == 0
