"""The average face."""

from __future__ import annotations

import numpy as np

from skyreels_avatar.faces.template import synthetic_landmarks, template


def test_the_average_face_looks_straight_ahead_with_closed_lips():
    points = template()
    assert points.shape == (478, 3)
    assert abs(points[33, 1] - points[263, 1]) < 1e-3  # eyes level
    assert abs((points[33, 0] + points[263, 0]) / 2 - points[1, 0]) < 1e-3  # nose in the middle
    assert np.linalg.norm(points[13] - points[14]) < 0.02
    assert points[1, 2] < points[10, 2] < points[234, 2]  # nose, forehead, ear: farther


def test_a_placed_face_is_centered_in_its_box_and_keeps_its_proportions():
    points = synthetic_landmarks((10, 20, 300, 100))
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    assert np.allclose((low + high) / 2, (160, 70), atol=1e-2)
    assert np.isclose(high[1] - low[1], 100, atol=1e-2)
    shape = template()[:, :2]
    assert np.isclose((high - low)[0] / (high - low)[1], np.ptp(shape[:, 0]) / np.ptp(shape[:, 1]))
