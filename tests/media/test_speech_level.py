"""The gain that brings speech to one level."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.media.speech_level import ACTIVE_RMS, speech_block_size, speech_gain


def test_pauses_do_not_change_the_gain(rng):
    speech = 0.02 * rng.standard_normal(32_000).astype(np.float32)
    paused = np.concatenate([speech, np.zeros(160_000, np.float32)])
    size = speech_block_size(16_000)
    blocks = [paused[i : i + size] for i in range(0, len(paused), size)]
    gain = speech_gain([speech], 16_000)
    assert gain * 0.02 == pytest.approx(ACTIVE_RMS, rel=0.02)
    assert speech_gain(blocks, 16_000) == pytest.approx(gain, rel=0.2)


def test_silence_and_nothing_keep_their_level_and_a_whisper_is_not_blown_up():
    assert speech_gain([np.zeros(16_000, np.float32)], 16_000) == 1.0
    assert speech_gain([np.full(16_000, 2e-6, np.float32)], 16_000) == 100.0
