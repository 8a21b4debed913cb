"""Frames of a stream on a clock: in step with the time, at a rate that the machine can hold."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from skyreels_avatar.errors import AvatarError

logger = logging.getLogger(__name__)

# A picture for every frame, every second one, ...: an even rhythm, which other rates have not.
STEPS = (1, 2, 3, 5)
_TOO_SLOW, _QUICK_ENOUGH = 0.95, 0.8  # of the time that there is
# What a frame takes at the next quicker rate, over as many times as there are more pictures: the
# motion is made once, and a stream draws several pictures together, which is cheaper.
_TOGETHER = 0.67
_SAMPLED_OFTEN = 2.0  # as much motion, by a stream that another process draws, at the full rate
_SLOW_LAG_S = 0.16
_LOST_S = 1.0  # after a longer pause, as of a machine that slept, the clock begins anew
_WEIGHT = 0.05
_WARMING_UP = 10  # frames, of which the first ones take longer than any that come
_FIRST_PICTURES = 12  # after these; before that nothing is known
# What one frame counts for: it may take the time of eight, whose motion comes at once, and a
# machine that was busy for a moment is not slow.
_MOST_PERIODS = 9.0
# Periods that a frame is made before it is due: a stream samples the motion of eight and draws
# four pictures at once, which may take longer now and then.
_AHEAD, _MOST_AHEAD, _ROOM = 6.0, 8.0, 1.25
_START = 6.0  # the same before it is known; the first frame waits so long for those after it
# Of a stream that samples four frames at once, and another process draws them meanwhile: at least,
# and at first.
_QUICK_AHEAD, _QUICK_ROOM, _QUICK_START = 3.0, 1.1, 5.0
# A frame, of what is missing: who reads earlier may find that the sound has not come yet.
_SHRINKS, _GROWS = 0.01, 0.3
_FIRST_HOLD_S, _LONGEST_HOLD_S = 8.0, 300.0
_MOST_READY = 20  # frames that wait for their pictures, or until they are due
_KEPT = 1  # frames that are shown after an interruption, while those after them are made again
_LOOK_S = 0.01  # after which a reader who waits sees that there was one


class Viewer(Protocol):
    """Whoever takes frames; called in the thread of the pacer, so it must not wait."""

    def put(self, frame: Any) -> None:
        """Take a `LiveFrame`, whose image is None where the picture stays as it was."""


class PictureRate:
    """Chooses for how many frames a picture is made.

    Args:
        period_s: of a frame.
    """

    def __init__(self, period_s: float):
        self._period_s = period_s
        self._costs = {True: 0.0, False: 0.0}  # with and without a picture, in seconds
        self._counts = {True: 0, False: 0}
        self._drawing_s = 0.0  # of a picture, by another process at the same time
        self._step, self._reports = 0, 0
        self._hold_s, self._held_since = _FIRST_HOLD_S, 0.0
        self._tried_s = -math.inf  # when it was last made quicker

    @property
    def every(self) -> int:
        """A picture comes with every frame (1), every second (2), ..."""
        return STEPS[self._step]

    def wants(self, index: int) -> bool:
        """Tell whether a frame gets a picture."""
        return index % self.every == 0

    def excuse(self) -> None:
        """Take no account of the next frames: they are made again, which is no sign of slowness."""
        self._reports = 0

    def report(
        self, has_picture: bool, cost_s: float, lag_s: float, now_s: float, drawing_s: float = 0.0
    ) -> bool:
        """Take how long a frame took and how late it was; return whether the rate has changed.

        Args:
            drawing_s: that another process took for the pictures that begin with this one.
        """
        self._reports += 1
        if self._reports <= _WARMING_UP:
            return False
        cost_s = min(cost_s, _MOST_PERIODS * self._period_s)
        self._counts[has_picture] += 1
        weight = max(_WEIGHT, 1 / self._counts[has_picture])
        self._costs[has_picture] += weight * (cost_s - self._costs[has_picture])
        if has_picture:
            drawing_s = min(drawing_s, _MOST_PERIODS * self._period_s)
            self._drawing_s += weight * (drawing_s - self._drawing_s)
        if self._counts[True] < _FIRST_PICTURES:
            return False
        load = self._load(self._step)
        is_late = lag_s > 0.0 and load > (_TOO_SLOW if lag_s < _SLOW_LAG_S else _QUICK_ENOUGH)
        if is_late and self._step < len(STEPS) - 1:
            if now_s - self._held_since < self._period_s * 2 * self.every and self._step:
                return False  # what was late before the last change is still being made up for
            failed = now_s - self._tried_s < self._hold_s  # then the next try comes later
            self._hold_s = min(2 * self._hold_s, _LONGEST_HOLD_S) if failed else _FIRST_HOLD_S
            self._tried_s = -math.inf
            self._move(1, now_s)
            return True
        if self._step and now_s - self._held_since > self._hold_s and not is_late:
            more = _TOGETHER * self.every / STEPS[self._step - 1]
            if self._load(self._step, more) < _QUICK_ENOUGH:
                self._tried_s = now_s
                self._costs[True] *= _TOGETHER
                self._drawing_s *= _TOGETHER
                self._move(-1, now_s)
                return True
            self._held_since = now_s
        return False

    def _load(self, step: int, more: float | None = None) -> float:
        """Return the share of the time that reading takes, or drawing, if it takes longer.

        Args:
            more: how many times as much is drawn; None = as much as it is.
        """
        every, more_motion = STEPS[step], 1.0
        if more is not None:  # where another process draws, reading is sampling
            more_motion = _SAMPLED_OFTEN if self._drawing_s else more
        reading_s = self._costs[True] + (every - 1) * self._costs[False]
        cost_s = max(more_motion * reading_s, (more or 1.0) * self._drawing_s)
        return cost_s / (every * self._period_s)

    def _move(self, by: int, now_s: float) -> None:
        self._step, self._held_since = self._step + by, now_s


@dataclass(frozen=True, eq=False)
class _Ready:
    """A frame that waits until it is due, and which of which stream it is."""

    due_s: float
    frame: Any
    stream: Any
    place: int


class Pacer:
    """Reads a stream, a frame each 1 / fps, and hands frames to viewers, each at its time.

    One thread makes frames some time before they are due, so that one that takes longer is not
    late; another one hands them out. Where the machine is too slow, fewer pictures are made, in an
    even rhythm, and further ahead; of the sound nothing is left out.

    Args:
        stream: as `open_stream` returns it.
        fps: of the stream.
        clock, sleep: of the time, in seconds; for tests.
    """

    def __init__(
        self,
        stream: Any,
        fps: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._stream, self._fps = stream, fps
        self._clock, self._sleep = clock, sleep
        self._rate = PictureRate(1.0 / fps)
        self._viewers: tuple[Viewer, ...] = ()
        self._lock = threading.Lock()
        self._retired: list[Any] = []
        self._next, self._turn, self._hushed_to = 0, 0, -1
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._ready = deque[_Ready]()  # the first one until it is handed out
        self._sent: _Ready | None = None
        self._place: tuple[Any, int] = (stream, -1)
        self._changed, self._ended = threading.Condition(), False
        self._counts = {"frames": 0, "pictures": 0, "late": 0, "restarts": 0}
        self.failure: BaseException | None = None

    @property
    def stream(self) -> Any:
        """The stream that is read."""
        return self._stream

    @property
    def picture_fps(self) -> float:
        """How many pictures a second come."""
        return self._fps / self._rate.every

    def counts(self) -> dict[str, int]:
        """Return frames and pictures so far, frames that came late, restarts of the clock."""
        return dict(self._counts)

    def add(self, viewer: Viewer) -> None:
        """Hand frames to a viewer from here on."""
        with self._lock:
            self._viewers = (*self._viewers, viewer)

    def remove(self, viewer: Viewer) -> None:
        """Hand a viewer no more frames."""
        with self._lock:
            self._viewers = tuple(one for one in self._viewers if one is not viewer)

    def switch(self, stream: Any) -> None:
        """Read another stream from the next frame on; the one before is closed then."""
        with self._lock:
            self._retired.append(self._stream)
            self._stream = stream

    def interrupt(self) -> None:
        """Interrupt the stream where its viewers are: the sound ends at once.

        What was read ahead is dropped but for the next frame, and made again with a closing mouth.
        """
        self._rate.excuse()
        with self._changed:
            while len(self._ready) > _KEPT:
                self._ready.pop()
            last = self._ready[-1] if self._ready else self._sent
            if last is None or last.stream is not self._stream:
                self._hushed_to = self._next - 1
                self._stream.interrupt()
                return
            self._hushed_to = last.frame.index
            self._stream.interrupt(after=last.place)
            self._next = last.frame.index + 1
            self._turn += 1

    def start(self) -> None:
        """Begin."""
        for name, run in (("read", self._read_all), ("send", self._send_all)):
            thread = threading.Thread(target=run, name=f"live-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End; the stream stays open."""
        self._closing.set()
        for thread in self._threads:
            thread.join(timeout=10.0)

    def scheduled(self) -> Iterator[tuple[float, Any]]:
        """Read frames, each some time before it is due; yield when that is, and the frame.

        After an interruption frames come again that were there before.

        Raises:
            AvatarError: the stream has failed.
        """
        period_s = 1.0 / self._fps
        start_s, begun = self._clock(), 0
        ahead = start = _QUICK_START if self._is_quick() else _START
        while not self._closing.is_set():
            with self._changed:
                index, turn = self._next, self._turn
            due_s = start_s + (index - begun) * period_s
            self._wait_until(due_s - (self._rate.every - 1 + ahead) * period_s, turn)
            while len(self._ready) > _MOST_READY and not self._closing.is_set():
                self._sleep(_LOOK_S)
            if self._turn != turn:
                continue
            before_s = self._clock()
            has_picture = self._rate.wants(index)
            frame = replace(self._read(has_picture), index=index, time_s=index / self._fps)
            made_s = self._clock()
            drawing_s = self._drawing_s(frame.image)
            if index == 0:
                due_s = start_s = made_s + start * period_s
            least, room = (_QUICK_AHEAD, _QUICK_ROOM) if self._is_quick() else (_AHEAD, _ROOM)
            took = room * (made_s - before_s + drawing_s) / period_s
            grows = _GROWS * max(0.0, took - ahead)
            ahead = min(_MOST_AHEAD, max(least, ahead + grows - _SHRINKS))
            with self._changed:
                if self._turn != turn:
                    continue
                self._next = index = index + 1
            yield due_s, frame
            self._count(has_picture, made_s - due_s > period_s)
            lag_s = max(made_s - due_s, self._waited_s(made_s))
            before = self._rate.every
            if self._rate.report(has_picture, made_s - before_s, lag_s, made_s, drawing_s):
                self._announce()
            if lag_s > (_SLOW_LAG_S if self._rate.every > before else _LOST_S):
                # What is late has been missed already; the sound goes on from here without a gap.
                start_s, begun = made_s + (self._rate.every - 1 + ahead) * period_s, index
                self._counts["restarts"] += 1

    def _read_all(self) -> None:
        try:
            for due_s, frame in self.scheduled():
                with self._changed:
                    if frame.index + 1 == self._next:  # else there was an interruption
                        self._ready.append(_Ready(due_s, frame, *self._place))
                        self._changed.notify_all()
        except AvatarError as error:
            self.failure = error
            logger.error("the stream ended: %s", error)
        except Exception as error:
            self.failure = error
            logger.exception("the stream ended")
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _send_all(self) -> None:
        is_silent = False
        while (ready := self._first_ready()) is not None:
            image = ready.frame.image
            if hasattr(image, "result"):  # drawn elsewhere: nobody but this thread waits for it
                image = image.result()
            self._wait_until(ready.due_s)
            with self._changed:
                self._sent = self._ready.popleft()
            frame = replace(ready.frame, image=image)
            if frame.index <= self._hushed_to:
                frame = _silent(frame, is_first=not is_silent)
                is_silent = True
            else:
                is_silent = False
            for viewer in self._viewers:
                viewer.put(frame)

    def _first_ready(self) -> _Ready | None:
        """Wait for a frame, and return it; None after the last."""
        with self._changed:
            while not self._ready:
                if self._ended:
                    return None
                self._changed.wait()
            return self._ready[0]

    def _is_quick(self) -> bool:
        """Tell whether another process draws while frames are read."""
        return getattr(self._stream, "draws_ahead", False)

    def _drawing_s(self, image: Any) -> float:
        """Return how long another process draws for a picture and those it draws with it."""
        begins = hasattr(image, "result") and image.is_first
        return self._place[0].drawing_s if begins else 0.0

    def _waited_s(self, now_s: float) -> float:
        """Return for how long viewers have waited for a picture that is not drawn yet."""
        with self._changed:
            if not self._ready or not hasattr(self._ready[0].frame.image, "result"):
                return -math.inf
            waited_s = now_s - self._ready[0].due_s
        return waited_s if waited_s > _LOOK_S else -math.inf

    def _read(self, has_picture: bool) -> Any:
        with self._lock:
            stream, retired, self._retired = self._stream, self._retired, []
        for one in retired:
            one.close()
        how = {"wait": False} if has_picture and self._is_quick() else {}
        frame = stream.read(**how) if has_picture else stream.read(picture=False)
        self._place = stream, frame.index
        return frame

    def _wait_until(self, at_s: float, turn: int | None = None) -> None:
        """Wait; with a turn, no longer than until an interruption begins another."""
        while (left_s := at_s - self._clock()) > 0:
            if turn is None:
                self._sleep(left_s)
            elif turn != self._turn:
                return
            else:
                self._sleep(min(left_s, _LOOK_S))

    def _count(self, has_picture: bool, is_late: bool) -> None:
        self._counts["frames"] += 1
        self._counts["pictures"] += has_picture
        self._counts["late"] += is_late

    def _announce(self) -> None:
        if self._rate.every == 1:
            logger.warning("back to %g pictures per second", self._fps)
        else:
            logger.warning(
                "this machine is too slow for %g pictures per second; it shows %.3g, with the whole"
                " sound. A smaller --size is quicker", self._fps, self.picture_fps,
            )  # fmt: skip


def _silent(frame: Any, is_first: bool) -> Any:
    """Return a frame without its sound; the first one fades, so that it does not click."""
    count = len(frame.audio)
    fade = np.linspace(1, 0, count, dtype=np.float32) if is_first else np.float32(0)
    return replace(frame, audio=frame.audio * fade, speaking=False)
