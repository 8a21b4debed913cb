"""Kokoro-82M as a source of natural voices: phonemes in, sound and their times out.

The folder holds `kokoro.onnx` (the 8-bit export, 92 MB, Apache-2.0) and `voices/*.bin`, tables
(510, 256) of float32, one a voice; train/README.md says where they come from. The phonemes are
those of espeak-ng, so every voice can read every language, and two voices can be mixed.
Needs the package onnxruntime.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.espeak import espeak
from skyreels_avatar.media.speech import Phone

logger = logging.getLogger(__name__)

SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
RATE_HZ = 24000
UNIT_S = 0.025  # of the durations
LATE_S = 0.065  # durations run behind the sound: on p, b, m by 0.056 to 0.080 s
MAX_TOKENS = 510
_DURATIONS = "/encoder/Clip_output_0"

# The vocabulary of the published model. Capitals are diphthongs, small capitals of misaki.
_RUNS = {
    1: ";:,.!?", 9: "\u2014\u2026", 16: " \u0303\u02a3\u02a5\u02a6\u02a8\u1d5d\uab67AI",
    31: "O", 33: "Q", 35: "ST", 39: "W", 41: "Y\u1d4aabcdef",
    50: "hijklmnopqrstuvwxyz\u0251\u0250\u0252\u00e6", 75: "\u03b2\u0254\u0255\u00e7",
    80: "\u0256\u00f0\u02a4\u0259", 85: "\u025a\u025b\u025c", 90: "\u025f", 92: "\u0261",
    99: "\u0265", 101: "\u0268\u026a\u029d", 110: "\u026f\u0270\u014b\u0273\u0272\u0274\u00f8",
    118: "\u0278\u03b8\u0153", 123: "\u0279", 125: "\u027e\u027b",
    128: "\u0281\u027d\u0282\u0283\u0288\u02a7", 135: "\u028a\u028b",
    138: "\u028c\u0263\u0264", 142: "\u03c7\u028e", 147: "\u0292\u0294",
    156: "\u02c8\u02cc\u02d0", 162: "\u02b0", 164: "\u02b2", 169: "\u2193",
    171: "\u2192\u2197\u2198", 177: "\u1d7b",
}  # fmt: skip
VOCABULARY = {
    symbol: first + offset for first, run in _RUNS.items() for offset, symbol in enumerate(run)
}
TONES = "\u2192\u2197\u2193\u2198"
_JOINED = {
    "a\u026a": "I", "a\u028a": "W", "e\u026a": "A", "\u0254\u026a": "Y", "o\u028a": "O",
    "\u0259\u028a": "Q", "t\u0283": "\u02a7", "d\u0292": "\u02a4", "ts": "\u02a6", "dz": "\u02a3",
    "t\u0255": "\u02a8", "d\u0291": "\u02a5", "th": "t\u02b0", "kh": "k\u02b0", "ph": "p\u02b0",
    "\u02a8h": "\u02a8\u02b0", "\u02a6h": "\u02a6\u02b0", "r": "\u0279", "\u0127": "h",
    "\u00e4": "a", "\u0275": "\u00f8", "\u0289": "u", "\u028f": "y", "\u0262": "\u0261",
    "\u026b": "l", "\u026d": "l", "\u0280": "\u0281",
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
        InputError: the folder lacks the model or the voices, or the model is another one.
    """

    def __init__(self, folder: Path):
        try:
            import onnxruntime
        except ImportError as error:
            raise InputError("natural voices need onnxruntime: pip install onnxruntime") from error
        path = Path(folder) / "kokoro.onnx"
        self.styles = {
            file.stem: np.fromfile(file, np.float32).reshape(MAX_TOKENS, 256)
            for file in sorted((Path(folder) / "voices").glob("*.bin"))
        }
        if not path.is_file() or not self.styles:
            raise InputError(f"{folder} lacks kokoro.onnx or voices/*.bin; see train/README.md")
        model = path.read_bytes()
        if hashlib.sha256(model).hexdigest() != SHA256:
            raise InputError(f"{path} is another model than the one that was measured")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model + _extra_output(_DURATIONS), options, providers=["CPUExecutionProvider"]
        )

    def style(self, voices: dict[str, float]) -> np.ndarray:
        """Return a table (510, 256), the weighted mean of voices."""
        return sum(weight * self.styles[name] for name, weight in voices.items()).astype(np.float32)

    def say(
        self, text: str, language: str, style: np.ndarray, speed: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, list[Phone]]:
        """Return samples (S,) float32 at 16 kHz, and the phonemes at the times of the sound."""
        pieces = tokens_of(text, language, rng)
        ids = [VOCABULARY[symbol] for _, symbols in pieces for symbol in symbols]
        if not ids or len(ids) > MAX_TOKENS - 2:
            return np.zeros(0, np.float32), []
        samples, durations = self._session.run(
            ["audio", _DURATIONS],
            {
                "tokens": np.array([[0, *ids, 0]]),
                "style": style[len(ids)][None],
                "speed": np.array([speed], np.float32),
            },
        )
        ends_s = np.cumsum(durations.ravel()) * UNIT_S - LATE_S
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
    for found, written in _JOINED.items():
        ipa = ipa.replace(found, written)
    if english:
        for found, written in _ENGLISH.items():
            ipa = ipa.replace(found, written)
        ipa = ipa.replace("\u0279\u0279", "\u0279")
    return "".join(symbol for symbol in ipa if symbol in VOCABULARY)


def _extra_output(name: str) -> bytes:
    """Return the bytes that, appended to an ONNX file, add a float tensor to its outputs.

    Serialised protocol buffers are merged by joining them: field 7 is the graph, field 12 of it
    an output, with its name (1) and type (2: tensor of element type float).
    """
    value = _field(1, name.encode()) + _field(2, _field(1, b"\x08\x01"))
    return _field(7, _field(12, value))


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128, len(content)
    return bytes([number << 3 | 2, len(content)]) + content
