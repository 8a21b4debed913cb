"""A picture is looked at, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.errors import FaceError
from skyreels_avatar.live.prepare import prepare


def test_a_picture_without_a_face_is_refused(parts, picture_file):
    with pytest.raises(FaceError):
        prepare(picture_file, None, "auto", parts)


def test_what_an_avatar_holds_has_the_size_of_the_stream(avatar):
    assert avatar.picture.shape == (96, 128, 3) and avatar.fine.shape == (192, 256, 3)
    assert avatar.depth.shape == avatar.person_mask.shape == (96, 128)
    landmarks = avatar.face.landmarks
    assert landmarks.shape == (478, 3)
    assert np.all(avatar.person_mask.numpy()[tuple(landmarks[[1, 13, 14], 1::-1].astype(int).T)])
