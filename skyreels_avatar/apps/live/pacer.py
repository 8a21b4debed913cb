"""Frames of a stream on a clock: in step with the time, at a rate that the machine can hold."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from skyreels_avatar.apps.live.picture_rate import PictureRate
from skyreels_avatar.apps.live.shared_cores import SharedCores
from skyreels_avatar.errors import AvatarError

logger = logging.getLogger(__name__)

# After a longer pause, as of a machine that slept, the clock begins anew; and where the rate falls:
# a stream that another process draws leaves out what is late, and catches up by itself.
_LOST_S, _LOST_FALLING_S, _LOST_DRAWN_S = 1.0, 0.16, 0.3
# Periods that a frame is made before it is due: a stream samples the motion of eight and draws
# four pictures at once, which may take longer now and then.
_AHEAD, _MOST_AHEAD, _ROOM = 6.0, 8.0, 1.25
_START = 6.0  # the same before it is known; the first frame waits so long for those after it
# Of a stream that samples four frames at once, and another process draws them meanwhile: at least,
# and at first. Where a core stops for a moment, half as many pictures are missing as with three.
_QUICK_AHEAD, _QUICK_ROOM = 4.5, 1.1
# A frame, of what is missing: who reads earlier may find that the sound has not come yet. What was
# too late once in a while is so again soon: a period less takes twenty seconds.
_SHRINKS, _GROWS = 0.002, 0.3
_SPARE = 0.5  # periods that a frame is made before it is due, at the latest
_MOST_READY = 20  # frames that wait for their pictures, or until they are due
_KEPT = 1  # frames that are shown after an interruption, while those after them are made again
_FADE_S = 0.005  # in which the sound falls silent then
_PATIENCE_S = 0.02  # for a picture that is due
# Periods before a frame is due in which no picture of it is begun: it would not be drawn in time,
# and nor would those after it.
_TOO_LATE = 1.5
_LOOK_S = 0.01  # after which a reader who waits sees that there was one
_SHARED = SharedCores()  # of all streams of this process


class Viewer(Protocol):
    """Whoever takes frames; called in the thread of the pacer, so it must not wait."""

    def put(self, frame: Any) -> None:
        """Take a `LiveFrame`, whose image is None where the picture stays as it was."""


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
        shared: with other streams; for tests.
    """

    def __init__(
        self,
        stream: Any,
        fps: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        shared: SharedCores = _SHARED,
    ):
        self._stream, self._fps = stream, fps
        self._clock, self._sleep = clock, sleep
        self._rate = PictureRate(1.0 / fps, shared)
        self._viewers: tuple[Viewer, ...] = ()
        self._lock = threading.Lock()
        self._retired: list[Any] = []
        self._next, self._turn, self._hushed_to = 0, 0, -1
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._ready = deque[_Ready]()  # the first one until it is handed out
        self._sent: _Ready | None = None
        self._place: tuple[Any, int] = (stream, -1)
        self._drew: tuple[Any, float] = (stream, 0.0)
        self._changed, self._ended = threading.Condition(), False
        self._counts = {"frames": 0, "pictures": 0, "late": 0, "missing": 0, "restarts": 0}
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
            self._next = last.frame.index + 1
            self._hushed_to = self._next  # in which the sound fades, which is silent already
            self._stream.interrupt(after=last.place)
            self._turn += 1

    def start(self) -> None:
        """Begin."""
        self._rate.begin()
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
        missing = 0
        ahead = start = _QUICK_AHEAD if _draws_ahead(self._stream) else _START
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
            if index > begun and _draws_ahead(self._place[0]):
                begins_late = before_s > due_s - _TOO_LATE * period_s
                has_picture &= not begins_late or getattr(self._place[0], "is_coming", False)
            frame = self._read(has_picture)
            made_s = self._clock()
            drawing_s = self._drawing_s(frame.image)
            if index == 0:
                due_s = start_s = made_s + start * period_s
            least, room = _AHEAD, _ROOM
            if _draws_ahead(self._place[0]):
                least, room = _QUICK_AHEAD, _QUICK_ROOM
            took = room * (made_s - before_s + drawing_s) / period_s
            grows = _GROWS * max(0.0, took - ahead, self._counts["missing"] - missing)
            missing = self._counts["missing"]
            if index > begun:  # so that the latest of frames that are made together is in time
                grows = max(grows, _GROWS * ((made_s - due_s) / period_s + _SPARE))
            ahead = min(_MOST_AHEAD, max(least, ahead + grows - _SHRINKS))
            with self._changed:
                if self._turn != turn:
                    if getattr(self._place[0], "interrupts", True):
                        continue
                    # While it was sampled there was an interruption, and it obeys that already.
                    due_s += (self._next - index) * period_s
                    index = self._next
                self._next = index + 1
            frame = replace(frame, index=index, time_s=index / self._fps)
            index += 1
            yield due_s, frame
            self._count(has_picture, made_s - due_s > period_s)
            lag_s = made_s - due_s
            before = self._rate.every
            if self._rate.report(made_s - before_s, lag_s + drawing_s, made_s, self._drawn_s()):
                self._announce()
            most_s = _LOST_S
            if self._rate.every > before:
                most_s = _LOST_DRAWN_S if _draws_ahead(self._place[0]) else _LOST_FALLING_S
            if lag_s > most_s:
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
            self._rate.end()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _send_all(self) -> None:
        is_silent = False
        while (ready := self._first_ready()) is not None:
            image = self._picture(ready)
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

    def _picture(self, ready: _Ready) -> Any:
        """Return the picture of a frame, which another process may draw; None: it is late.

        The sound does not wait for it.
        """
        image = ready.frame.image
        if not hasattr(image, "result"):
            return image
        left_s = max(0.0, ready.due_s - self._clock()) + _PATIENCE_S
        try:
            image = image.result(None if self._sent is None else left_s)
        except TimeoutError:
            self._counts["pictures"] -= 1
            self._counts["missing"] += 1
            return None
        except Exception as error:
            self.failure = error
            logger.exception("the stream ended")
            self._closing.set()
            return None
        return image

    def _drawing_s(self, image: Any) -> float:
        """Return how long another process draws for a picture and those it draws with it."""
        begins = hasattr(image, "result") and image.is_first
        return self._place[0].drawing_s if begins else 0.0

    def _drawn_s(self) -> float:
        """Return how long another process has drawn since the last time."""
        stream = self._place[0]
        (before, before_s), drew_s = self._drew, getattr(stream, "drew_s", 0.0)
        self._drew = stream, drew_s
        return drew_s - before_s if stream is before else 0.0

    def _read(self, has_picture: bool) -> Any:
        with self._lock:
            stream, retired, self._retired = self._stream, self._retired, []
        for one in retired:
            one.close()
        how = {"wait": False, "every": self._rate.every} if _draws_ahead(stream) else {}
        frame = stream.read(picture=has_picture, **how)
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


def keep_what_is_there() -> None:
    """Let Python collect garbage of what is made from here on alone.

    To look through all that is loaded stops every thread for 0.3 s, which is longer than frames are
    made ahead; it came when a browser joined. What is there is freed as usual but for circles.
    """
    gc.collect()
    gc.freeze()


def _draws_ahead(stream: Any) -> bool:
    """Tell whether another process draws for a stream."""
    return getattr(stream, "draws_ahead", False)


def _silent(frame: Any, is_first: bool) -> Any:
    """Return a frame without its sound; the first one fades, so that it does not click."""
    audio = np.zeros_like(frame.audio)
    if is_first:
        count = round(_FADE_S * frame.sample_rate)
        audio[:count] = frame.audio[:count] * np.linspace(1, 0, count, dtype=np.float32)
    return replace(frame, audio=audio, speaking=False)
