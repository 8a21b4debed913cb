"""Frames of the pacer to many viewers of an event loop: encoded in a thread, once."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import av

from skyreels_avatar.apps.live.encoder import TIME_BASE, PictureEncoder

logger = logging.getLogger(__name__)
_MAX_BEHIND = 100  # frames that wait to be encoded before some are left out
_MAX_WAITING = 25  # and for a viewer: who stood still for longer goes on with what is now


@dataclass(eq=False)
class Seat:
    """Where one viewer's packets wait, in its event loop.

    Attributes:
        video: H.264 packets.
        audio: pairs of (S,) float32 samples and their rate, one for each frame.
        raw: pictures are wanted as they are, for whoever has no H.264.
        needs_key: what comes next must not depend on what came before.
        key_comes: such a picture is on its way.
    """

    loop: asyncio.AbstractEventLoop
    raw: bool = False
    video: asyncio.Queue = field(default_factory=asyncio.Queue)
    audio: asyncio.Queue = field(default_factory=asyncio.Queue)
    needs_key: bool = True
    key_comes: bool = False

    def hear(self, audio: Any) -> None:
        """Take the sound of a frame; in the event loop."""
        self._make_room()
        self.audio.put_nowait(audio)

    def see(self, video: Any, is_key: bool) -> None:
        """Take the packets of a picture; in the event loop."""
        self._make_room()
        self.key_comes = self.key_comes and not is_key
        if is_key or not self.needs_key:
            self.needs_key = False
            for one in video:
                self.video.put_nowait(one)

    def _make_room(self) -> None:
        if self.video.qsize() > _MAX_WAITING or self.audio.qsize() > _MAX_WAITING:
            self.needs_key = True  # the network or the loop stood still: go on with what is now
            for waiting in (self.video, self.audio):
                while not waiting.empty():
                    waiting.get_nowait()


class Fan:
    """A viewer of the pacer that hands on to many seats.

    Args:
        fps: of the stream.
    """

    def __init__(self, fps: float):
        self._fps = fps
        self._frames: queue.Queue[Any] = queue.Queue(maxsize=_MAX_BEHIND)
        self._seats: tuple[Seat, ...] = ()
        self._encoder: tuple[tuple[int, ...], PictureEncoder] | None = None
        self._thread = threading.Thread(target=self._run, name="live-fan", daemon=True)
        self._thread.start()

    @property
    def num_seats(self) -> int:
        """How many look on."""
        return len(self._seats)

    def add(self, seat: Seat) -> None:
        """Hand on to a seat."""
        self._seats = (*self._seats, seat)

    def remove(self, seat: Seat) -> None:
        """Hand on to a seat no more."""
        self._seats = tuple(one for one in self._seats if one is not seat)

    def put(self, frame: Any) -> None:
        """Take a frame of the pacer."""
        if not self._seats:
            return
        try:
            self._frames.put_nowait(frame)
        except queue.Full:  # this machine cannot even encode: what is seen stays what is now
            _empty(self._frames)
            for seat in self._seats:
                seat.needs_key = True

    def close(self) -> None:
        """End the thread."""
        _empty(self._frames)
        self._frames.put(None)
        self._thread.join(timeout=10.0)

    def _run(self) -> None:
        while (frame := self._frames.get()) is not None:
            try:
                self._hand_on(frame)
            except Exception:
                logger.exception("a frame was not handed on")

    def _hand_on(self, frame: Any) -> None:
        seats = self._seats
        for seat in seats:  # at once: a picture is encoded for some time
            _call(seat.loop, seat.hear, (frame.audio, frame.sample_rate))
        if frame.image is None:
            return
        coded = self._coded(frame, seats)
        is_key = any(packet.is_keyframe for packet in coded)
        raw = self._raw(frame) if any(seat.raw for seat in seats) else []
        for seat in seats:
            video, whole = (raw, True) if seat.raw else (coded, is_key)
            _call(seat.loop, seat.see, video, whole)

    def _coded(self, frame: Any, seats: tuple[Seat, ...]) -> list[av.Packet]:
        if all(seat.raw for seat in seats):
            return []
        shape = frame.image.shape
        if self._encoder is None or self._encoder[0] != shape:
            self._encoder = shape, PictureEncoder(*shape[:2], self._fps)
        starting = [one for one in seats if one.needs_key and not one.key_comes and not one.raw]
        for seat in starting:
            seat.key_comes = True
        return self._encoder[1].encode(frame.image, frame.time_s, bool(starting))

    def _raw(self, frame: Any) -> list[av.VideoFrame]:
        picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24").reformat(format="yuv420p")
        picture.pts, picture.time_base = round(frame.time_s / TIME_BASE), TIME_BASE
        return [picture]


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *values: Any) -> None:
    try:
        loop.call_soon_threadsafe(function, *values)
    except RuntimeError:  # the loop has ended
        return


def _empty(waiting: queue.Queue) -> None:
    while True:
        try:
            waiting.get_nowait()
        except queue.Empty:
            return
