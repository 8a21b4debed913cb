"""Loudness against the standard's own definitions."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.loudness import integrated_loudness, normalize_loudness


def tone(seconds: float, rate: int = 48_000, hz: float = 997.0, dbfs: float = 0.0) -> np.ndarray:
    return 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_tone_at_full_scale_has_the_loudness_that_the_standard_says(rate):
    """BS.1770: 0 dBFS at 997 Hz in one channel reads -3.01; filters at other rates are 0.1 off."""
    assert integrated_loudness(tone(2, rate), rate) == pytest.approx(-3.01, abs=0.1)
    assert integrated_loudness(tone(2, rate, dbfs=-20), rate) == pytest.approx(-23.01, abs=0.1)


def test_pauses_do_not_count():
    """EBU Tech 3341: what is 10 LU below the rest is not part of the programme."""
    loud = tone(3, 16_000, dbfs=-20)
    with_pauses = np.concatenate([np.zeros(80_000), loud, tone(5, 16_000, dbfs=-60)])
    assert integrated_loudness(with_pauses, 16_000) == pytest.approx(
        integrated_loudness(loud, 16_000), abs=0.5
    )


def test_pieces_give_the_loudness_of_the_whole(monkeypatch):
    from skyreels_avatar.media import loudness

    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal(16_000 * 5) * (1 + np.sin(np.arange(80_000) / 3000))
    whole = loudness._weighted_power(noise, 16_000)
    monkeypatch.setattr(loudness, "_PIECE_S", 1)
    np.testing.assert_allclose(loudness._weighted_power(noise, 16_000), whole, rtol=1e-12)


@pytest.mark.parametrize("seconds", [0.1, 0.4, 3.0])
def test_sounds_are_brought_to_a_loudness(seconds):
    quiet = AudioTrack(tone(seconds, 16_000, dbfs=-50).astype(np.float32), 16_000)
    made = normalize_loudness(quiet)
    assert integrated_loudness(made.samples, 16_000) == pytest.approx(-23, abs=1e-3)


def test_silence_stays_silence():
    silence = AudioTrack(np.zeros(16_000, np.float32), 16_000)
    assert integrated_loudness(silence.samples, 16_000) == -np.inf
    assert not normalize_loudness(silence).samples.any()
