"""Likeness by pixels: of a picture with itself, moved, and with another."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.faces.pixel_cosine import aligned_pixels, pixel_cosine
from skyreels_avatar.faces.template import synthetic_landmarks


@pytest.fixture
def picture(rng) -> np.ndarray:
    coarse = rng.uniform(0, 255, (16, 16, 3)).astype(np.uint8)
    return cv2.resize(coarse, (320, 320), interpolation=cv2.INTER_CUBIC)


def test_a_picture_is_like_itself_wherever_the_face_lies(picture):
    landmarks = synthetic_landmarks((100.0, 90.0, 120.0, 150.0))
    values = aligned_pixels(picture, landmarks)
    assert np.linalg.norm(values) == pytest.approx(1, abs=1e-5)
    matrix = np.float32([[0.9, -0.2, 40], [0.2, 0.9, -10]])
    moved = cv2.warpAffine(picture, matrix, (400, 400))
    points = landmarks.copy()
    points[:, :2] = landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    assert pixel_cosine(aligned_pixels(moved, points), values) > 0.97


def test_brightness_does_not_count_and_another_picture_does(picture, rng):
    landmarks = synthetic_landmarks((100.0, 90.0, 120.0, 150.0))
    values = aligned_pixels(picture, landmarks)
    darker = (picture * 0.7).astype(np.uint8)
    assert pixel_cosine(aligned_pixels(darker, landmarks), values) > 0.99
    other = cv2.resize(rng.uniform(0, 255, (16, 16, 3)).astype(np.uint8), (320, 320))
    assert pixel_cosine(aligned_pixels(other, landmarks), values) < 0.5
