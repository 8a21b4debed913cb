"""Pictures filled in behind a mask."""

from __future__ import annotations

import cv2
import numpy as np

from skyreels_avatar.faces.inpainting import inpaint, inpaint_crops, occluded_area
from skyreels_avatar.faces.template import synthetic_landmarks


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


def test_hardly_anything_of_the_fill_shows_where_a_mask_is_not_sure():
    """The fill under a mask of 0.7 was whole: a third of it stood on the cheek as a gray patch."""
    landmarks = synthetic_landmarks((30.0, 10.0, 60.0, 72.0))
    picture = np.full((96, 120, 3), 160, np.uint8)
    picture[::2] = 60
    cv2.rectangle(picture, (40, 30), (70, 60), (20, 20, 20), -1)
    shown = []
    for share in (0.55, 0.7, 0.85, 1.0):
        mask = np.zeros((96, 120), np.float32)
        mask[30:61, 40:71] = share
        filled = inpaint_crops(picture[None], mask[None], landmarks[None])[0].astype(float)
        if share == 1.0:
            assert np.abs(filled - picture)[40:51, 50:61].min() > 50
        shown.append((1 - share) * np.abs(filled - picture)[40:51, 50:61].mean())
    assert max(shown) < 0.15 * 80
