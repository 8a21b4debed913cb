"""Sounds at another rate: exact lengths, the same pitch and level, in pieces as in one."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.media.resample import resample, resampled_blocks
from tests.media.sounds import sine


@pytest.mark.parametrize(("rate", "to"), [(16_000, 48_000), (44_100, 16_000), (48_000, 44_100)])
def test_a_tone_keeps_pitch_and_level(rate, to):
    made = resample(sine(2.0, rate), rate, to)
    wanted = sine(2.0, to)
    assert len(made) == -(-2 * rate * to // rate)
    middle = slice(to // 4, -to // 4)  # filters ring at the ends
    np.testing.assert_allclose(made[middle], wanted[middle], atol=0.005)


def test_pieces_make_the_whole_and_channels_stay_apart():
    channels = np.stack([sine(2.5, 16_000), 0 * sine(2.5, 16_000)])
    blocks = list(resampled_blocks(channels, 16_000, 48_000))
    assert len(blocks) >= 3
    whole = np.concatenate(blocks, axis=1)
    assert whole.shape == (2, 120_000) and not whole[1].any() and whole[0].any()


def test_at_the_same_rate_nothing_changes():
    samples = sine(1.5, 16_000)
    np.testing.assert_array_equal(resample(samples, 16_000, 16_000), samples)
