"""How a stream keeps time: `make bench-live`, or `python tests/bench_live.py --help`.

A speaker pushes a voice in chunks of 20 ms as it is spoken, with a click twice a second; a reader
makes frames a few ahead; a player takes one whenever it is due. Latency is from the push of a click
to the moment at which it is heard. A frame that is not there when it is due is late, and the one
before it is repeated; none is ever dropped.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import threading
import time
from pathlib import Path

import numpy as np

import skyreels_avatar as sa

EXAMPLES = Path(__file__).resolve().parents[1] / "assets" / "examples"
CHUNK_S = 0.02
CLICK_EVERY_S, CLICK_S, CLICK_LEVEL = 0.5, 0.001, 0.95
VOICE_LEVEL = 0.5  # of the peaks, so that clicks are found


def main() -> None:
    """Run a stream as the command line asks and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--image", default=str(EXAMPLES / "portrait.png"))
    parser.add_argument("--voice", default=str(EXAMPLES / "speech.wav"))
    parser.add_argument("--size", default="384x384")
    parser.add_argument("--camera", default=None)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--ahead", type=int, default=3, help="frames that wait for the player")
    parser.add_argument("--tier", default="nano")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


def measure(options: argparse.Namespace) -> dict:
    """Return the figures of one run."""
    start = time.perf_counter()
    avatar = sa.prepare_avatar(options.image, size=options.size, tier=options.tier)
    prepared = time.perf_counter()
    stream = sa.open_stream(avatar, camera=options.camera, tier=options.tier)
    opened = time.perf_counter()
    stream.read()
    first = time.perf_counter()
    seconds = 60 * options.minutes
    pushed: dict[int, float] = {}
    frames: queue.Queue = queue.Queue(options.ahead)
    over = threading.Event()
    speaker = threading.Thread(
        target=_speak, args=(stream, _voice(options.voice), seconds, pushed), daemon=True
    )
    reader = threading.Thread(target=_read, args=(stream, frames, over), daemon=True)
    memory, used = [_memory_mb()], time.process_time()
    reader.start()
    time.sleep(options.ahead / stream.fps)
    speaker.start()
    heard: list[tuple[float, float]] = []
    late, steps = 0, round(seconds * stream.fps)
    begun = time.perf_counter()
    for step in range(steps):
        due = begun + step / stream.fps
        time.sleep(max(0.0, due - time.perf_counter()))
        waited = frames.empty()
        frame = frames.get()
        if waited:
            late += 1
            begun += max(0.0, time.perf_counter() - due)
        shown = time.perf_counter()
        for at in np.flatnonzero(frame.audio > 0.8)[:1]:
            offset = float(at) / frame.sample_rate
            heard.append((frame.time_s + offset, shown + offset))
        if step % round(10 * stream.fps) == 0:
            memory.append(_memory_mb())
    used = time.process_time() - used
    over.set()
    for thread in (reader, speaker):
        thread.join()
    stats = stream.stats()
    latencies = _latencies(pushed, heard)
    return {
        "size": stream.avatar.size,
        "camera": options.camera or "static",
        "frames": steps,
        "late_and_repeated": late,
        "dropped": 0,
        "core_ms_per_frame": round(1000 * used / steps, 1),
        "core_ms_by_stage": {name: round(value, 1) for name, value in stats.core_ms.items()},
        "latency_p50_ms": round(1000 * float(np.percentile(latencies, 50))),
        "latency_p99_ms": round(1000 * float(np.percentile(latencies, 99))),
        "prepare_s": round(prepared - start, 2),
        "open_s": round(opened - prepared, 2),
        "first_frame_s": round(first - opened, 2),
        "memory_mb": [round(memory[min(1, len(memory) - 1)]), round(memory[-1])],
    }


def show(figures: dict) -> None:
    """Print figures, one a line."""
    for name, value in figures.items():
        sys.stdout.write(f"{name.replace('_', ' '):20} {value}\n")


def _voice(path: str) -> np.ndarray:
    """Return a voice at 16 kHz with clicks in it."""
    voice = sa.AudioTrack.load(path).mono().resampled(16000).samples
    voice = VOICE_LEVEL * voice / max(1e-6, float(np.abs(voice).max()))
    every = round(CLICK_EVERY_S * 16000)
    voice = np.pad(voice, (0, -len(voice) % every)).astype(np.float32)
    for start in range(0, len(voice), every):
        voice[start : start + round(CLICK_S * 16000)] = CLICK_LEVEL
    return voice


def _speak(stream, voice: np.ndarray, seconds: float, pushed: dict[int, float]) -> None:
    size, begun = round(CHUNK_S * 16000), time.perf_counter()
    for index in range(int(seconds / CHUNK_S)):
        time.sleep(max(0.0, begun + index * CHUNK_S - time.perf_counter()))
        start = index * size % len(voice)
        chunk = np.take(voice, np.arange(start, start + size), mode="wrap")
        if chunk.max() > 0.8:
            pushed[len(pushed)] = time.perf_counter() + int(chunk.argmax()) / 16000 - CHUNK_S
        try:
            stream.push(chunk, 16000)
        except sa.AvatarError:
            return


def _read(stream, frames: queue.Queue, over: threading.Event) -> None:
    while not over.is_set():
        frame = stream.read()
        while not over.is_set():
            try:
                frames.put(frame, timeout=0.1)
                break
            except queue.Full:
                continue
    stream.close()


def _latencies(pushed: dict[int, float], heard: list[tuple[float, float]]) -> list[float]:
    """Return seconds from each push of a click to its sound; a click in two frames counts once.

    Args:
        heard: seconds of the stream, and of the clock.
    """
    times, before = [], -1.0
    for place, shown in heard:
        if place - before > CLICK_EVERY_S / 2:
            times.append(shown)
        before = place
    return [h - p for p, h in zip(pushed.values(), times)] or [float("nan")]


def _memory_mb() -> float:
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0.0
    for line in status.read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
