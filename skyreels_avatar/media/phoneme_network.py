"""Networks that turn phonemes into sound and tell how long each one lasts: hibari and Kokoro.

Both read Kokoro's letters: IPA with one letter a phoneme (capitals are diphthongs), stress marks,
spaces and punctuation. A graph computes the durations inside; they become an output of it here.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skyreels_avatar.errors import CheckpointError, InputError, MissingExtraError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.spoken_text import Phone, SpokenText
from skyreels_avatar.media.words import word_times

SAMPLE_RATE = 24_000
UNIT_S = 0.025  # the unit of a duration
# How much later than in the sound a phoneme is by its durations: p, b and m of 20 sentences beside
# pocketsphinx's alignment, median of both networks, quartiles 50 and 68 ms.
LATE_S = 0.060
_SHORT_SPACE_S = 0.1  # longer ones between words are pauses
_MAX_PHONEMES = 400  # of a piece; Kokoro reads 510
_STRESS = "\u02c8\u02cc"
_MODIFIERS = "\u02d0\u0303\u02b0\u02b2\u2192\u2197\u2198\u2193"
_PAUSES = ";:,.!?\u2014\u2026"
_SILENT = ' "()\u201c\u201d'
_IPA = {
    "A": "e\u026a", "I": "a\u026a", "O": "o\u028a", "Q": "\u0259\u028a", "W": "a\u028a",
    "Y": "\u0254\u026a", "T": "\u027e", "S": "ss", "\u02a4": "d\u0292", "\u02a7": "t\u0283",
    "\u02a6": "ts", "\u02a3": "dz", "\u1d4a": "\u0259", "\u1d7b": "\u026a",
}  # fmt: skip
KOKORO_LETTERS = {ipa: letter for letter, ipa in _IPA.items() if len(ipa) > 1}
"""The letters for phonemes that take several in IPA."""


class PronouncedWord(NamedTuple):
    """The phonemes of a word with its punctuation, and where in the text the word begins."""

    offset: int
    phonemes: str


class PhonemeNetwork:
    """A network in the ONNX format that reads phonemes, with the durations as its last output.

    Raises:
        CheckpointError: the file is not such a network.
        MissingExtraError: onnxruntime is not installed.
    """

    def __init__(self, path: Path):
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("onnxruntime", "voice") from error
        options = onnxruntime.SessionOptions()
        # One thread: the same samples on every machine of a kind, and it is fast enough.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            graph = path.read_bytes()
            # Rounded durations are clipped to at least one; neither network clips elsewhere.
            clipped = sorted(set(re.findall(rb"/(?:[\w.]+/)*Clip_output_\d+", graph)))
            graph += b"".join(_as_output(name) for name in clipped)
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has an exception of its own for each fault
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(f"the voice {path} cannot be loaded: {reason}") from error
        self._path, self._num_clipped = path, len(clipped)
        self.inputs = {one.name: one.type for one in self._session.get_inputs()}

    def run(self, inputs: dict[str, np.ndarray], num_tokens: int) -> list[np.ndarray]:
        """Return the outputs of the graph, and last the durations (L,) in units of 25 ms."""
        outputs = self._session.run(None, inputs)
        own = len(outputs) - self._num_clipped
        for durations in outputs[own:]:
            if durations.size == num_tokens:
                return [*outputs[:own], durations.reshape(-1)]
        raise CheckpointError(f"the voice {self._path} does not tell how long its phonemes last")


def _as_output(name: bytes) -> bytes:
    """Return what makes a value of a graph an output of it, when it stands behind a model.

    Messages of protobuf merge by concatenation: ModelProto.graph (7), .output (12), .name (1).
    """
    message = name
    for field in (1, 12, 7):
        message = bytes([field << 3 | 2]) + _varint(len(message)) + message
    return message


def _varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])


@functools.lru_cache
def vocabulary() -> dict[str, int]:
    """Return the letters that these networks read, and their numbers.

    Raises:
        MissingExtraError: hibari is not installed.
    """
    return json.loads((hibari_assets() / "vocab.json").read_text(encoding="utf-8"))


def hibari_assets() -> Path:
    """Return the folder of hibari's networks and tables.

    Raises:
        MissingExtraError: hibari is not installed.
    """
    try:
        import hibari
    except ImportError as error:
        raise MissingExtraError("hibari-tts", "voice") from error
    return Path(hibari.__file__).with_name("assets")


def speak_words(
    text: str,
    voice: str,
    sentences: list[list[PronouncedWord]],
    say: Callable[[list[int]], tuple[np.ndarray, np.ndarray]],
) -> SpokenText:
    """Speak pronounced sentences one by one.

    Args:
        text: what they were read from.
        voice: its name.
        say: returns the samples (S,) of tokens, and their durations (L,) in units of 25 ms.

    Raises:
        InputError: no word has a phoneme.
    """
    numbers = vocabulary()
    sounds: list[np.ndarray] = []
    phones: list[Phone] = []
    marks: list[tuple[int, float]] = []
    begin_s = 0.0
    for words in sentences:
        for piece in _pieces(words):
            letters = _letters(piece, numbers)
            if not any(letter.isalpha() for letter, _ in letters):
                continue
            samples, durations = say([0, *(numbers[letter] for letter, _ in letters), 0])
            passed_s = np.cumsum(durations, dtype=np.float64) * UNIT_S
            ends_s = begin_s + np.maximum(passed_s - LATE_S, 0.0)
            ends_s[-1] = begin_s + len(samples) / SAMPLE_RATE
            starts_s = np.concatenate([[begin_s], ends_s[:-1]])
            begin_s = _add_phones(phones, [letter for letter, _ in letters], starts_s, ends_s)
            marks += [
                (offset, float(start_s))
                for (_, offset), start_s in zip(letters, starts_s[1:])
                if offset is not None
            ]
            sounds.append(samples)
    if not any(phone.ipa for phone in phones):
        raise InputError(f"the voice {voice} finds nothing to say in {text[:40]!r}")
    audio = AudioTrack(np.concatenate(sounds), SAMPLE_RATE)
    return SpokenText(audio, word_times(text, marks, phones), tuple(phones), voice)


def _pieces(words: list[PronouncedWord]) -> Iterator[list[PronouncedWord]]:
    """Yield words in pieces that a network reads at once."""
    piece: list[PronouncedWord] = []
    length = 0
    for word in words:
        word = word._replace(phonemes=word.phonemes[:_MAX_PHONEMES])
        if piece and length + len(word.phonemes) + 1 > _MAX_PHONEMES:
            yield piece
            piece, length = [], 0
        piece.append(word)
        length += len(word.phonemes) + 1
    if piece:
        yield piece


def _letters(words: list[PronouncedWord], known: dict[str, int]) -> list[tuple[str, int | None]]:
    """Return the letters of words, each with the word's offset where a word begins."""
    letters: list[tuple[str, int | None]] = []
    for offset, phonemes in words:
        read = [letter for letter in phonemes if letter in known]
        if read and letters:
            letters.append((" ", None))
        letters += [(letter, None if i else offset) for i, letter in enumerate(read)]
    return letters


def _add_phones(
    phones: list[Phone], letters: list[str], starts_s: np.ndarray, ends_s: np.ndarray
) -> float:
    """Add the phonemes of letters between two pads, and return when the last one ends.

    A stress mark belongs to what follows, a length mark and a short space to what stands before.
    """
    stress, begin_s = "", None
    for letter, start_s, end_s in zip(["", *letters, ""], starts_s.tolist(), ends_s.tolist()):
        begin_s = start_s if begin_s is None else begin_s
        if letter and letter in _STRESS:
            stress += letter
            continue
        is_long = end_s - begin_s > _SHORT_SPACE_S
        if letter and letter in _MODIFIERS and phones[-1].ipa:
            phones[-1] = replace(phones[-1], ipa=phones[-1].ipa + letter, end_s=end_s)
        elif letter and letter in _SILENT and not is_long:
            phones[-1] = replace(phones[-1], end_s=end_s)
        elif letter not in _PAUSES + _SILENT:
            phones.append(Phone(stress + _IPA.get(letter, letter), begin_s, end_s))
        elif phones and not phones[-1].ipa:
            phones[-1] = replace(phones[-1], end_s=end_s)
        else:
            phones.append(Phone("", begin_s, end_s))
        stress, begin_s = "", None
    return phones[-1].end_s
