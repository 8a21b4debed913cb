"""Pictures filled in behind a mask."""

from __future__ import annotations

import cv2
import numpy as np

from skyreels_avatar.faces.inpainting import inpaint, occluded_area
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
