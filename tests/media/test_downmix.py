"""One channel of two: a voice that is out of phase is heard, and an offset is not loudness."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.downmix import downmix, remove_dc_offset

RATE = 16_000


@pytest.fixture
def voice() -> np.ndarray:
    """Two seconds of a tone that swells twice a second."""
    time_s = np.arange(2 * RATE) / RATE
    swell = np.sin(2 * np.pi * time_s) ** 2
    return (0.3 * swell * np.sin(2 * np.pi * 200 * time_s)).astype(np.float32)


@pytest.mark.parametrize("left", [-1.0, -0.8, -0.6])
def test_channels_out_of_phase_give_the_louder_one(voice, left):
    """The mean of L = -R is silence, and the mouth rested while a voice was heard."""
    samples, cancelled_s = downmix(np.stack([left * voice, voice]), RATE)
    np.testing.assert_allclose(np.abs(samples), np.abs(voice), atol=1e-6)
    assert cancelled_s == pytest.approx(2.0, abs=0.5)


@pytest.mark.parametrize("left", [1.0, 0.5, 0.0])
def test_channels_in_phase_are_averaged(voice, left):
    stereo = np.stack([left * voice, voice])
    samples, cancelled_s = downmix(stereo, RATE)
    assert np.array_equal(samples, stereo.mean(axis=0)) and cancelled_s == 0


def test_only_the_part_that_is_out_of_phase_is_taken_from_one_channel(rng):
    noise = rng.normal(0, 0.1, 4 * RATE).astype(np.float32)
    sign = np.where(np.arange(4 * RATE) < 2 * RATE, 1, -1).astype(np.float32)
    samples, cancelled_s = downmix(np.stack([noise * sign, noise]), RATE)
    away = np.abs(np.arange(4 * RATE) - 2 * RATE) > 0.1 * RATE
    np.testing.assert_allclose(np.abs(samples[away]), np.abs(noise[away]), atol=1e-6)
    assert cancelled_s == pytest.approx(2.0)


def test_a_file_out_of_phase_is_said_once_and_played_as_it_is(voice, tmp_path, caplog):
    stereo = np.stack([voice, -voice])
    AudioTrack(voice, RATE, None, stereo).save(tmp_path / "a.wav")
    with caplog.at_level(logging.WARNING):
        track = AudioTrack.load(tmp_path / "a.wav")
    assert [r.getMessage() for r in caplog.records if "out of phase" in r.getMessage()]
    assert len(caplog.records) == 1
    np.testing.assert_allclose(np.abs(track.mono().samples), np.abs(voice), atol=1e-4)
    np.testing.assert_allclose(track.channels, stereo, atol=1e-4)


@pytest.mark.parametrize("offset", [0.6, -0.05])
def test_an_offset_is_taken_from_what_the_networks_hear_alone(voice, offset):
    """An offset of 0.6 counted as loudness and halved the movement of the mouth."""
    track = AudioTrack(voice + np.float32(offset), RATE)
    heard = track.mono()
    np.testing.assert_allclose(heard.samples, voice, atol=0.01)
    assert heard.normalized().samples.std() == pytest.approx(
        AudioTrack(voice, RATE).normalized().samples.std(), rel=0.01
    )
    assert np.array_equal(track.channels[0], voice + np.float32(offset))


def test_an_offset_that_begins_later_is_taken_too(voice):
    step = np.where(np.arange(len(voice)) < RATE, 0, 0.5).astype(np.float32)
    found = remove_dc_offset(voice + step, RATE)
    away = np.abs(np.arange(len(voice)) - RATE) > 0.4 * RATE
    np.testing.assert_allclose(found[away], voice[away], atol=0.01)


def test_a_sound_without_an_offset_stays_bit_for_bit(voice):
    assert remove_dc_offset(voice, RATE) is voice
    assert remove_dc_offset(np.zeros(100, np.float32), RATE).sum() == 0
