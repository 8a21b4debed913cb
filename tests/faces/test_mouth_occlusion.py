"""Something in front of a mouth is noticed, and speech is not taken for it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.faces.alignment import RIGID
from skyreels_avatar.faces.mouth_occlusion import (
    PATCH,
    crop_lower_face,
    find_covered_mouths,
    skin_colors,
)

NUM_FRAMES = 60


@pytest.fixture(scope="module")
def take(person) -> tuple[np.ndarray, np.ndarray]:
    """60 frames of a drawn person whose mouth opens and shuts, and the points in each."""
    pixels, points, _ = person
    frames, landmarks = [], []
    for index in range(NUM_FRAMES):
        frame, moved = pixels.copy(), points.copy()
        middle = points[[61, 291], :2].mean(0)
        height = int(6 + 6 * np.sin(index / 2))
        cv2.ellipse(frame, middle.astype(int).tolist(), (18, height), 0, 0, 360, (60, 20, 20), -1)
        shift = np.float32([3 * np.sin(index / 9), 2 * np.cos(index / 7)])
        matrix = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
        frames.append(cv2.warpAffine(frame, matrix, frame.shape[1::-1]))
        moved[:, :2] += shift
        landmarks.append(moved)
    return np.stack(frames), np.stack(landmarks)


def covered_frames(frames: np.ndarray, landmarks: np.ndarray) -> list[int]:
    patches = np.stack([crop_lower_face(*pair) for pair in zip(frames, landmarks)])
    assert patches.shape == (NUM_FRAMES, *PATCH, 3) and patches.dtype == np.uint8
    skins = np.stack([skin_colors(*pair) for pair in zip(frames, landmarks)])
    return np.flatnonzero(find_covered_mouths(patches, skins, landmarks)).tolist()


def test_speech_is_no_cover(take):
    assert covered_frames(*take) == []


@pytest.mark.parametrize("color", [(40, 80, 160), (20, 20, 20)])
def test_a_thing_before_the_mouth_is_noticed_while_it_is_there(take, color):
    frames, landmarks = take[0].copy(), take[1]
    for index in range(20, 30):
        x, y = landmarks[index, [61, 291], :2].mean(0).astype(int).tolist()
        cv2.rectangle(frames[index], (x - 40, y - 35), (x + 40, y + 70), color, -1)
    assert covered_frames(frames, landmarks) == list(range(20, 30))


def test_fingers_before_the_mouth_are_noticed(take):
    frames, landmarks = take[0].copy(), take[1]
    for index in range(20, 30):
        x, y = landmarks[index, [61, 291], :2].mean(0).astype(int).tolist()
        for finger in range(-3, 4):
            shade = [int(value * (0.8 if finger % 2 else 0.6)) for value in (205, 165, 145)]
            at = (x + 14 * finger, y + 15)
            cv2.ellipse(frames[index], at, (7, 55), 0, 0, 360, shade, -1)
    assert covered_frames(frames, landmarks) == list(range(20, 30))


def test_misled_points_round_the_mouth_do_not_hide_it(take, rng):
    frames, landmarks = take[0].copy(), take[1].copy()
    loose = np.setdiff1d(np.arange(landmarks.shape[1]), RIGID)
    for index in range(20, 30):
        x, y = landmarks[index, [61, 291], :2].mean(0).astype(int).tolist()
        cv2.circle(frames[index], (x, y + 10), 50, (90, 60, 40), -1)
        landmarks[index, loose, :2] += rng.normal(0, 4, (len(loose), 2))
    assert covered_frames(frames, landmarks) == list(range(20, 30))


def test_a_shout_is_no_cover(take):
    """Mouths that shout or laugh for half a second were left as filmed: all of the face moves."""
    frames, landmarks = take[0].copy(), take[1].copy()
    height, width = frames.shape[1:3]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    for index in range(20, 30):
        mouth = landmarks[index, [61, 291], :2].mean(0)
        near = np.exp(-(((x - mouth[0]) / 75) ** 2 + ((y - mouth[1]) / 75) ** 2))
        moved = np.where(y > mouth[1], 60.0, -18.0) * near
        frames[index] = cv2.remap(frames[index], x, y - moved.astype(np.float32), cv2.INTER_LINEAR)
        hole = int(mouth[0]), int(mouth[1]) + 18
        cv2.ellipse(frames[index], hole, (40, 36), 0, 0, 360, (40, 10, 10), -1)
        at = landmarks[index, :, :2]
        for _ in range(8):
            column, row = at.round().astype(int).clip(0, (width - 1, height - 1)).T
            at = landmarks[index, :, :2] + np.stack([0 * row, moved[row, column]], 1)
        landmarks[index, :, :2] = at
    assert covered_frames(frames, landmarks) == []
