"""Which phonemes are said when: aligned with a text, or as a recognizer hears them.

English with a text is aligned by pocketsphinx, whose stops lie within 20 ms of the dips of the
sound. Without one, or with words that it does not know, hama hears phonemes where it is sure of
them: a spike some 65 ms after the middle of p, b and m, and after the beginning of a vowel. Both
know English; of other languages hama hears p, b, m, f, v and round vowels by their sound.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from skyreels_avatar.errors import MissingExtraError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.spoken_text import Phone

if TYPE_CHECKING:
    from hama import ASRModel

logger = logging.getLogger(__name__)

EXTRA = "phonemes"
SAMPLE_RATE = 16_000
_SPIKES_LATE_S = 0.065
_CLOSED_HALF_S = 0.03
_LONGEST_S, _BEFORE_S = 0.30, 0.05  # of a phoneme after its spike, and before it
_NAMES = {"\u025d": "\u025c"}  # of the recognizer that lips know by another name
_ARPABET = {
    "P": "p", "B": "b", "M": "m", "F": "f", "V": "v", "W": "w", "UW": "u", "UH": "\u028a",
    "OW": "o", "AO": "\u0254", "OY": "\u0254", "IY": "i", "IH": "\u026a", "EH": "\u025b", "EY": "e",
    "AE": "\u00e6", "AA": "\u0251", "AH": "\u028c", "AY": "a", "AW": "a", "ER": "\u025c",
}  # fmt: skip


def phonemes_of(audio: AudioTrack, text: str | None = None) -> list[Phone]:
    """Return the phonemes of a sound track, in order.

    Args:
        text: what is said, in English, without digits; None = as it is heard.

    Raises:
        MissingExtraError: neither aligner nor recognizer is installed.
    """
    samples = audio.mono().resampled(SAMPLE_RATE).normalized().samples
    if text:
        try:
            return align(samples, text)
        except ImportError:
            logger.warning("the text is not used: pocketsphinx is not installed")
        except (RuntimeError, ValueError) as error:
            logger.warning("the text cannot be aligned (%s); phonemes are as heard", error)
    return spread_spikes(recognize(samples))


def align(samples: np.ndarray, text: str) -> list[Phone]:
    """Return the phonemes of an English text in samples (S,) at 16 kHz, by pocketsphinx.

    Other sounds than those of lips and vowels keep their name of the ARPABET in small letters.

    Raises:
        ImportError: pocketsphinx is not installed.
        RuntimeError, ValueError: the text does not fit the sound, or has unknown words.
    """
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")
    pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes()
    decoder.set_align_text(text)
    for repeat in range(2):  # words first, then their phonemes
        if repeat:
            decoder.set_alignment()
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
    return [
        Phone(
            _ARPABET.get(phone.name, phone.name.lower()),
            phone.start / 100,
            (phone.start + phone.duration) / 100,
        )
        for word in decoder.get_alignment()
        for phone in word
        if phone.name != "SIL"
    ]


def recognize(samples: np.ndarray) -> list[tuple[str, float]]:
    """Return the phonemes that hama hears in samples (S,) at 16 kHz, and their seconds.

    Raises:
        MissingExtraError: hama is not installed.
    """
    model = _recognizer()
    spans = model.phoneme_spans(model(samples.astype(np.float32), SAMPLE_RATE))
    return [(_NAMES.get(s.phoneme, s.phoneme), s.start_ms / 1000 - _SPIKES_LATE_S) for s in spans]


@cache
def _recognizer() -> ASRModel:
    try:
        from hama import ASRModel
    except ImportError as error:
        raise MissingExtraError("hama", EXTRA) from error
    return ASRModel()


def spread_spikes(spikes: list[tuple[str, float]]) -> list[Phone]:
    """Return phonemes that reach from spike to spike; p, b and m lie round theirs.

    Args:
        spikes: phonemes and their seconds, in order.
    """
    phones = []
    for index, (ipa, at_s) in enumerate(spikes):
        next_s = spikes[index + 1][1] if index + 1 < len(spikes) else at_s + _LONGEST_S
        last_s = spikes[index - 1][1] if index else at_s - _LONGEST_S
        start_s = max(at_s - _BEFORE_S, (last_s + at_s) / 2)
        end_s = min(at_s + _LONGEST_S, max(next_s - _BEFORE_S, (at_s + next_s) / 2))
        if ipa in "pbm":
            start_s, end_s = at_s - _CLOSED_HALF_S, at_s + _CLOSED_HALF_S
        phones.append(Phone(ipa, start_s, end_s))
    return phones
