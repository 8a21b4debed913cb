"""Pictures of a stream, those of a window drawn together, which costs much less than one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skyreels_avatar.live.performer import Passage
from skyreels_avatar.live.scene import LiveScene, Piece

Draw = Callable[[Piece, Passage], np.ndarray]
"""Returns pictures (F, H, W, 3) of a piece."""

_TOGETHER = 4  # pictures; more cost hardly less each, and let the first of them wait
_MOST_SPARSE = 8  # frames from one picture to the next, of a rhythm that is expected to go on


class Pictures:
    """Draws a picture when it is read, and with it those after it that will be wanted."""

    def __init__(self, scene: LiveScene, draw: Draw):
        self._scene, self._draw = scene, draw
        self._drawn = dict[int, np.ndarray]()
        self._seen, self._every = 0, 1  # the last frame whose picture was read, and the rhythm

    def read(self, frame: int, stop: int, passage: Passage) -> np.ndarray:
        """Return the picture (H, W, 3) of a frame.

        Args:
            stop: the frame after the last one whose motion is made.
        """
        if frame > self._seen:
            self._every = min(frame - self._seen, _MOST_SPARSE)
        self._seen = frame
        if frame not in self._drawn:
            self._drawn = {}
            wanted = range(frame, stop, self._every)[:_TOGETHER]
            for piece in self._scene.pieces(wanted):
                self._drawn |= zip(piece.frames, self._draw(piece, passage))
        return self._drawn.pop(frame)

    def drop(self) -> None:
        """Forget what was drawn."""
        self._drawn = {}
