"""Crops of faces and masks on them: laid there and back, believed or not, filled behind."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.faces.occluder import (
    CROP_PX,
    OccluderTrack,
    extract_crop,
    filter_mask,
    find_occluder,
    inpaint,
    occluded_area,
    picture_from_crop,
    uncrop_mask,
)
from skyreels_avatar.faces.template import synthetic_landmarks

MOUTH = (64, 77)


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


def mask_with(center: tuple[int, int], radius: int, share: float) -> np.ndarray:
    mask = np.zeros((CROP_PX, CROP_PX), np.float32)
    return cv2.circle(mask, center, radius, share, -1)


def believed(mask: np.ndarray) -> np.ndarray | None:
    return filter_mask(mask, mask)


def test_only_what_is_sure_and_reaches_into_the_face_counts():
    assert believed(mask_with(MOUTH, 12, 0.95)) is not None
    assert believed(mask_with(MOUTH, 12, 0.7)) is None  # the network is not sure
    assert believed(mask_with(MOUTH, 2, 0.95)) is None  # a speck
    assert believed(mask_with((8, 100), 7, 0.95)) is None  # beside the face
    assert (
        filter_mask(mask_with(MOUTH, 12, 0.95), mask_with(MOUTH, 12, 0.7)) is None
    )  # in one light
    both = np.maximum(mask_with(MOUTH, 12, 0.95), mask_with((10, 20), 8, 0.95))
    kept = filter_mask(both, both)
    assert kept[MOUTH[1], MOUTH[0]] > 0.9 and kept[20, 10] == 0


def test_what_reaches_the_border_of_a_crop_goes_on_and_ends():
    landmarks = synthetic_landmarks((180.0, 90.0, 140.0, 172.0))
    mask = np.zeros((CROP_PX, CROP_PX), np.float32)
    mask[80:, 60:70] = 1
    matrix = picture_from_crop(landmarks)
    laid = uncrop_mask(mask, matrix, (600, 512))
    for row, share in ((100, 1.0), (CROP_PX + 10, 1.0), (CROP_PX + 30, 0.0), (70, 0.0)):
        x, y = (matrix[:, :2] @ [65, row] + matrix[:, 2]).astype(int)
        assert laid[y, x] == pytest.approx(share, abs=0.01)


def test_nothing_found_is_none_and_a_find_follows_the_edge_of_the_thing():
    landmarks = synthetic_landmarks((180.0, 90.0, 140.0, 172.0))
    picture = np.full((480, 512, 3), (214, 168, 140), np.uint8)
    x, y = landmarks[[61, 291], :2].mean(0).astype(int).tolist()
    cv2.circle(picture, (x, y + 20), 30, (30, 30, 40), -1, cv2.LINE_AA)

    def dark(crops: np.ndarray) -> np.ndarray:
        """See what is dark, a little blurred and enlarged."""
        seen = [(crop.mean(-1) < 100).astype(np.float32) for crop in crops]
        return np.stack(
            [cv2.GaussianBlur(cv2.dilate(one, np.ones((3, 3))), (0, 0), 1) for one in seen]
        )

    assert find_occluder(picture, landmarks, lambda crops: 0 * dark(crops)) is None
    found = find_occluder(picture, landmarks, dark)
    rows, columns = np.mgrid[:480, :512]
    away = np.hypot(columns - x, rows - y - 20)
    assert found.dtype == np.float32 and found[away < 27].min() > 0.95
    assert found[away > 40].max() < 0.05


def test_what_is_filled_shows_nothing_of_the_thing_and_the_rest_stays():
    landmarks = synthetic_landmarks((30.0, 10.0, 60.0, 72.0))
    picture = np.zeros((96, 120, 3), np.uint8)
    picture[:] = np.linspace(100, 180, 120)[None, :, None]
    bare = picture.copy()
    cv2.rectangle(picture, (40, 30), (70, 60), (0, 255, 0), -1)
    mask = np.zeros((96, 120), np.float32)
    mask[30:61, 40:71] = 1
    hidden = occluded_area(mask, landmarks)
    filled = inpaint(picture, hidden)
    assert np.abs(filled.astype(int) - bare)[hidden > 0].max() < 30
    assert (filled[hidden == 0] == picture[hidden == 0]).all()
    nothing = np.zeros((96, 120), np.float32)
    assert inpaint(picture, nothing) is picture


def test_a_track_keeps_what_stays_and_forgets_what_flickers():
    landmarks = synthetic_landmarks((60.0, 40.0, 60.0, 72.0))
    frames = {index: np.full((160, 180, 3), 50, np.uint8) for index in range(80)}
    for index in (*range(40, 80), 10):
        frames[index][:] = 200

    def look(crops: np.ndarray) -> np.ndarray:
        covered = mask_with(MOUTH, 12, 0.98)
        return np.stack([covered * (crop.mean() > 100) for crop in crops])

    track = OccluderTrack(look)
    for index, pixels in frames.items():
        track.add(index, pixels, None if index in (60, 61) else landmarks)
    track.finish()
    assert track.found
    assert track.at(10) is None and track.at(30) is None
    for index in (50, 60, 61, 79):
        assert track.at(index)[MOUTH[1], MOUTH[0]] > 0.9


def test_a_track_of_bare_faces_is_empty():
    track = OccluderTrack(lambda crops: np.zeros(crops.shape[:3], np.float32))
    landmarks = synthetic_landmarks((60.0, 40.0, 60.0, 72.0))
    for index in range(20):
        track.add(index, np.zeros((160, 180, 3), np.uint8), landmarks)
    track.finish()
    assert not track.found and track.at(4) is None
