"""Sounds together, and sounds of a wanted length."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.mix import mix, silence


def tone(seconds: float, rate: int = 16_000, level: float = 0.3) -> AudioTrack:
    time_s = np.arange(int(seconds * rate)) / rate
    return AudioTrack((level * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32), rate)


def test_the_mix_is_the_sum_and_as_long_as_the_longest():
    one, other = tone(0.5), tone(1.0, level=0.2)
    both = mix([one, other])
    expected = other.samples.copy()
    expected[: len(one.samples)] += one.samples
    np.testing.assert_allclose(both.samples, expected, atol=1e-6)
    assert both.stereo is None and both.sample_rate == 16_000


def test_a_mix_never_goes_beyond_full_scale():
    loud = mix([tone(0.5, level=0.9), tone(0.5, level=0.9)])
    assert np.abs(loud.samples).max() == pytest.approx(1.0, abs=1e-6)


def test_rates_and_channels_may_differ():
    left = tone(0.5, rate=48_000).samples
    stereo = AudioTrack(left / 2, 48_000, stereo=np.stack([left, 0 * left]))
    both = mix([tone(0.5), stereo])
    assert both.sample_rate == 48_000 and both.stereo.shape == (2, 24_000)
    assert np.abs(both.stereo[0]).max() > 1.5 * np.abs(both.stereo[1]).max()


def test_silence_has_the_length_that_was_asked_for():
    assert not silence(0.3).samples.any() and silence(0.3).duration_s == pytest.approx(0.3)
