"""Masks of what occludes a face: what counts, and where its edge lies."""

from __future__ import annotations

import cv2
import numpy as np

from skyreels_avatar.faces.occluder_mask import filter_mask, find_occluder, spare_lips
from skyreels_avatar.faces.template import synthetic_landmarks
from tests.faces.drawing import CROP_MOUTH as MOUTH
from tests.faces.drawing import mask_with


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


def test_a_finger_that_only_touches_the_lips_leaves_them():
    """Half a lip stood still where a chin rested on a hand: a finger's tip was guessed too far."""
    lips = np.zeros((128, 128), bool)
    lips[70:84, 46:82] = True
    below, over = (np.zeros((128, 128), np.float32) for _ in range(2))
    below[78:, 60:90] = 1
    over[60:, 40:90] = 1
    unseen = np.zeros((128, 128), np.float32)
    spared = spare_lips(below, unseen, lips)
    assert spared[lips].max() == 0 and (spared == below)[~lips].all()
    assert (spare_lips(below, 0.9 * below, lips) == below).all()  # the network sees it, too
    assert (spare_lips(over, unseen, lips) == over).all()
