"""Kokoro-82M as a source of natural voices: phonemes in, sound and their times out.

The folder holds `kokoro.onnx` (the 8-bit export, 92 MB, Apache-2.0) and `voices/*.bin`, tables
(510, 256) of float32, one a voice; train/README.md says where they come from. The phonemes are
those of espeak-ng, so every voice can read every language, and two voices can be mixed.
Needs the extra `voice`. The network is run, and its durations are read, as when a user asks for
a voice (`media/phoneme_network.py`); what is done here only for training is mixing voices and
writing phonemes of espeak-ng that a user's texts do not contain.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.espeak import espeak
from skyreels_avatar.media.phoneme_network import (
    KOKORO_LETTERS,
    LATE_S,
    UNIT_S,
    PhonemeNetwork,
    vocabulary,
)
from skyreels_avatar.media.speech import Phone

logger = logging.getLogger(__name__)

SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
MAX_TOKENS = 510
TONES = "\u2192\u2197\u2193\u2198"
# Phonemes of espeak-ng in several letters, or in letters that the network has no number for.
_WRITTEN = {
    **KOKORO_LETTERS, "t\u0255": "\u02a8", "d\u0291": "\u02a5", "th": "t\u02b0", "kh": "k\u02b0",
    "ph": "p\u02b0", "\u02a8h": "\u02a8\u02b0", "\u02a6h": "\u02a6\u02b0", "r": "\u0279",
    "\u0127": "h", "\u00e4": "a", "\u0275": "\u00f8", "\u0289": "u", "\u028f": "y",
    "\u0262": "\u0261", "\u026b": "l", "\u026d": "l", "\u0280": "\u0281",
}  # fmt: skip
_ENGLISH = {"\u02d0": "", "\u025c": "\u025c\u0279", "\u025a": "\u0259\u0279", "\u0250": "\u0259"}

# first letter of a voice -> the languages of espeak-ng that it was made for
VOICE_LANGUAGES = {
    "a": ("en-us",), "b": ("en", "en-gb-x-rp", "en-gb-scotland"), "e": ("es", "es-419"),
    "f": ("fr",), "h": ("hi",), "i": ("it",), "j": ("ja",), "p": ("pt",), "z": ("cmn",),
}  # fmt: skip
HELD_OUT = ("af_heart", "am_michael", "bf_emma", "ff_siwis", "im_nicola", "zm_yunxi")


class Kokoro:
    """The voices of a folder.

    Raises:
        InputError: the model or the voices are missing, or the model is another one.
    """

    def __init__(self, folder: Path):
        path = Path(folder) / "kokoro.onnx"
        self.styles = {
            file.stem: np.fromfile(file, np.float32).reshape(MAX_TOKENS, 256)
            for file in sorted((Path(folder) / "voices").glob("*.bin"))
        }
        if not path.is_file() or not self.styles:
            raise InputError(f"{folder} has no kokoro.onnx or voices/*.bin; see train/README.md")
        if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
            raise InputError(f"{path} is another model than the one that was measured")
        self._network = PhonemeNetwork(path)

    def style(self, voices: dict[str, float]) -> np.ndarray:
        """Return a table (510, 256), the weighted mean of voices."""
        return sum(weight * self.styles[name] for name, weight in voices.items()).astype(np.float32)

    def say(
        self, text: str, language: str, style: np.ndarray, speed: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, list[Phone]]:
        """Return samples (S,) float32 at 16 kHz, and the phonemes at the times of the sound."""
        pieces = tokens_of(text, language, rng)
        numbers = vocabulary()
        ids = [numbers[symbol] for _, symbols in pieces for symbol in symbols]
        if not ids or len(ids) > MAX_TOKENS - 2:
            return np.zeros(0, np.float32), []
        inputs = {
            "tokens": np.array([[0, *ids, 0]]),
            "style": style[len(ids)][None],
            "speed": np.array([speed], np.float32),
        }
        samples, *_, durations = self._network.run(inputs, len(ids) + 2)
        ends_s = np.cumsum(durations) * UNIT_S - LATE_S
        phones, place = [], 0
        for ipa, symbols in pieces:
            start_s, end_s = ends_s[place], ends_s[place + len(symbols)]
            place += len(symbols)
            if ipa:
                phones.append(Phone(ipa, max(float(start_s), 0.0), max(float(end_s), 0.001)))
        return resample_poly(samples, 2, 3).astype(np.float32), phones


def tokens_of(text: str, language: str, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Return (IPA of espeak-ng or "" for silence, symbols of the vocabulary), in order.

    Tones of Mandarin are drawn: espeak-ng does not report them, and lips do not show them.
    """
    said = espeak().say_in_new_process(text, language, 160, 50)
    starts_s = np.array([phone.start_s for phone in said.phonemes])
    words = {int(np.argmin(np.abs(starts_s - word.start_s))) for word in said.words}
    pieces: list[tuple[str, str]] = []
    for index, ipa in enumerate(phone.ipa for phone in said.phonemes):
        if index in words and pieces and pieces[-1][0]:
            pieces.append(("", " "))
        if not ipa:
            if pieces and pieces[-1][0] and index < len(said.phonemes) - 1:
                pieces.append(("", " " if language == "cmn" else ", "))
            continue
        symbols = spell(ipa, english=language.startswith("en"))
        if language == "cmn" and "\u02c8" in ipa:
            symbols += TONES[rng.integers(4)]
        if symbols:
            pieces.append((ipa, symbols))
    while pieces and not pieces[-1][0]:
        pieces.pop()
    if pieces:
        pieces.append(("", text[-1] if text[-1] in ".!?" else "."))
    return pieces


def spell(ipa: str, english: bool) -> str:
    """Return the symbols of the vocabulary for one phoneme of espeak-ng; unknown ones fall out."""
    for found, written in _WRITTEN.items():
        ipa = ipa.replace(found, written)
    if english:
        for found, written in _ENGLISH.items():
            ipa = ipa.replace(found, written)
        ipa = ipa.replace("\u0279\u0279", "\u0279")
    return "".join(symbol for symbol in ipa if symbol in vocabulary())
