"""Banks of natural utterances: clean sound with phoneme times, made once, cut into many tracks.

A bank is one npz file: the samples of its utterances end to end, and a JSON line for each with its
speaker, language and phonemes. Bank i depends on (seed, prefix, i) alone, so that a killed run goes
on where it was.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.speech import Phone
from train.data.simulate.kokoro import HELD_OUT, VOICE_LANGUAGES, Kokoro
from train.data.simulate.speech import (
    LANGUAGES,
    SAMPLE_RATE,
    Speech,
    draw_pause,
    draw_start,
    make_text,
    stretch,
)  # fmt: skip

logger = logging.getLogger(__name__)

SPEAKERS_PER_BANK = 5
UTTERANCES_PER_SPEAKER = 6
_LABIALS = frozenset("pbmfvwou")
_OWN_LANGUAGE_SHARE, _MIXED_SHARE = 0.75, 0.4
_LEVEL = 0.08  # rms of an utterance


@dataclass(frozen=True)
class Utterance:
    """One sentence of one speaker: samples (S,) int16 at 16 kHz, and its phonemes."""

    samples: np.ndarray
    phones: tuple[Phone, ...]
    speaker: str
    language: str


def make_banks(folder: Path, prefix: str, count: int, seed: int, kokoro: Path) -> None:
    """Write the banks `prefix`-NNN.npz that are missing, of voices that training may hear.

    Args:
        prefix: "spoken"; with "spoken-held" only the voices that are kept back speak.
        kokoro: folder of the voices.
    """
    engine = None
    for index in range(count):
        path = Path(folder) / f"{prefix}-{index:03d}.npz"
        if path.exists():
            continue
        engine = engine or Kokoro(kokoro)
        start = time.monotonic()
        rng = np.random.default_rng([seed, index, sum(prefix.encode())])
        said = [
            utterance
            for _ in range(SPEAKERS_PER_BANK)
            for utterance in _speaker(engine, rng, held_out=prefix.endswith("held"))
        ]
        write_bank(path, said)
        spoken_s = sum(len(utterance.samples) for utterance in said) / 16000
        logger.info("%s: %.0f s of speech in %.0f s", path, spoken_s, time.monotonic() - start)


def write_bank(path: Path, utterances: list[Utterance]) -> None:
    """Write utterances as one npz, whole or not at all."""
    lines = [
        json.dumps(
            {
                "speaker": said.speaker,
                "language": said.language,
                "phones": [[p.ipa, round(p.start_s, 4), round(p.end_s, 4)] for p in said.phones],
            }
        )
        for said in utterances
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.part.npz")
    np.savez(
        partial,
        samples=np.concatenate([said.samples for said in utterances]),
        lengths=np.array([len(said.samples) for said in utterances]),
        lines=np.array(lines),
    )
    os.replace(partial, path)


def read_banks(folder: Path, prefix: str) -> list[Utterance]:
    """Return all utterances of the banks `prefix`-NNN.npz in a folder.

    Raises:
        InputError: there are none yet.
    """
    paths = sorted(Path(folder).glob(f"{prefix}-[0-9][0-9][0-9].npz"))
    if not paths:
        raise InputError(
            f"no banks {prefix}-NNN.npz in {folder}; make them with: python -m train voices"
        )
    found = []
    for path in paths:
        bank = np.load(path)
        pieces = np.split(bank["samples"], np.cumsum(bank["lengths"])[:-1])
        for samples, line in zip(pieces, bank["lines"]):
            said = json.loads(str(line))
            phones = tuple(Phone(ipa, start_s, end_s) for ipa, start_s, end_s in said["phones"])
            found.append(Utterance(samples, phones, said["speaker"], said["language"]))
    return found


def by_speaker(utterances: list[Utterance]) -> dict[str, list[Utterance]]:
    """Return the utterances of each speaker in each language."""
    found: dict[str, list[Utterance]] = {}
    for said in utterances:
        found.setdefault(f"{said.speaker} {said.language}", []).append(said)
    return found


def join_utterances(said: list[Utterance], duration_s: float, rng: np.random.Generator) -> Speech:
    """Return utterances of one speaker in random order, with pauses, at a speed and level each.

    Some begin in the middle, as cut videos do. The whole track is played faster or slower by up to
    a tenth, which gives other talkers.
    """
    samples = np.zeros(int(duration_s * SAMPLE_RATE), np.float32)
    phones: list[Phone] = []
    factor = rng.uniform(0.9, 1.11)
    time_s = draw_start(rng)
    if rng.random() < 0.3:
        time_s -= rng.uniform(0.3, 1.5)
    while time_s < duration_s - 0.3:
        utterance = said[rng.integers(len(said))]
        clean = utterance.samples.astype(np.float32) / 32768
        spoken, spoken_phones = stretch(clean, utterance.phones, factor * rng.uniform(0.97, 1.03))
        start = int(time_s * SAMPLE_RATE)
        skipped = max(-start, 0)
        piece = spoken[skipped : len(samples) - start]
        first = max(start, 0)
        samples[first : first + len(piece)] += rng.uniform(0.6, 1.3) * piece
        phones += [Phone(p.ipa, p.start_s + time_s, p.end_s + time_s) for p in spoken_phones]
        time_s += len(spoken) / SAMPLE_RATE + 0.5 * draw_pause(rng)
    kept = tuple(
        Phone(p.ipa, max(p.start_s, 0.0), p.end_s)
        for p in phones
        if p.end_s > 0 and p.start_s < duration_s
    )
    return Speech(samples, kept, said[0].language, said[0].speaker)


def _speaker(engine: Kokoro, rng: np.random.Generator, held_out: bool) -> list[Utterance]:
    """Return what one speaker says: a voice or a mixture of two, in one language."""
    languages = list(LANGUAGES)
    shares = np.array([LANGUAGES[language][1] for language in languages])
    language = languages[rng.choice(len(languages), p=shares / shares.sum())]
    names = [name for name in engine.styles if (name in HELD_OUT) == held_out]
    own = [name for name in names if language in VOICE_LANGUAGES[name[0]]]
    choices = own if own and rng.random() < _OWN_LANGUAGE_SHARE else names
    first = choices[rng.integers(len(choices))]
    voices = {first: 1.0}
    if rng.random() < _MIXED_SHARE and not held_out:
        second = names[rng.integers(len(names))]
        weight = rng.uniform(0.2, 0.5)
        voices = {first: 1.0} if first == second else {first: 1 - weight, second: weight}
    style, label = engine.style(voices), "+".join(sorted(voices))
    tempo = rng.uniform(0.85, 1.2)
    said = []
    for _ in range(UTTERANCES_PER_SPEAKER):
        texts = [make_text(language, rng) for _ in range(2)]
        text = max(texts, key=_labial_share)
        speed = float(np.clip(tempo * rng.uniform(0.93, 1.07), 0.8, 1.25))
        samples, phones = engine.say(text, language, style, speed, rng)
        if not phones:
            continue
        level = np.sqrt((samples.astype(np.float64) ** 2).mean()) + 1e-6
        scaled = np.clip(samples * (_LEVEL / level), -1, 1)
        said.append(Utterance((scaled * 32767).astype(np.int16), tuple(phones), label, language))
    return said


def _labial_share(text: str) -> float:
    """Return how many of the letters are p, b, m, f, v, w, o or u; short texts count less."""
    letters = [letter for letter in text.lower() if letter.isalpha()]
    return sum(letter in _LABIALS for letter in letters) / (len(letters) + 8)
