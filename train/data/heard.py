"""What is said in a recording without a transcript: the phonemes of an English recogniser, hama.

It tells where it is sure of a phoneme: a spike some 65 ms after the middle of p, b and m, and after
the beginning of a vowel. A phoneme lasts until the next one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skyreels_avatar.media.speech import Phone
from train.data.simulate.articulation import VOWELS, symbols

_SPIKES_LATE_S = 0.065
_CLOSED_HALF_S = 0.03
_LONGEST_S, _BEFORE_S = 0.30, 0.05  # of a phoneme after its spike, and before it
_STRESSED_SHARE = 0.35  # of the vowels, the loudest
_NAMES = {"\u025d": "\u025c"}  # of the recogniser that the lips know by another name
_STRESS = "\u02c8"

_loaded: list = []


def heard_phones(samples: np.ndarray) -> list[Phone]:
    """Return what hama hears in samples (S,) at 16 kHz: the phonemes that lips know, in order."""
    from hama import ASRModel

    if not _loaded:
        _loaded.append(ASRModel())
    model = _loaded[0]
    spans = model.phoneme_spans(model(samples.astype(np.float32), 16000))
    named = [(_NAMES.get(s.phoneme, s.phoneme), s.start_ms / 1000 - _SPIKES_LATE_S) for s in spans]
    return spread_spikes([(ipa, at_s) for ipa, at_s in named if symbols(ipa)])


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


def with_stress(phones: list[Phone], samples: np.ndarray) -> list[Phone]:
    """Return phonemes of which the loudest third of the vowels has a stress mark."""

    def loudness(phone: Phone) -> float:
        first = max(int(phone.start_s * 16000), 0)
        return float(np.square(samples[first : max(int(phone.end_s * 16000), first + 160)]).mean())

    vowels = [index for index, phone in enumerate(phones) if phone.ipa[0] in VOWELS]
    loud = sorted(vowels, key=lambda index: loudness(phones[index]), reverse=True)
    stressed = set(loud[: round(_STRESSED_SHARE * len(vowels))])
    return [
        replace(phone, ipa=_STRESS + phone.ipa) if index in stressed else phone
        for index, phone in enumerate(phones)
    ]
