"""Faces and tracks as values: visibility, and frames in which the face is lost."""

from __future__ import annotations

import numpy as np

from skyreels_avatar.faces.face import pack_track, visibility_of
from skyreels_avatar.faces.template import synthetic_landmarks


def test_a_frontal_face_is_visible_a_cut_one_half_and_a_profile_hardly():
    landmarks = synthetic_landmarks((100.0, 100.0, 80.0, 100.0))
    assert visibility_of(landmarks, 400, 400) == 1.0
    half = landmarks - np.float32([140, 0, 0])  # the middle of the face at the left border
    assert 0.3 < visibility_of(half, 400, 400) < 0.7
    turned = landmarks.copy()
    turned[[168, 13], 0] = turned[234, 0]  # nose and lips at the side of the face
    assert visibility_of(turned, 400, 400) < 0.55


def test_frames_without_the_face_repeat_the_nearest_earlier_one():
    first, second = (np.full((478, 3), value, np.float32) for value in (1, 2))
    track = pack_track([None, first, None, second, None], [0, 0.9, 0, 0.8, 0])
    assert track.found.tolist() == [False, True, False, True, False]
    assert track.landmarks[:, 0, 0].tolist() == [1, 1, 1, 2, 2]
    assert track.boxes.shape == (5, 4) and track.confidence[1] == np.float32(0.9)


def test_a_face_that_is_never_found_is_all_zeros():
    track = pack_track([None, None], [0, 0])
    assert not track.found.any() and not track.landmarks.any()
