"""Frames of a stream that are drawn ahead of their reader, those of a window together.

While the frames of one window are read, those of the next are sampled and drawn. What is in them
was settled when they were asked for: it depends on what was pushed before which frame was read,
and not on how long anything took.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np

from skyreels_avatar.live.performer import Passage
from skyreels_avatar.live.scene import LiveScene, Piece
from skyreels_avatar.live.worker import Worker, done

Draw = Callable[[Piece, Passage], np.ndarray]
"""Returns pictures (F, H, W, 3) of a piece."""

_MOST_SPARSE = 8  # frames from one picture to the next, of a rhythm that is expected to go on


@dataclass(frozen=True, eq=False)
class Batch:
    """Frames `first` to `stop` of a stream.

    Attributes:
        passage: their motion.
        pieces: those of them whose pictures will be wanted, as it seemed.
        pictures: by the frame, those that are drawn; None = not before they are read.
    """

    first: int
    stop: int
    passage: Future[Passage]
    pieces: list[Piece]
    pictures: Future[dict[int, np.ndarray]] | None


class Batches:
    """The frames that are read, and those that come next.

    Args:
        perform: returns the motion of frames from one on, and the frame after them.
        draw: in any thread.
        worker: draws.
    """

    def __init__(
        self,
        scene: LiveScene,
        perform: Callable[[int], tuple[Future[Passage], int]],
        draw: Draw,
        worker: Worker,
    ):
        self._scene, self._perform, self._draw, self._worker = scene, perform, draw, worker
        self._waiting = deque[Batch]()
        self._seen, self._every = 0, 1  # the last frame whose picture was read, and the rhythm

    def advance(self, frame: int) -> None:
        """Come to a frame: ask for what comes after those that it is made with."""
        while self._waiting and self._waiting[0].stop <= frame:
            self._waiting.popleft()
        while len(self._waiting) < 2:
            first = self._waiting[-1].stop if self._waiting else frame
            self._waiting.append(self._ask(first))

    def picture(self, frame: int, wanted: bool) -> np.ndarray | None:
        """Return the picture (H, W, 3) of the frame, None if it is not wanted."""
        batch = self._waiting[0]
        batch.passage.result()
        if not wanted:
            return None
        if frame > self._seen:
            self._every = min(frame - self._seen, _MOST_SPARSE)
        self._seen = frame
        if batch.pictures is None:
            pictures = self._drawn(batch.pieces, batch.passage)
        else:
            pictures = batch.pictures.result()
        if frame not in pictures:  # more are wanted than it seemed
            pictures |= self._drawn(self._pieces(frame, batch.stop), batch.passage)
        self._waiting[0] = replace(batch, pictures=done(pictures))
        return pictures.pop(frame)

    def drop(self) -> None:
        """Forget what was drawn. What comes then is drawn by its reader, who need not wait."""
        for batch in self._waiting:
            if batch.pictures is not None:
                batch.pictures.cancel()
        self._waiting.clear()

    def _ask(self, first: int) -> Batch:
        """Ask for the frames from one on; the worker may still be at what was dropped."""
        passage, stop = self._perform(first)
        pieces, pictures = self._pieces(first, stop), None
        if self._waiting:
            pictures = self._worker.submit(self._drawn, pieces, passage)
        return Batch(first, stop, passage, pieces, pictures)

    def _pieces(self, first: int, stop: int) -> list[Piece]:
        """Return those of some frames whose pictures will be wanted, as it seems."""
        frames = [i for i in range(first, stop) if (i - self._seen) % self._every == 0]
        return self._scene.pieces(frames)

    def _drawn(self, pieces: list[Piece], passage: Future[Passage]) -> dict[int, np.ndarray]:
        pictures = {}
        for piece in pieces:
            pictures |= zip(piece.frames, self._draw(piece, passage.result()))
        return pictures
