"""The cache of speech tracks: what the networks hear, and what the mouth does, without pixels.

A track is eight seconds of one voice (or of GRID clips end to end). Shards are plain npz files of
float16 arrays in a git-ignored folder; they are made once by the stage `corpus`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.models.audio_encoder import log_mel
from train.data.clips import GridClip
from train.data.simulate.articulation import FPS, accents, mouth_numbers
from train.data.simulate.augment import augment
from train.data.simulate.speech import SAMPLE_RATE, Speech, make_speech
from train.data.spoken import Utterance, join_utterances

logger = logging.getLogger(__name__)

TRACK_FRAMES = 200
MEL_PER_FRAME = 4
_FIELDS = ("mel", "mouth", "stress", "active")


@dataclass(frozen=True)
class Tracks:
    """N tracks of F = 200 frames.

    Args:
        mel: (N, 4 F, 80) float16 log-mel. mouth: (N, F, 8) float16 mouth coefficients.
        stress, active: (N, F) float16 syllable pulses, and 1 where someone speaks.
    """

    mel: np.ndarray
    mouth: np.ndarray
    stress: np.ndarray
    active: np.ndarray

    def __len__(self) -> int:
        return len(self.mel)


def synthetic_track(rng: np.random.Generator, voices: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the arrays of one simulated track."""
    return _spoken_track(make_speech(TRACK_FRAMES / FPS, rng, voices), rng)


def natural_track(
    rng: np.random.Generator, speakers: dict[str, list[Utterance]], degrade: bool = True
) -> dict[str, np.ndarray]:
    """Return the arrays of one track of a natural voice; `degrade` adds rooms, noise and music.

    Args:
        speakers: utterances by speaker and language, see `by_speaker`.
    """
    names = sorted(speakers)
    said = speakers[names[rng.integers(len(names))]]
    return _spoken_track(join_utterances(said, TRACK_FRAMES / FPS, rng), rng, degrade)


def _spoken_track(
    speech: Speech, rng: np.random.Generator, degrade: bool = True
) -> dict[str, np.ndarray]:
    strength = float(np.clip(np.exp(rng.normal(0, 0.08)), 0.85, 1.2))  # style.py does the rest
    mouth = mouth_numbers(speech.phones, TRACK_FRAMES, rng, strength)
    pulses = accents(speech.phones, TRACK_FRAMES)
    return {
        "mel": _hear(augment(speech.samples, rng) if degrade else speech.samples),
        "mouth": mouth,
        "stress": pulses[:, 0],
        "active": pulses[:, 1],
    }


def real_track(
    clips: list[GridClip], rng: np.random.Generator, degrade: bool = True
) -> dict[str, np.ndarray]:
    """Return the arrays of GRID clips end to end; `degrade` changes speed, sound and amplitude."""
    speed = rng.uniform(0.85, 1.18) if degrade else 1.0
    samples, mouth, pulses = [], [], []
    while sum(map(len, mouth)) < TRACK_FRAMES:
        clip = clips[rng.integers(len(clips))]
        count = round(75 * speed)
        places = np.linspace(0, 74, count)
        samples.append(_resampled(clip.samples, int(count / FPS * SAMPLE_RATE)))
        columns = [clip.stress, clip.active, *clip.mouth.T]
        moved = np.stack([np.interp(places, np.arange(75), column) for column in columns], 1)
        pulses.append(moved[:, :2])
        mouth.append(moved[:, 2:])
    track_mouth = np.concatenate(mouth)[:TRACK_FRAMES]
    if degrade:
        track_mouth[:, [0, 1, 4]] *= rng.uniform(0.9, 1.1)
    sound = np.concatenate(samples)[: int(TRACK_FRAMES / FPS * SAMPLE_RATE)]
    both = np.concatenate(pulses)[:TRACK_FRAMES]
    return {
        "mel": _hear(augment(sound, rng) if degrade else sound),
        "mouth": track_mouth,
        "stress": both[:, 0],
        "active": both[:, 1],
    }


def write_shard(path: Path, tracks: list[dict[str, np.ndarray]]) -> None:
    """Write tracks as one npz, whole or not at all."""
    arrays = {key: np.stack([t[key] for t in tracks]).astype(np.float16) for key in _FIELDS}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
    np.savez(partial, **arrays)
    os.replace(partial, path)


def read_shards(folder: Path, prefix: str) -> Tracks:
    """Return all tracks of the shards `prefix`-*.npz in a folder.

    Raises:
        InputError: there are none yet.
    """
    paths = sorted(p for p in Path(folder).glob(f"{prefix}-*.npz") if ".part" not in p.name)
    if not paths:
        raise InputError(
            f"no shards {prefix}-*.npz in {folder}; make them with: python -m train corpus"
        )
    shards = [np.load(path) for path in paths]
    return Tracks(**{key: np.concatenate([shard[key] for shard in shards]) for key in _FIELDS})


def make_shards(
    folder: Path,
    prefix: str,
    num_shards: int,
    tracks_per_shard: int,
    seed: int,
    make_track: Callable[[np.random.Generator], dict[str, np.ndarray]],
) -> None:
    """Make the shards that are still missing, track by track.

    Shard i depends on (seed, prefix, i) alone, so a killed run continues where it was.
    """
    for index in range(num_shards):
        path = Path(folder) / f"{prefix}-{index:03d}.npz"
        if path.exists():
            continue
        start = time.monotonic()
        rng = np.random.default_rng([seed, index, sum(prefix.encode())])
        tracks = [make_track(rng) for _ in range(tracks_per_shard)]
        write_shard(path, tracks)
        logger.info("%s: %d tracks in %.0f s", path, len(tracks), time.monotonic() - start)


def _hear(samples: np.ndarray) -> np.ndarray:
    track = AudioTrack(samples, SAMPLE_RATE).normalized()
    return log_mel(track.samples)[: TRACK_FRAMES * MEL_PER_FRAME].numpy()


def _resampled(samples: np.ndarray, length: int) -> np.ndarray:
    if length == len(samples):
        return samples
    places = np.linspace(0, len(samples) - 1, length)
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
