"""How a stream keeps time: `make bench-live`, or `python tests/bench_live.py --help`.

A speaker pushes a voice in chunks of 20 ms as it is spoken, with a click twice a second; the pacer
that feeds viewers hands out each frame when it is due. Latency is from the push of a click to the
moment at which it is heard. A frame that is handed out half a frame or more after its time is late;
a picture that is left out, where the machine is too slow, is repeated; none is ever dropped.
In the end somebody interrupts, and the pictures tell when the lips are shut.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from array import array
from pathlib import Path

import numpy as np
import torch

import skyreels_avatar as sa
from skyreels_avatar.apps.live.host import open_streams
from skyreels_avatar.apps.live.pacer import Pacer, keep_what_is_there
from skyreels_avatar.faces.select import find_faces
from skyreels_avatar.faces.start import face_analyzer
from skyreels_avatar.rig.geometry import FaceFrame, lip_gap
from tests.live_minutes import Minutes, by_minute

EXAMPLES = Path(__file__).resolve().parents[1] / "assets" / "examples"
CHUNK_S = 0.02
CLICK_EVERY_S, CLICK_S, CLICK_LEVEL = 0.5, 0.001, 0.95
VOICE_LEVEL = 0.5  # of the peaks, so that clicks are found
SHUT_GAP = 0.010  # / face height, over that of the picture
INTERRUPTIONS, WATCHED_FRAMES = 3, 12
FIRST_S = 1.0  # in which a stream may look for its rate


def main() -> None:
    """Run streams as the command line asks and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--image", default=str(EXAMPLES / "portrait.png"), help="or an avatar")
    parser.add_argument("--voice", default=str(EXAMPLES / "speech.wav"))
    parser.add_argument("--size", default="384x384")
    parser.add_argument("--camera", default=None)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--streams", type=int, default=1, help="at once")
    parser.add_argument("--tier", default="nano")
    parser.add_argument("--probe", action="store_true", help="look on from outside, over WebRTC")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = look_on(options) if options.probe else measure(options)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


def look_on(options: argparse.Namespace) -> dict:
    """Return what a browser sees: see `probe_live`."""
    from tests.probe_live import probe  # needs the extra live

    avatar = _avatar(options)

    def open_stream(*_, **given):
        return open_streams()(avatar, camera=options.camera, tier=options.tier)

    return {"size": avatar.size, **probe(open_stream, 60 * options.minutes)}


def measure(options: argparse.Namespace) -> dict:
    """Return the figures of one run; those of several streams as lists."""
    start = time.perf_counter()
    avatar = _avatar(options)
    prepared = time.perf_counter()
    runs = [Run(avatar, options, number) for number in range(options.streams)]
    opened = time.perf_counter()
    keep_what_is_there()
    voice, minutes = _voice(options.voice), Minutes([run.pacer for run in runs])
    begun = time.perf_counter()
    for run in runs:
        run.start(voice)
    while not all(run.player.times for run in runs):
        time.sleep(CHUNK_S)
    minutes.wait(max(0.1, begun + 60 * options.minutes - time.perf_counter()))
    each = [run.figures() for run in runs]
    several = each[0] if len(each) == 1 else {name: [one[name] for one in each] for name in each[0]}
    interrupted_ms = runs[0].interrupt(voice) if len(runs) == 1 else []
    for run in runs:
        run.stop()
    return {
        "size": avatar.size,
        "camera": options.camera or "static",
        **several,
        "interrupted_ms": interrupted_ms,
        "prepare_s": round(prepared - start, 2),
        "open_s": round((opened - prepared) / len(runs), 2),
        **minutes.figures(),
    }


class Player:
    """A viewer that keeps when frames came.

    Attributes:
        times, indices: of the frames.
        repeated: the times of those that had no picture.
        heard: seconds of the stream and of the clock at which clicks were heard.
        pictures: the last ones, and when they came.
    """

    def __init__(self):
        self.times, self.indices, self.repeated = array("d"), array("q"), array("d")
        self.heard: list[tuple[float, float]] = []
        self.pictures: list[tuple[float, np.ndarray]] = []

    def put(self, frame) -> None:
        """Take a frame."""
        now = time.perf_counter()
        self.times.append(now)
        self.indices.append(frame.index)
        if frame.image is None:
            self.repeated.append(now)
        else:
            self.pictures = [*self.pictures[1 - WATCHED_FRAMES :], (now, frame.image)]
        for at in np.flatnonzero(frame.audio > 0.8)[:1]:
            offset = float(at) / frame.sample_rate
            self.heard.append((frame.time_s + offset, now + offset))


class Run:
    """A stream, its pacer, who speaks and who looks on.

    Attributes:
        pacer, player: who hands out frames, and who takes them.
    """

    def __init__(self, avatar: sa.Avatar, options: argparse.Namespace, seed: int):
        self._seconds = 60 * options.minutes
        self._stream = open_streams()(avatar, camera=options.camera, tier=options.tier, seed=seed)
        self.pacer, self.player = Pacer(self._stream, self._stream.fps), Player()
        self.pacer.add(self.player)
        self._pushed: list[float] = []

    def start(self, voice: np.ndarray) -> None:
        """Let somebody speak."""
        self._begun = time.perf_counter()
        arguments = self._stream, voice, self._seconds, self._pushed
        self._speaker = threading.Thread(target=_speak, args=arguments, daemon=True)
        self.pacer.start()
        self._speaker.start()

    def figures(self) -> dict:
        """Return what was seen so far."""
        player, counts, stats = self.player, self.pacer.counts(), self._stream.stats()
        times, indices, fps = np.array(player.times), np.array(player.indices), self._stream.fps
        gaps, settled = np.diff(times), times[1:] > times[0] + FIRST_S
        latencies = _latencies(self._pushed, player.heard)
        percentiles = _percentiles_ms([passed for _, passed in latencies])
        pushed, passed = [one for one, _ in latencies], [1000 * one for _, one in latencies]
        return {
            "frames": len(times),
            "late": int((gaps > 1.5 / fps).sum()),
            "late_after_first_second": int((gaps > 1.5 / fps)[settled].sum()),
            "longest_gap_ms": round(1000 * float(gaps.max(initial=0.0))),
            "longest_gap_after_first_second_ms": round(1000 * float(gaps[settled].max(initial=0))),
            "repeated": len(player.repeated),
            "repeated_after_first_second": sum(
                at > float(times[0]) + FIRST_S for at in player.repeated
            ),
            "dropped": int((np.diff(indices) != 1).sum()),
            "restarts": counts["restarts"],
            "picture_fps": round(self.pacer.picture_fps, 1),
            "first_frame_s": round(times[0] - self._begun, 2),
            "latency_p50_ms": percentiles[50],
            "latency_p99_ms": percentiles[99],
            "latency_by_minute_ms": by_minute(pushed, passed, self._begun),
            "core_ms_by_stage": {name: round(ms, 1) for name, ms in stats.core_ms.items()},
        }

    def interrupt(self, voice: np.ndarray) -> list[int | None]:
        """Interrupt a few times; return after how many milliseconds the lips were shut."""
        self._speaker.join()
        watched = []
        for _ in range(INTERRUPTIONS):
            self._stream.push(voice[: 16000 * 3], 16000)
            time.sleep(1.7)
            start = time.perf_counter()
            self.pacer.interrupt()
            time.sleep(WATCHED_FRAMES / self._stream.fps)
            watched.append((self.player.pictures, start))
        return [_shut_after_ms(*seen, self._stream.avatar) for seen in watched]

    def stop(self) -> None:
        """End."""
        self.pacer.stop()
        self._stream.close()
        self._speaker.join()


def show(figures: dict) -> None:
    """Print figures, one a line."""
    for name, value in figures.items():
        sys.stdout.write(f"{name.replace('_', ' '):20} {value}\n")


def _avatar(options: argparse.Namespace) -> sa.Avatar:
    if options.image.endswith(".avatar"):
        return sa.load_avatar(options.image)
    return sa.prepare_avatar(options.image, size=options.size, tier=options.tier)


def _voice(path: str) -> np.ndarray:
    """Return a voice at 16 kHz with clicks in it."""
    voice = sa.AudioTrack.load(path).mono().resampled(16000).samples
    voice = VOICE_LEVEL * voice / max(1e-6, float(np.abs(voice).max()))
    every = round(CLICK_EVERY_S * 16000)
    voice = np.pad(voice, (0, -len(voice) % every)).astype(np.float32)
    for start in range(0, len(voice), every):
        voice[start : start + round(CLICK_S * 16000)] = CLICK_LEVEL
    return voice


def _speak(stream, voice: np.ndarray, seconds: float, pushed: list[float]) -> None:
    size, begun = round(CHUNK_S * 16000), time.perf_counter()
    for index in range(int(seconds / CHUNK_S)):
        time.sleep(max(0.0, begun + index * CHUNK_S - time.perf_counter()))
        start = index * size % len(voice)
        chunk = np.take(voice, np.arange(start, start + size), mode="wrap")
        if chunk.max() > 0.8:
            pushed.append(time.perf_counter() + int(chunk.argmax()) / 16000 - CHUNK_S)
        try:
            stream.push(chunk, 16000)
        except sa.AvatarError:
            return


def _latencies(pushed: list[float], heard: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return pushes of clicks, and seconds until each was heard; one in two frames counts once.

    Args:
        heard: seconds of the stream, and of the clock.
    """
    times, before = [], -1.0
    for place, shown in heard:
        if place - before > CLICK_EVERY_S / 2:
            times.append(shown)
        before = place
    return [(p, h - p) for p, h in zip(pushed, times)]


def _percentiles_ms(seconds: list[float]) -> dict[int, int | None]:
    if not seconds:  # nothing was heard
        return {50: None, 99: None}
    return {share: round(1000 * float(np.percentile(seconds, share))) for share in (50, 99)}


def _shut_after_ms(
    pictures: list[tuple[float, np.ndarray]], start: float, avatar: sa.Avatar
) -> int | None:
    """Return after how many milliseconds lips are shut and stay so; None: they do not."""
    rest = _lip_gap(avatar.picture)
    open_at = [at for at, picture in pictures if _lip_gap(picture) > rest + SHUT_GAP]
    shut_at = [at for at, _ in pictures if at > max([start, *open_at])]
    return round(1000 * (shut_at[0] - start)) if shut_at else None


def _lip_gap(pixels: np.ndarray) -> float:
    (face,) = find_faces(pixels, ["auto"], face_analyzer())
    return float(lip_gap(FaceFrame.of(torch.from_numpy(face.landmarks)[None]).points)[0])


if __name__ == "__main__":
    main()
