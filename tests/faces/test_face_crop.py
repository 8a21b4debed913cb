"""Upright crops of faces, and masks laid back from them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.faces.face_crop import CROP_PX, extract_crop, picture_from_crop, uncrop_mask
from skyreels_avatar.faces.template import synthetic_landmarks


def turned(landmarks: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    moved = landmarks.copy()
    moved[:, :2] = moved[:, :2] @ np.array([[cos, sin], [-sin, cos]]) + [90, 30]
    return moved


@pytest.mark.parametrize("angle", [0.0, 0.5, -1.2])
def test_a_crop_is_upright_with_the_mouth_at_its_place(angle):
    landmarks = turned(synthetic_landmarks((120.0, 60.0, 100.0, 130.0)), angle)
    matrix = picture_from_crop(landmarks)
    x, y = matrix[:, :2] @ [CROP_PX / 2, 0.6 * CROP_PX] + matrix[:, 2]
    assert [x, y] == pytest.approx(landmarks[[61, 291], :2].mean(0).tolist(), abs=1e-3)
    eyes = np.linalg.solve(matrix[:, :2], (landmarks[[33, 263], :2] - matrix[:, 2]).T).T
    assert eyes[0, 1] == pytest.approx(eyes[1, 1], abs=1.0) and eyes[0, 0] < eyes[1, 0]


def test_a_mask_of_a_crop_comes_back_to_where_it_was_cut(rng):
    landmarks = turned(synthetic_landmarks((120.0, 60.0, 200.0, 240.0)), 0.3)
    coarse = rng.uniform(0, 255, (24, 24, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (480, 480), interpolation=cv2.INTER_CUBIC)
    matrix = picture_from_crop(landmarks)
    crop = extract_crop(picture, matrix)
    back = uncrop_mask(crop[..., 0], matrix, (480, 480))
    rows, columns = np.mgrid[:480, :480] + 0.5
    places = np.linalg.solve(
        matrix[:, :2], np.stack([columns, rows]).reshape(2, -1) - matrix[:, 2:]
    )
    inside = ((places > 1) & (places < CROP_PX - 1)).all(0).reshape(480, 480)
    assert inside.sum() > 20_000
    assert np.abs(back - picture[..., 0])[inside].mean() < 3
    part = uncrop_mask(crop[..., 0], matrix, (100, 120), (150, 130))
    np.testing.assert_allclose(part, back[130:230, 150:270], atol=2)


def test_what_reaches_the_border_of_a_crop_goes_on_and_ends():
    landmarks = synthetic_landmarks((180.0, 90.0, 140.0, 172.0))
    mask = np.zeros((CROP_PX, CROP_PX), np.float32)
    mask[80:, 60:70] = 1
    matrix = picture_from_crop(landmarks)
    laid = uncrop_mask(mask, matrix, (600, 512))
    for row, share in ((100, 1.0), (CROP_PX + 10, 1.0), (CROP_PX + 30, 0.0), (70, 0.0)):
        x, y = (matrix[:, :2] @ [65, row] + matrix[:, 2]).astype(int)
        assert laid[y, x] == pytest.approx(share, abs=0.01)
