"""How a picture shows a face is said before a video is made: nothing of it was, before."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.picture_quality import examine_quality
from skyreels_avatar.media.image import Portrait


@pytest.fixture(scope="module")
def portrait(root) -> np.ndarray:
    return Portrait.load(root / "assets" / "examples" / "portrait.png").pixels


@pytest.fixture(scope="module")
def landmarks(portrait) -> np.ndarray:
    return FaceAnalyzer().find(portrait)[0].landmarks


def codes(pixels: np.ndarray, landmarks: np.ndarray, flat: bool = False) -> list[str]:
    return [one.code for one in examine_quality(pixels, landmarks, flat)]


def lit(pixels: np.ndarray, gain: float) -> np.ndarray:
    """Return a picture exposed so many times as long."""
    return (255 * np.clip(gain * (pixels / 255) ** 2.2, 0, 1) ** (1 / 2.2)).astype(np.uint8)


def test_a_good_portrait_is_sharp_upright_and_well_lit(portrait, landmarks):
    assert codes(portrait, landmarks) == []


def test_blurred_faces_and_enlarged_thumbnails_are_said(portrait, landmarks):
    height = float(np.linalg.norm(landmarks[10, :2] - landmarks[152, :2]))
    blurred = cv2.GaussianBlur(portrait, (0, 0), 0.015 * height)
    assert codes(blurred, landmarks) == ["blurred"]
    for detail_px, expected in ((30, ["blurred"]), (120, [])):
        scale = detail_px / height
        small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        large = cv2.resize(small, portrait.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        assert codes(large, landmarks) == expected


def test_a_face_of_few_pixels_that_are_sharp_is_not_blurred(portrait, landmarks):
    height = float(np.linalg.norm(landmarks[10, :2] - landmarks[152, :2]))
    scale = 90 / height
    small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    assert codes(small, landmarks * scale) == []


def test_too_little_and_too_much_light_are_said(portrait, landmarks):
    assert codes(lit(portrait, 0.015), landmarks) == ["dark"]
    assert codes(lit(portrait, 0.3), landmarks) == []
    assert codes(lit(portrait, 6), landmarks) == ["burnt-out"]
    white = np.full_like(portrait, 255)  # a drawing on white paper
    cv2.polylines(white, [landmarks[[61, 0, 291], :2].astype(np.int32)], False, (0, 0, 0), 3)
    assert codes(white, landmarks, flat=True) == []


@pytest.mark.parametrize(
    ("quarter_turns", "word"), [(0, ""), (1, "on its side"), (2, "upside down"), (3, "on its side")]
)
def test_heads_that_are_not_upright_are_said(portrait, landmarks, quarter_turns, word):
    points, height, width = landmarks.copy(), *portrait.shape[:2]
    for _ in range(quarter_turns):  # to the left
        x, y = points[:, 0].copy(), points[:, 1].copy()
        points[:, 0], points[:, 1] = y, width - x
        height, width = width, height
    found = examine_quality(np.rot90(portrait, quarter_turns).copy(), points)
    assert [one.code for one in found] == (["sideways"] if word else [])
    assert all(word in one.message for one in found)


def test_shut_eyes_are_said_unless_one_is_open_or_they_are_drawn(portrait, landmarks):
    shut = landmarks.copy()
    for upper, lower in (((160, 158), (144, 153)), ((385, 387), (380, 373))):
        shut[list(upper), 1] = shut[list(lower), 1]
    assert codes(portrait, shut) == ["shut-eyes"]
    assert codes(portrait, shut, flat=True) == []
    winking = shut.copy()
    winking[[385, 387]] = landmarks[[385, 387]]
    assert codes(portrait, winking) == []
