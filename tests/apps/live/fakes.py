"""A stream that flashes while it beeps, so that a probe outside can tell what came and when."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass

import numpy as np

RATE = 48_000
SIDE = 128
_CELL = 16
NUM_BITS = 16


@dataclass(frozen=True)
class Frame:
    """As `LiveFrame`."""

    image: np.ndarray | None
    audio: np.ndarray
    sample_rate: int
    index: int
    time_s: float
    speaking: bool


@dataclass(frozen=True)
class FakeAvatar:
    """As `Avatar`."""

    image: object
    size: str = f"{SIDE}x{SIDE}"


class FakeStream:
    """Says what is pushed, at once; its pictures carry their number, and are white in sound.

    Args:
        cost_s: how long a picture takes.
    """

    def __init__(self, image="fake.png", *, fps=25.0, cost_s=0.0, **given):
        if str(image) == "bad.png":  # the number of an upload may hold "bad", too
            from skyreels_avatar.errors import MediaError

            raise MediaError(f"{image} shows no face")
        self.avatar = image if isinstance(image, FakeAvatar) else FakeAvatar(image)
        self.image, self.fps, self.cost_s, self.given = image, fps, cost_s, given
        self.calls, self.closed = [], False
        self._sound = np.zeros(0, np.float32)
        self._lock = threading.Lock()
        self.index = 0
        self.base = self.shown = 60

    def push(self, samples, sample_rate):
        samples = np.asarray(samples)
        if samples.dtype == np.int16:
            samples = samples / 32768
        if samples.ndim == 2:
            samples = samples.mean(1)
        with self._lock:
            count = round(len(samples) * RATE / sample_rate)
            at = np.linspace(0, len(samples) - 1, count)
            self._sound = np.append(self._sound, np.interp(at, np.arange(len(samples)), samples))
        self.calls.append("push")

    def finish(self):
        self.calls.append("finish")

    def nod(self, depth=1.0):
        self.calls.append("nod")

    def interrupt(self, after=None):
        with self._lock:
            if after is not None:
                self.index = after + 1
            self._sound = np.zeros(0, np.float32)
        self.calls.append("interrupt")

    def set(self, **changes):
        from skyreels_avatar.errors import InputError

        if changes.get("camera") == "nonsense":
            raise InputError("there is no move nonsense", parameter="camera")
        self.calls.append(changes)

    @property
    def queued_s(self):
        return len(self._sound) / RATE

    @property
    def speaking(self):
        return self.queued_s > 0

    def stats(self):
        return {}

    def read(self, picture=True):
        size = round(RATE * (self.index + 1) / self.fps) - round(RATE * self.index / self.fps)
        with self._lock:
            sound, self._sound = self._sound[:size], self._sound[size:]
        speaking = len(sound) > 0
        sound = np.pad(sound, (0, size - len(sound))).astype(np.float32)
        image = None
        if picture:
            time.sleep(self.cost_s)
            image = numbered(self.index, 240 if np.abs(sound).max() > 0.05 else self.base)
        frame = Frame(image, sound, RATE, self.index, self.index / self.fps, speaking)
        self.index += 1
        return frame

    def close(self):
        self.closed = True


class Time:
    """A clock that only moves when somebody sleeps or works."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


def numbered(index, level):
    """Return a picture of a level with its number as black and white cells along the top."""
    image = np.full((SIDE, SIDE, 3), level, np.uint8)
    bits = (index >> np.arange(NUM_BITS)) & 1
    for place, bit in enumerate(bits):
        y, x = divmod(place, SIDE // _CELL)
        cell = np.s_[y * _CELL : (y + 1) * _CELL, x * _CELL : (x + 1) * _CELL]
        image[cell] = 255 * bit
    return image


def read_number(image):
    """Return the number of a picture, as it arrives."""
    number = 0
    for place in range(NUM_BITS):
        y, x = divmod(place, SIDE // _CELL)
        cell = image[y * _CELL + 4 : (y + 1) * _CELL - 4, x * _CELL + 4 : (x + 1) * _CELL - 4]
        number |= int(cell.mean() > 127) << place
    return number


def is_white(image):
    """Tell whether a picture flashes."""
    return image[3 * _CELL :].mean() > 150


def beep(seconds=0.2, rate=RATE):
    """Return a tone."""
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)


def wait_until(true, seconds=30.0):
    """Wait until a function says so; fail if it does not."""
    end_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.01)


async def until(true, seconds=30.0):
    """Wait in an event loop until a function says so; fail if it does not."""
    end_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end_s, "it did not happen"
        await asyncio.sleep(0.02)
