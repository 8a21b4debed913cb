"""Pictures in memory that two processes share: through a pipe they cost 3 ms of a core each."""

from __future__ import annotations

import mmap
from collections.abc import Iterable

import numpy as np

from skyreels_avatar.live.pictures import TOGETHER


class SharedPictures:
    """The pictures of one job; a process that is forked off later has the same memory.

    Args:
        height, width: of the pictures, in pixels.
    """

    def __init__(self, height: int, width: int):
        shape = TOGETHER, height, width, 3
        self._pixels = np.frombuffer(mmap.mmap(-1, int(np.prod(shape))), np.uint8).reshape(shape)

    def put(self, pictures: Iterable[np.ndarray]) -> None:
        """Keep up to four pictures (H, W, 3) uint8."""
        for place, picture in zip(self._pixels, pictures, strict=False):
            place[:] = picture

    def take(self, frames: Iterable[int]) -> dict[int, np.ndarray]:
        """Return copies of what was put, by frame, in the same order."""
        return {frame: place.copy() for frame, place in zip(frames, self._pixels, strict=False)}
