"""Occluders through a scene: what stays is kept, what flickers is dropped."""

from __future__ import annotations

import numpy as np

from skyreels_avatar.faces.occluder_track import OccluderTrack
from skyreels_avatar.faces.template import synthetic_landmarks
from tests.faces.drawing import CROP_MOUTH as MOUTH
from tests.faces.drawing import mask_with


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


def test_bare_lips_are_those_that_the_network_looked_at():
    landmarks = synthetic_landmarks((60.0, 40.0, 60.0, 72.0))

    def look(crops: np.ndarray) -> np.ndarray:
        return np.stack([mask_with(MOUTH, 12, 0.98) * (crop.mean() > 100) for crop in crops])

    track = OccluderTrack(look)
    for index in range(20):
        pixels = np.full((160, 180, 3), 200 if 8 <= index < 14 else 50, np.uint8)
        track.add(index, pixels, None if index > 16 else landmarks)
    track.finish()
    bare = [index for index in range(20) if track.sees_bare_lips(index)]
    assert bare == [*range(7), *range(14, 18)]  # every second frame is looked at, up to 16
