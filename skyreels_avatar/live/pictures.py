"""Pictures of a stream, those of a window drawn together, which costs much less than one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from skyreels_avatar.live.performer import Passage

Draw = Callable[[Sequence[int], Passage], "Future[dict[int, np.ndarray]]"]
"""Returns what will be the pictures (H, W, 3) of some frames, by frame."""

TOGETHER = 4  # pictures; more cost hardly less each, and let the first of them wait
_IN_A_HURRY = 2  # after what was drawn is dropped: in the second one, a mouth is shut
_MOST_SPARSE = 8  # frames from one picture to the next, of a rhythm that is expected to go on
# Frames after which a slower rhythm is there to stay; one of more than two frames is at once, and
# so is one that comes back after a quicker one was tried for less than so many.
SETTLED_FRAMES, _TRIED_FRAMES = 30, 50


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that may not be drawn yet.

    Attributes:
        frame: of the stream.
        is_first: whether it was asked for first of those that are drawn together.
    """

    frame: int
    is_first: bool
    drawn: Future[dict[int, np.ndarray]]

    def result(self, timeout: float | None = None) -> np.ndarray:
        """Return it, (H, W, 3) uint8, as soon as it is drawn.

        Args:
            timeout: seconds; None waits for as long as it takes.

        Raises:
            TimeoutError: of `concurrent.futures`: it takes longer.
            CancelledError: an interruption came before its turn; the frame is read again.
        """
        return self.drawn.result(timeout)[self.frame]


class Rhythm:
    """For how long fewer pictures than frames have come.

    Attributes:
        every: frames from one picture to the next.
        num_sparse: frames for which it has been more than one, that before a try included; a
            stream that has just begun may begin so, since nothing is heard of it yet.
    """

    def __init__(self) -> None:
        self.every, self.num_sparse, self._num_full = 1, SETTLED_FRAMES, 0

    @property
    def stays_sparse(self) -> bool:
        """Whether it has been so for some time, or by far."""
        return self.every > 2 or (self.every > 1 and self.num_sparse > SETTLED_FRAMES)

    def follow(self, every: int) -> None:
        """Take the rhythm at the next frame."""
        self.every = every
        if every > 1:
            self.num_sparse, self._num_full = self.num_sparse + 1, 0
        else:
            self._num_full += 1
            is_try = self._num_full <= _TRIED_FRAMES
            self.num_sparse = min(self.num_sparse, SETTLED_FRAMES) if is_try else 0


class Pictures:
    """Has a picture drawn when it is read, and with it those after it that will be wanted."""

    def __init__(self, draw: Draw):
        self._draw = draw
        self._asked = dict[int, Picture]()
        self._seen, self._rhythm = 0, Rhythm()  # the last frame whose picture was read
        self._together = TOGETHER

    @property
    def are_sparse(self) -> bool:
        """Whether pictures were left out lately."""
        return self._rhythm.every > 1

    @property
    def stay_sparse(self) -> bool:
        """Whether they have been for some time, or by far."""
        return self._rhythm.stays_sparse

    def is_asked(self, frame: int) -> bool:
        """Tell whether a picture is drawn, or being drawn: to read it costs nothing."""
        return frame in self._asked

    def read(self, frame: int, stop: int, passage: Passage, every: int | None = None) -> Picture:
        """Return the picture of a frame.

        Args:
            stop: the frame after the last one whose motion is made.
            every: frames from one picture to the next; None = as many as to this one.
        """
        if every is None:
            every = (
                min(frame - self._seen, _MOST_SPARSE) if frame > self._seen else self._rhythm.every
            )
        self._rhythm.follow(every)
        self._seen = frame
        if frame not in self._asked:
            wanted = range(frame, stop, every)[: self._together]
            self._together = TOGETHER
            drawn = self._draw(wanted, passage)
            self._asked = {one: Picture(one, one == frame, drawn) for one in wanted}
        return self._asked.pop(frame)

    def leave_out(self, every: int | None = None) -> None:
        """Pass over a picture.

        Args:
            every: frames from one picture to the next; None = others are left out, too.
        """
        self._rhythm.follow(max(2, self._rhythm.every) if every is None else every)

    def drop(self) -> None:
        """Forget what was asked for; the next ones are in a hurry."""
        self._asked, self._together = {}, _IN_A_HURRY
