"""Real clips: GRID talker s1, speech with measured articulation.

The folder is described in its own README.md. Clips 0-899 train, 900-999 validate.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.espeak import espeak
from skyreels_avatar.media.spoken_text import Phone
from train.data.simulate.articulation import accents, mouth_numbers, own_width

NUM_TRAINING_CLIPS = 900
WORD_TIMES_LATE_S = 0.018  # word times of GRID run early by 15 to 20 ms against its sound
_REST_JAW, _REST_GAP = 0.509, 0.0012  # face at rest: nose to chin / H; mediapipe's gap bias
# To the amplitudes of expressive talkers, see simulate/articulation.py; the shapes stay measured.
_OPENING_SCALE, _WIDTH_SCALE = 1.5, 2.6
_LETTERS = {
    "a": "ay", "b": "bee", "c": "see", "d": "dee", "e": "ee", "f": "eff", "g": "jee", "h": "aitch",
    "i": "eye", "j": "jay", "k": "kay", "l": "ell", "m": "em", "n": "en", "o": "oh", "p": "pee",
    "q": "queue", "r": "are", "s": "ess", "t": "tee", "u": "you", "v": "vee", "x": "ex", "y": "why",
    "z": "zed",
}  # fmt: skip


@dataclass(frozen=True)
class GridClip:
    """Three seconds of real speech at 25 fps.

    Args:
        samples: (48000,) float32 at 16 kHz.
        mouth: (75, 8) mouth coefficients: measured where the camera saw them, else by phoneme; with
            the amplitudes of expressive talkers.
        stress, active: (75,) syllable pulses, and 1 where he speaks.
        lip_gap: (75,) the measured inner-lip gap / H, nothing done to it.
        index: of the clip, 0 to 999.
    """

    samples: np.ndarray
    mouth: np.ndarray
    stress: np.ndarray
    active: np.ndarray
    lip_gap: np.ndarray
    index: int


def load_grid(folder: Path, first: int = 0, last: int = NUM_TRAINING_CLIPS) -> list[GridClip]:
    """Return the whole clips with index in [first, last) whose every frame shows a face."""
    import soundfile

    folder = Path(folder)
    if not (folder / "curves.npz").is_file():
        raise InputError(f"{folder} holds no GRID clips (curves.npz); set data.grid=FOLDER")
    curves = np.load(folder / "curves.npz")
    words = json.loads((folder / "words.json").read_text())
    clips = []
    for shard in range(first // 100, -(-last // 100)):
        sound = soundfile.read(folder / f"audio_{shard:02d}.ogg", dtype="float32")[0]
        for index in range(max(first, 100 * shard), min(last, 100 * shard + 100)):
            if not curves["face_ok"][index].all():
                continue
            samples = sound.reshape(100, -1)[index - 100 * shard]
            phones = align(words[str(curves["clip"][index])])
            row = {key: curves[key][index].astype(np.float64) for key in _MEASURED}
            pulses = accents(phones, 75)
            clips.append(
                GridClip(
                    samples=samples,
                    mouth=_mouth(row, phones, index),
                    stress=pulses[:, 0],
                    active=pulses[:, 1],
                    lip_gap=row["mouth_open"].astype(np.float32),
                    index=index,
                )
            )
    return clips


_MEASURED = ("mouth_open", "jaw_drop", "mouth_width", "upper_lip")


def align(words: list[list]) -> list[Phone]:
    """Return phonemes for [word, start_s, end_s] rows: espeak's timing, stretched into the word."""
    phones = []
    for word, start_s, end_s in words:
        if word in ("sil", "sp"):
            continue
        spoken = [p for p in _pronounce(word) if p.ipa]
        first_s, length_s = spoken[0].start_s, spoken[-1].end_s - spoken[0].start_s
        scale, origin_s = (end_s - start_s) / length_s, start_s + WORD_TIMES_LATE_S
        phones += [
            Phone(
                p.ipa,
                origin_s + (p.start_s - first_s) * scale,
                origin_s + (p.end_s - first_s) * scale,
            )
            for p in spoken
        ]
    return phones


_pronounced: dict[str, list[Phone]] = {}


def _pronounce(word: str) -> list[Phone]:
    if word not in _pronounced:
        _pronounced[word] = espeak().say(_LETTERS.get(word, word), "en", 150)[1]
    return _pronounced[word]


def _mouth(row: dict[str, np.ndarray], phones: list[Phone], seed: int) -> np.ndarray:
    """Join what was measured with what only the phonemes tell (pucker, press, tuck, tongue)."""
    mouth = mouth_numbers(phones, 75, np.random.default_rng(seed))
    gap = np.maximum(row["mouth_open"] - _REST_GAP, 0)
    mouth[:, 0] = np.where(gap < 0.002, 0, _OPENING_SCALE * gap)
    jaw = row["jaw_drop"] - min(_REST_JAW, np.percentile(row["jaw_drop"], 12))
    mouth[:, 1] = _OPENING_SCALE * np.maximum(jaw, 0)
    seen_width = _WIDTH_SCALE * (row["mouth_width"] - 1)
    mouth[:, 2] = own_width(seen_width, mouth[:, 0], mouth[:, 3])
    mouth[:, 4] = np.clip(row["upper_lip"], -0.02, 0.03)
    mouth[:, 5] *= gap < 0.008  # pressed only when the camera saw the lips meet
    mouth[:, 6] *= gap < 0.03
    return mouth
