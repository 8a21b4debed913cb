"""Synthetic speech with phoneme times: many languages, voices, rates, pauses."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf
from scipy.signal import resample, resample_poly

from skyreels_avatar.media.espeak import espeak
from skyreels_avatar.media.spoken_text import Phone

SAMPLE_RATE = 16000

# espeak-ng language -> (key of sentences.yaml, share of the tracks)
LANGUAGES: dict[str, tuple[str, float]] = {
    "en-us": ("en", 0.16),
    "en": ("en", 0.10),
    "en-gb-x-rp": ("en", 0.06),
    "en-gb-scotland": ("en", 0.04),
    "de": ("de", 0.08),
    "fr": ("fr", 0.08),
    "es": ("es", 0.06),
    "es-419": ("es", 0.02),
    "it": ("it", 0.05),
    "pt": ("pt", 0.04),
    "pl": ("pl", 0.04),
    "cmn": ("cmn", 0.11),
    "ja": ("ja", 0.06),
    "ru": ("ru", 0.04),
    "hi": ("hi", 0.03),
    "ar": ("ar", 0.03),
    "ko": ("ko", 0.03),
    "tr": ("tr", 0.02),
    "nl": ("nl", 0.02),
    "sv": ("sv", 0.02),
}
VOICES: tuple[str, ...] = (
    "f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "Alex", "Alicia",
    "Andrea", "Andy", "Annie", "Diogo", "Gene", "Henrique", "Hugo", "Lee", "Marco", "Mario",
    "Michael", "Mike", "Nguyen", "Reed", "adam", "anika", "antonio", "belinda", "benjamin", "boris",
    "caleb", "david", "ed", "edward", "grandma", "grandpa", "gustave", "ian", "john", "linda",
    "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert",
    "sandro", "shelby", "steph", "steph2", "travis", "victor", "zac", "whisperf",
)  # fmt: skip
HELD_OUT_VOICES: tuple[str, ...] = ("Denis", "anikaRobot", "marcelo", "steph3", "kaukovalta")

_ONSETS = (
    "p", "b", "m", "f", "v", "w", "t", "d", "s", "n", "l", "r", "k", "g", "h", "st", "pr", "bl",
    "fl", "tr", "gr", "sm", "sp",
)  # fmt: skip
_NUCLEI = ("a", "e", "i", "o", "u", "ai", "au", "oi", "ee", "oo", "ou")
_CODAS = ["", "", "", "p", "m", "b", "f", "n", "t", "s", "l", "k", "v"]


@dataclass(frozen=True)
class Speech:
    """A track of speech: samples (S,) float32 at 16 kHz and every phoneme with its times."""

    samples: np.ndarray
    phones: tuple[Phone, ...]
    language: str
    voice: str


@functools.lru_cache(maxsize=1)
def sentences() -> dict[str, list[list[str]]]:
    """Return language -> sentences, each a list of words."""
    lists = OmegaConf.load(Path(__file__).parent / "sentences.yaml")
    return {key: [line.split() for line in lines] for key, lines in lists.items()}


def make_text(language: str, rng: np.random.Generator) -> str:
    """Return something to say: a sentence, a word salad, nonsense syllables or numbers."""
    lines = sentences()[LANGUAGES[language][0]]
    kind = rng.choice(
        ["sentence", "salad", "word", "nonsense", "number"], p=[0.32, 0.4, 0.1, 0.1, 0.08]
    )
    if kind == "sentence":
        words = list(lines[rng.integers(len(lines))])
    elif kind == "number":
        words = [str(rng.integers(10 ** rng.integers(1, 5))) for _ in range(rng.integers(1, 4))]
    elif kind == "nonsense" and not set(lines[0][0]).isdisjoint("abcdefghijklmnopqrstuvwxyz"):
        words = [_nonsense(rng) for _ in range(rng.integers(2, 7))]
    else:
        pool = [word for line in lines for word in line]
        count = rng.integers(1, 3) if kind == "word" else rng.integers(3, 13)
        words = [pool[rng.integers(len(pool))] for _ in range(count)]
    for index in range(len(words) - 1):
        if rng.random() < 0.07:
            words[index] += ","
    return " ".join(words) + str(rng.choice([".", ".", "!", "?", ","]))


def make_speech(
    duration_s: float, rng: np.random.Generator, voices: tuple[str, ...] = VOICES
) -> Speech:
    """Return one voice's track of exactly `duration_s`: utterances with pauses between them."""
    keys = list(LANGUAGES)
    shares = np.array([LANGUAGES[key][1] for key in keys])
    language = keys[rng.choice(len(keys), p=shares / shares.sum())]
    voice = f"{language}+{voices[rng.integers(len(voices))]}"
    rate, pitch, pitch_range = rng.integers(120, 205), rng.integers(15, 90), rng.integers(15, 95)
    sung = rng.random() < 0.07
    samples = np.zeros(int(duration_s * SAMPLE_RATE), np.float32)
    phones: list[Phone] = []
    time_s = draw_start(rng)
    while time_s < duration_s - 0.3:
        text = make_text(language, rng)
        if sung:
            spoken, spoken_phones = _slow(text, voice, rng)
        else:
            spoken, spoken_phones = _say(text, voice, (rate, pitch, pitch_range), rng)
        start = int(time_s * SAMPLE_RATE)
        stop = min(start + len(spoken), len(samples))
        gain = rng.uniform(0.6, 1.3)
        samples[start:stop] += gain * spoken[: stop - start]
        phones += [Phone(p.ipa, p.start_s + time_s, p.end_s + time_s) for p in spoken_phones]
        time_s += len(spoken) / SAMPLE_RATE + draw_pause(rng)
    kept = tuple(phone for phone in phones if phone.start_s < duration_s)
    return Speech(samples, kept, language, voice)


def draw_start(rng: np.random.Generator) -> float:
    """Return the seconds before the first word of a track."""
    return float(rng.choice([0.0, rng.uniform(0, 0.4), rng.uniform(0.4, 1.6)], p=[0.4, 0.35, 0.25]))


def draw_pause(rng: np.random.Generator) -> float:
    """Return the seconds between two utterances of a track."""
    lengths_s = [0.0, rng.uniform(0.1, 0.5), rng.uniform(0.5, 2.5)]
    return float(rng.choice(lengths_s, p=[0.25, 0.42, 0.33]))


def _say(text, voice, manner, rng) -> tuple[np.ndarray, list[Phone]]:
    """Speak at 16 kHz; a small resampling shifts formants, which gives new talkers."""
    rate, pitch, pitch_range = manner
    samples, phones = espeak().say(
        text, voice, int(rate * rng.uniform(0.92, 1.08)), pitch, pitch_range
    )
    return _stretch(samples, phones, rng.uniform(0.9, 1.13))


def _slow(text, voice, rng) -> tuple[np.ndarray, list[Phone]]:
    """Speak slowly on a high note and stretch it: long vowels, as in singing."""
    samples, phones = espeak().say(text, voice, rng.integers(85, 120), rng.integers(80, 99), 20)
    return _stretch(samples, phones, rng.uniform(1.3, 1.8))


def _stretch(samples, phones, factor: float) -> tuple[np.ndarray, list[Phone]]:
    if not len(samples):
        return samples, []
    at_16k = resample_poly(samples, 320, 441) if espeak().sample_rate == 22050 else samples
    return stretch(at_16k, phones, factor)


def stretch(
    at_16k: np.ndarray, phones: Sequence[Phone], factor: float
) -> tuple[np.ndarray, list[Phone]]:
    """Return samples at 16 kHz played slower by a factor, and the times: a lower, larger voice."""
    length = int(len(at_16k) * factor)
    # resample works on whole spectra; a length with small prime factors keeps it fast
    length -= length % 256
    if length < 256:
        return np.zeros(0, np.float32), []
    stretched = resample(at_16k, length).astype(np.float32)
    exact = length / len(at_16k)
    return stretched, [Phone(p.ipa, p.start_s * exact, p.end_s * exact) for p in phones]


def _nonsense(rng: np.random.Generator) -> str:
    pick = lambda options: str(options[rng.integers(len(options))])  # noqa: E731
    return "".join(pick(_ONSETS) + pick(_NUCLEI) for _ in range(rng.integers(1, 4))) + pick(_CODAS)
