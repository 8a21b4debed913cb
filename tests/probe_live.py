"""A stream as a browser gets it, seen from outside: `python tests/bench_live.py --probe`.

A beep that is pushed once a second comes back as a sound, and as a flash in the corner of the frame
that it is heard in. aiortc plays the browser over loopback: it tells when either arrives, and, by
the number in the corner, which pictures are missing.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import multiprocessing
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from skyreels_avatar.apps.live.host import LiveHost, LiveSettings
from skyreels_avatar.apps.live.peers import Peers
from tests.apps.live.fakes import numbered, read_number
from tests.apps.live.test_peers import Browser

RATE = 48_000
CHUNK_S, BEEP_S, BEEP_LEVEL, LOUD = 0.02, 0.06, 0.9, 0.4
EVERY_S = 1.0
NUMBER, FLASH = np.s_[:32, :128], np.s_[64:96, :32]  # of a picture
# A packet of sound waits in aiortc until four more of 20 ms are there; in a browser it is played in
# step with the pictures, by the clock of the sender.
BUFFERED_S = 0.08
STALL_S, SETTLED_S = 3.0, 1.5  # and how long after it sound and pictures are in step again


class Marked:
    """A stream whose pictures have their number in the corner, and flash when a beep is heard."""

    def __init__(self, stream: Any):
        self._stream = stream
        self.offsets_s: dict[int, float] = {}  # of beeps, in the frames that flash
        self._beeped_s: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self, picture: bool = True, **how: bool) -> Any:
        """Return the next frame, marked."""
        frame = self._stream.read(picture=picture, **how)
        loud = np.flatnonzero(np.abs(frame.audio) > LOUD)
        if len(loud) and self._beeped_s is None:
            self._beeped_s = frame.time_s + float(loud[0]) / frame.sample_rate
        if frame.image is None:
            return frame
        flashes = self._beeped_s is not None
        image = MarkedPicture(frame.image, frame.index, flashes)
        if how.get("wait", True):
            image = image.result()
        if self._beeped_s is not None:  # of this frame, or of one before that has no picture
            self.offsets_s[frame.index] = self._beeped_s - frame.time_s
            self._beeped_s = None
        return replace(frame, image=image)


class MarkedPicture:
    """A picture, drawn or not, that is marked when it is there."""

    def __init__(self, picture: Any, number: int, flashes: bool):
        self._picture, self._number, self._flashes = picture, number, flashes
        self.is_first = getattr(picture, "is_first", False)

    def result(self, timeout: float | None = None) -> np.ndarray:
        """Return it."""
        image = self._picture
        image = (image.result(timeout) if hasattr(image, "result") else image).copy()
        image[NUMBER] = numbered(self._number, 0)[NUMBER]
        image[FLASH] = 255 if self._flashes else 0
        return image


class Watching(Browser):
    """A browser that keeps numbers, flashes and beeps."""

    async def _take(self, track: Any) -> None:
        while True:
            frame, now_s = await track.recv(), time.monotonic()
            if track.kind == "video":
                image = frame.to_ndarray(format="rgb24")
                self.pictures.append((now_s, read_number(image), image[FLASH].mean() > 127))
            else:
                samples = np.abs(frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0])
                loud = np.flatnonzero(samples > 32768 * LOUD / 2)
                at_s = now_s + float(loud[0] if len(loud) else 0) / frame.sample_rate
                self.sounds.append((at_s, len(loud) > 0))


def probe(open_stream: Any, seconds: float, stalls: bool = True) -> dict[str, Any]:
    """Return what a browser saw of a stream, and of it after the network stood still.

    Args:
        open_stream: of an image, as `LiveHost` takes it.
    """
    marked: list[Marked] = []

    def opened(*given: Any, **options: Any) -> Marked:
        marked.append(Marked(open_stream(*given, **options)))
        return marked[-1]

    with LiveHost(LiveSettings(Path("probe.png")), opened) as host:
        pushed, seen, heard, numbers, stalled = asyncio.run(_watch(host, seconds, stalls))
    before = [one for one in seen if stalled is None or one[0] < stalled[0]]
    after = [one for one in seen if stalled is not None and one[0] > stalled[1] + SETTLED_S]
    waits = []
    for at_s, _ in before:
        asked = [one for one in pushed if one < at_s]
        waits += [1000 * (at_s - one) for one in asked[-1:]]
    skews, later = (_skews_ms(some, heard, marked[0].offsets_s) for some in (before, after))
    steps = np.diff(numbers)
    return {
        "flashes": len(seen),
        "beeps": len(heard),
        "latency_p50_ms": _share(waits, 50),
        "latency_p99_ms": _share(waits, 99),
        "skew_p1_p50_p99_ms": [_share(skews, share) for share in (1, 50, 99)],
        "pictures": len(numbers),
        "missing": int((steps - 1).clip(0).sum()),
        "repeated": int((steps <= 0).sum()),
        "recovered_s": None if stalled is None else round(stalled[1] - stalled[0] - STALL_S, 2),
        "skew_after_stall_ms": _share(later, 50),
    }


def _skews_ms(seen: list, heard: list[float], offsets_s: dict[int, float]) -> list[float]:
    """Return by how much sounds come later than the flashes that belong to them."""
    skews = []
    for at_s, number in seen:
        shift_s = BUFFERED_S + offsets_s.get(number, 0.0) + at_s
        nearest = min((one - shift_s for one in heard), key=abs, default=EVERY_S)
        skews += [1000 * nearest] if abs(nearest) < EVERY_S / 2 else []
    return skews


async def _watch(host: LiveHost, seconds: float, stalls: bool) -> tuple:
    """Return what was pushed, seen and heard, the numbers before, and a stall and its end."""
    peers, stalled = Peers(host), None
    ours, theirs = multiprocessing.Pipe()
    browser = multiprocessing.get_context("spawn").Process(target=_browse, args=(theirs,))
    browser.start()
    _, answer = await peers.connect(await asyncio.to_thread(ours.recv))
    ours.send(answer)
    await asyncio.to_thread(ours.recv)  # the first picture
    pushed: list[float] = []
    speaking = asyncio.ensure_future(_beep(host, pushed))
    await asyncio.sleep(seconds)
    if stalls:
        begun_s = time.monotonic()
        time.sleep(STALL_S)  # nothing is sent meanwhile
        stalled = begun_s, time.monotonic()
        await asyncio.sleep(2 * SETTLED_S + 3 * EVERY_S)
    speaking.cancel()
    ours.send("end")
    pictures, sounds = await asyncio.to_thread(ours.recv)
    await peers.close()
    browser.join()
    # aiortc hands on a picture when the first packet of the next one comes: that is when each came.
    seen = [(a[0], b[1]) for a, b in itertools.pairwise(pictures) if b[2] and not a[2]]
    heard = [b[0] for a, b in itertools.pairwise(sounds) if b[1] and not a[1]]
    before = [one for one in pictures if stalled is None or one[0] < stalled[0]]
    if stalled is not None:
        newest = before[-1][1] + STALL_S * host.settings.fps
        now = [at_s for at_s, number, _ in pictures if number >= newest]
        stalled = stalled[0], now[0] if now else math.inf
    return pushed, seen, heard, [number for _, number, _ in before], stalled


def _browse(connection: Any) -> None:
    """Look on, in a process of its own, as a browser is; clocks of both are the same."""
    asyncio.run(_look_on(connection))


async def _look_on(connection: Any) -> None:
    browser = Watching()
    connection.send(await browser.offer())
    await browser.take_answer(connection.recv())
    while not browser.pictures:
        await asyncio.sleep(0.05)
    connection.send("begun")
    await asyncio.to_thread(connection.recv)
    connection.send((browser.pictures, browser.sounds))
    await browser.close()


async def _beep(host: LiveHost, pushed: list[float]) -> None:
    """Push sound as it is spoken, with a beep each second."""
    size, begun_s, index = round(CHUNK_S * RATE), time.monotonic(), 0
    tone = BEEP_LEVEL * np.sin(2 * np.pi * 1000 * np.arange(size) / RATE).astype(np.float32)
    chunks, beeps = round(EVERY_S / CHUNK_S), round(BEEP_S / CHUNK_S)
    while True:
        index += 1
        await asyncio.sleep(max(0.0, begun_s + index * CHUNK_S - time.monotonic()))
        if index % chunks == 0:
            pushed.append(time.monotonic() - CHUNK_S)
        host.hear(tone if index % chunks < beeps else 0.001 * tone, RATE)


def _share(values: list[float], percent: int) -> int | None:
    return round(float(np.percentile(values, percent))) if values else None
