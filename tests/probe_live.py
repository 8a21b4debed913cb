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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from skyreels_avatar.apps.live.host import LiveHost, LiveSettings
from skyreels_avatar.apps.live.peers import Peers
from tests.apps.live.fakes import NUM_BITS, numbered, read_number
from tests.apps.live.test_peers import Browser
from tests.live_minutes import EVERY_S as MINUTE_S
from tests.live_minutes import Minutes, by_minute
from tests.live_network import Link, leave

RATE = 48_000
CHUNK_S, BEEP_S, BEEP_LEVEL, LOUD = 0.02, 0.06, 0.9, 0.4
EVERY_S = 1.0
NUMBER, FLASH = np.s_[:32, :128], np.s_[64:96, :32]  # of a picture
# A packet of sound waits in aiortc until four more of 20 ms are there; in a browser it is played in
# step with the pictures, by the clock of the sender.
BUFFERED_S = 0.08
STALL_S, SETTLED_S = 3.0, 1.5  # and how long after it sound and pictures are in step again
FIRST_S = 1.0  # of a viewer, in which pictures may be missing
MOST_SKEW_MS = 40
MOST_TOLD = 60
TONE_S, BEFORE_S, AFTER_S, INTERRUPTIONS = 4.0, 2.0, 1.0, 4  # of a tone
NUMBERS = 2**NUM_BITS  # and then they begin again


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


def probe(open_stream: Any, seconds: float, link: Link | None = None) -> dict[str, Any]:
    """Return what a browser saw of a stream, and of it after the network stood still.

    Args:
        open_stream: of an image, as `LiveHost` takes it.
        link: to the network of the browser, which is cut; None = the process that sends stands
            still.
    """
    marked: list[Marked] = []

    def opened(*given: Any, **options: Any) -> Marked:
        marked.append(Marked(open_stream(*given, **options)))
        return marked[-1]

    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    browser = multiprocessing.get_context("spawn").Process(
        target=_browse, args=(theirs, link is not None)
    )
    browser.start()
    ours.recv()  # what it loads is not loaded while the stream runs
    with LiveHost(LiveSettings(Path("probe.png")), opened) as host:
        seen = asyncio.run(_watch(host, seconds, link, browser, ours))
    flashes = [one for one in seen.flashes if one[0] < seen.stalled_s]
    settled = [one for one in seen.flashes if one[0] > seen.stall_ended_s + SETTLED_S]
    waits = []
    for at_s, _ in flashes:
        asked = [one for one in seen.pushed if one < at_s]
        waits += [(at_s, 1000 * (at_s - one)) for one in asked[-1:]]
    skews, later = (_skews_ms(some, seen.beeps, marked[0].offsets_s) for some in (flashes, settled))
    times = np.array([at_s for at_s, _ in seen.pictures])
    steps = np.diff(np.unwrap([number for _, number in seen.pictures], period=NUMBERS))
    gaps, late = np.diff(times), times[1:] > times[0] + FIRST_S
    missing = (steps - 1).clip(0)
    at = [at_s for at_s, count in zip(times[1:].tolist(), missing) for _ in range(int(count))]
    return {
        "flashes": len(seen.flashes),
        "beeps": len(seen.beeps),
        "latency_p50_ms": _share([one for _, one in waits], 50),
        "latency_p99_ms": _share([one for _, one in waits], 99),
        "latency_by_minute_ms": by_minute(*_columns(waits), seen.begun_s),
        "skew_p1_p50_p99_ms": [_share([one for _, one in skews], share) for share in (1, 50, 99)],
        "skew_by_minute_ms": by_minute(*_columns(skews), seen.begun_s),
        "skews_beyond_40_ms": sum(abs(one) > MOST_SKEW_MS for _, one in skews),
        "skewed_at_s_by_ms": [
            (round(at_s - seen.begun_s, 1), round(one))
            for at_s, one in skews
            if abs(one) > MOST_SKEW_MS
        ][:MOST_TOLD],
        "pictures": len(seen.pictures),
        "missing": int(missing.sum()),
        "missing_after_first_second": int(missing[late].sum()),
        "missing_at_s": sorted({round(at_s - seen.begun_s, 1) for at_s in at})[:MOST_TOLD],
        "missing_seen_by_minute": np.bincount(
            [int(max(0.0, at_s - seen.begun_s) // MINUTE_S) for at_s in at]
        ).tolist(),
        "repeated": int((steps <= 0).sum()),
        "longest_gap_after_first_second_ms": round(1000 * float(gaps[late].max(initial=0.0))),
        "sound_lost_s": seen.sound_lost_s,
        "recovered_s": round(seen.recovered_s - seen.stall_ended_s, 2),
        "skew_after_stall_ms": _share([one for _, one in later], 50),
        "interrupted_sound_ended_ms": seen.interrupted_ms,
        **seen.minutes.figures(),
    }


def _columns(rows: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [one for one, _ in rows], [one for _, one in rows]


def _skews_ms(
    flashes: list, beeps: list[float], offsets_s: dict[int, float]
) -> list[tuple[float, float]]:
    """Return when flashes came, and by how much the sounds that belong to them come later."""
    skews = []
    for at_s, number in flashes:
        shift_s = BUFFERED_S + offsets_s.get(number, 0.0) + at_s
        nearest = min((one - shift_s for one in beeps), key=abs, default=EVERY_S)
        skews += [(at_s, 1000 * nearest)] if abs(nearest) < EVERY_S / 2 else []
    return skews


@dataclass
class _Seen:
    """What a browser saw, by the clock of this machine, and what was done meanwhile.

    Attributes:
        begun_s: when it had its first picture.
        pushed, beeps: when sounds were pushed and heard.
        flashes, pictures: when they came, and the number of the picture; pictures before the stall.
        stalled_s, stall_ended_s: between which nothing was sent.
        recovered_s: when a picture came again that was not old.
        interrupted_ms: after which the sound ended, less what waited at the viewer.
        sound_lost_s: of the sound of the whole time before the stall.
    """

    minutes: Minutes
    begun_s: float
    pushed: list[float] = field(default_factory=list)
    beeps: list[float] = field(default_factory=list)
    flashes: list[tuple[float, int]] = field(default_factory=list)
    pictures: list[tuple[float, int]] = field(default_factory=list)
    stalled_s: float = math.inf
    stall_ended_s: float = math.inf
    recovered_s: float = math.inf
    interrupted_ms: list[int] = field(default_factory=list)
    sound_lost_s: float = 0.0


async def _watch(
    host: LiveHost, seconds: float, link: Link | None, browser: Any, ours: Any
) -> _Seen:
    """Beep for some time, let the network stand still, and interrupt."""
    peers = Peers(host)
    if link is not None:
        link.join(browser.pid)
    ours.send("joined")
    _, answer = await peers.connect(await asyncio.to_thread(ours.recv))
    ours.send(answer)
    await asyncio.to_thread(ours.recv)  # the first picture
    seen = _Seen(Minutes([host._pacer], browser.pid), time.monotonic())
    speaking = asyncio.ensure_future(_beep(host, seen.pushed))
    until_s = seen.begun_s + seconds
    while (left_s := until_s - time.monotonic()) > 0:
        await asyncio.sleep(min(MINUTE_S, left_s))
        seen.minutes.note()
    seen.stalled_s = time.monotonic()
    if link is None:
        time.sleep(STALL_S)  # nothing is sent meanwhile
    else:
        await link.stall(STALL_S)
    seen.stall_ended_s = time.monotonic()
    await asyncio.sleep((2 * SETTLED_S + 3 * EVERY_S) * (1 if link is None else 2))
    speaking.cancel()
    interrupted_s = [await _interrupt(host, 0.01 * turn) for turn in range(INTERRUPTIONS)]
    ours.send("end")
    pictures, sounds = await asyncio.to_thread(ours.recv)
    await peers.close()
    browser.join()
    # aiortc hands on a picture when the first packet of the next one comes: that is when each came.
    seen.flashes = [(a[0], b[1]) for a, b in itertools.pairwise(pictures) if b[2] and not a[2]]
    seen.beeps = [b[0] for a, b in itertools.pairwise(sounds) if b[1] and not a[1]]
    seen.pictures = [(at_s, number) for at_s, number, _ in pictures if at_s < seen.stalled_s]
    newest = seen.pictures[-1][1] + (seen.stall_ended_s - seen.stalled_s) * host.settings.fps
    now = [at_s for at_s, number, _ in pictures if number >= newest % NUMBERS]
    seen.recovered_s = next((at_s for at_s in now if at_s > seen.stalled_s), math.inf)
    for begun_s in interrupted_s:
        loud = [at_s for at_s, is_loud in sounds if is_loud and begun_s < at_s < begun_s + AFTER_S]
        ended_s = max(loud, default=begun_s) + CHUNK_S - BUFFERED_S
        seen.interrupted_ms.append(round(1000 * max(0.0, ended_s - begun_s)))
    before = [at_s for at_s, _ in sounds if at_s < seen.stalled_s]
    if len(before) > 1:
        lost_s = before[-1] - before[0] - CHUNK_S * (len(before) - 1)
        seen.sound_lost_s = round(lost_s, 2)
    return seen


async def _interrupt(host: LiveHost, later_s: float) -> float:
    """Interrupt a tone while it is heard, so much later; return when."""
    host.interrupt()
    at = np.arange(round(TONE_S * RATE)) / RATE
    host.hear(BEEP_LEVEL * np.sin(2 * np.pi * 1000 * at).astype(np.float32), RATE)
    await asyncio.sleep(BEFORE_S + later_s)
    interrupted_s = time.monotonic()
    host.interrupt()
    await asyncio.sleep(AFTER_S)
    return interrupted_s


def _browse(connection: Any, far: bool) -> None:
    """Look on, in a process of its own, as a browser is; clocks of both are the same.

    Args:
        far: in a network of its own, too.
    """
    if far:
        leave()
    connection.send("there")
    connection.recv()
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
