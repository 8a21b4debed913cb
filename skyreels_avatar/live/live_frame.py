"""A frame of a stream, and the sound that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skyreels_avatar.live.pictures import Picture


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """A frame and its sound.

    Attributes:
        image: (H, W, 3) uint8, RGB; None where `read` was told to leave it out; a `Picture`, whose
            `result` waits for it, where `read` was told not to wait.
        audio: (S,) float32 in [-1, 1], what is heard while it is shown.
        sample_rate: Hz, of `audio`.
        index: counts frames from 0 on.
        time_s: when it begins, in seconds of the stream.
        speaking: whether sound that was pushed is heard.
    """

    image: np.ndarray | Picture | None
    audio: np.ndarray
    sample_rate: int
    index: int
    time_s: float
    speaking: bool
