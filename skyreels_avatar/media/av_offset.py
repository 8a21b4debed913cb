"""Align the audio of a video to its first frame where both do not start together."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.video_stream import scan_video

logger = logging.getLogger(__name__)

# Time stamps are rounded to milliseconds, and a clock that is off by minutes is damaged.
_LEAST_OFFSET_S, _LONGEST_OFFSET_S = 0.004, 600.0


def align_to_video(
    channels: np.ndarray, sample_rate: int, start_s: float, path: Path
) -> np.ndarray:
    """Return the audio of a video from its first frame on, as players start both.

    Args:
        channels: (C, S), decoded.
        start_s: time stamp of the first sample.
        path: of the video, or of an audio file with a cover picture, which is left as it is.

    Returns:
        (C, S), padded in front where the audio starts later, cut where it starts earlier.
    """
    try:
        picture_s = scan_video(path).start_s
    except MediaError:  # not a video, or one that cannot be decoded
        return channels
    offset_s, duration_s = start_s - picture_s, channels.shape[1] / sample_rate
    if abs(offset_s) < _LEAST_OFFSET_S:
        return channels
    if not -0.9 * duration_s < offset_s < _LONGEST_OFFSET_S:
        logger.warning(
            "%s: sound and picture start %.2f s apart; they are taken to start together",
            path, offset_s,
        )  # fmt: skip
        return channels
    count = round(offset_s * sample_rate)
    if count < 0:
        return channels[:, -count:]
    return np.pad(channels, [(0, 0), (count, 0)])
