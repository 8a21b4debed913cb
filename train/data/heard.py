"""What is said in a recording without a transcript: the phonemes of an English recogniser, hama.

It tells where it is sure of a phoneme: a spike some 65 ms after the middle of p, b and m, and after
the beginning of a vowel. A phoneme lasts until the next one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skyreels_avatar.evaluation.phonemes import recognize, spread_spikes
from skyreels_avatar.media.speech import Phone
from train.data.simulate.articulation import VOWELS, symbols

_STRESSED_SHARE = 0.35  # of the vowels, the loudest
_STRESS = "\u02c8"


def heard_phones(samples: np.ndarray) -> list[Phone]:
    """Return what hama hears in samples (S,) at 16 kHz: the phonemes that lips know, in order."""
    return spread_spikes([spike for spike in recognize(samples) if symbols(spike[0])])


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
