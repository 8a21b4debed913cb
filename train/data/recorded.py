"""Banks of people who really spoke: recordings, and the phonemes that are heard in them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from skyreels_avatar.errors import InputError, MediaError
from skyreels_avatar.media.audio import AudioTrack
from train.data.heard import heard_phones, with_stress
from train.data.held_back import as_utterance, at_16k
from train.data.spoken import Utterance, write_bank

logger = logging.getLogger(__name__)

SUFFIXES = {".flac", ".wav", ".mp3", ".m4a", ".ogg", ".mp4", ".webm", ".mov"}
UTTERANCES_PER_BANK = 30
HELD_BACK_EVERY = 9  # of the recordings one is only listened to for validation
_SLOWEST, _FASTEST = 5.0, 22.0  # phonemes a second: outside, nobody speaks, or not English


def make_recorded(folder: Path, recordings: Path) -> None:
    """Write the banks `recorded-NNN.npz` of all recordings in a folder that are speech.

    One in nine goes into `recorded-held-NNN.npz` and is never learnt from. Nothing is done where
    there are banks already.

    Raises:
        InputError: no recording is there, or in none does anybody speak.
    """
    if any(folder.glob("recorded-[0-9]*.npz")):
        return
    paths = sorted(p for p in recordings.rglob("*") if p.suffix.lower() in SUFFIXES)
    said = list(_heard(paths))
    if not said:
        raise InputError(f"no recording of speech among {len(paths)} files of {recordings}")
    learnt = [one for index, one in enumerate(said) if (index + 1) % HELD_BACK_EVERY]
    held = said[HELD_BACK_EVERY - 1 :: HELD_BACK_EVERY]
    for prefix, some in (("recorded-held", held), ("recorded", learnt)):
        for index, first in enumerate(range(0, len(some), UTTERANCES_PER_BANK)):
            path = folder / f"{prefix}-{index:03d}.npz"
            write_bank(path, some[first : first + UTTERANCES_PER_BANK])
    spoken_s = sum(len(one.samples) for one in said) / 16000
    logger.info("%d of %d recordings, %.0f s of speech", len(said), len(paths), spoken_s)


def _heard(paths: list[Path]) -> Iterator[Utterance]:
    for path in paths:
        try:
            track = AudioTrack.load(path)
        except MediaError as error:
            logger.warning("%s is left out: %s", path, error)
            continue
        samples = at_16k(track.samples, track.sample_rate)
        phones = with_stress(heard_phones(samples), samples)
        if not phones:
            continue
        pace = len(phones) / max(phones[-1].end_s - phones[0].start_s, 0.5)
        if len(phones) >= 8 and _SLOWEST <= pace <= _FASTEST:
            yield as_utterance(samples, phones, path.stem, "en-us")
        else:
            logger.info("%s is left out: %d phonemes, %.1f a second", path, len(phones), pace)
