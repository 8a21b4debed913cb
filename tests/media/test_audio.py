"""Sound: what is read is what was recorded, and broken files are named as such."""

from __future__ import annotations

import logging
import struct

import numpy as np
import pytest
import soundfile

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.speech_level import ACTIVE_RMS
from tests.media.sounds import sine, wav_header


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_recording_is_read_at_its_own_rate_and_level(tmp_path, name, rate):
    tone = sine(1.0, rate)
    soundfile.write(tmp_path / name, tone, rate)
    track = AudioTrack.load(tmp_path / name)
    assert track.sample_rate == rate
    assert abs(track.duration_s - 1.0) < 0.06
    assert np.abs(track.samples).max() == pytest.approx(0.5, abs=0.02)
    assert track.stereo is None


def test_stereo_is_averaged_for_the_networks_and_kept_for_the_film(tmp_path):
    left, right = sine(1.0, 44_100), sine(1.0, 44_100, 300.0)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 44_100, subtype="FLOAT")
    track = AudioTrack.load(tmp_path / "a.wav")
    assert np.allclose(track.samples, (left + right) / 2, atol=1e-6)
    assert np.allclose(track.channels, [left, right], atol=1e-6)
    assert track.cut(0.2, 0.7).channels.shape == (2, 22_050)


def test_surround_is_read_as_stereo(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([sine(0.5, 48_000)] * 6, axis=1) * 0.2, 48_000)
    assert AudioTrack.load(tmp_path / "a.wav").channels.shape == (2, 24_000)


def test_resampling_keeps_time_and_level():
    track = AudioTrack(sine(1.0, 44_100), 44_100).resampled(16_000)
    assert track.samples.dtype == np.float32
    assert np.abs(track.samples - sine(1.0, 16_000))[200:-200].max() < 2e-3


def test_cutting_takes_the_asked_samples_and_no_others():
    track = AudioTrack(np.linspace(-1, 1, 16_000, dtype=np.float32), 16_000)
    assert np.array_equal(track.cut(0.25, 0.5).samples, track.samples[4000:8000])
    assert np.array_equal(track.cut().samples, track.samples)
    for start_s, end_s in [(-0.1, 0.5), (0.5, 0.5), (0.0, 1.2), (2.0, None)]:
        with pytest.raises(MediaError, match=r"1\.00"):
            track.cut(start_s, end_s)


@pytest.mark.parametrize("level", [0.001, 0.05, 0.9])
def test_normalized_speech_has_one_level_whatever_the_recording_and_pauses(rng, level):
    samples = rng.normal(size=32_000).astype(np.float32) * level
    samples[12_800:28_160] = 0
    speech = AudioTrack(samples, 16_000).normalized().samples[:12_800]
    assert np.sqrt(np.square(speech).mean()) == pytest.approx(ACTIVE_RMS, rel=0.05)


def test_normalized_silence_stays_silence():
    assert not AudioTrack(np.zeros(16_000, np.float32), 16_000).normalized().samples.any()


def test_saving_and_loading_gives_the_sound_back(tmp_path):
    track = AudioTrack(sine(0.5, 22_050), 22_050)
    track.save(tmp_path / "a.wav")
    again = AudioTrack.load(tmp_path / "a.wav")
    assert again.sample_rate == 22_050
    assert np.abs(again.samples - track.samples).max() < 1e-4
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_saving_to_an_unknown_kind_or_place_is_refused_and_leaves_nothing(tmp_path):
    track = AudioTrack(sine(0.5, 16_000), 16_000)
    for path in (tmp_path / "a.xyz", tmp_path / "absent" / "a.wav"):
        with pytest.raises(MediaError, match="cannot write"):
            track.save(path)
    assert not list(tmp_path.iterdir())


def test_a_float_recording_beyond_full_scale_is_scaled_with_a_warning(tmp_path, caplog):
    soundfile.write(tmp_path / "a.wav", sine(0.5, 16_000) * 60_000, 16_000, subtype="FLOAT")
    with caplog.at_level(logging.WARNING):
        track = AudioTrack.load(tmp_path / "a.wav")
    assert np.abs(track.samples).max() == pytest.approx(1.0, abs=1e-3)
    assert "scaled" in caplog.text


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path, value):
    samples = sine(0.5, 16_000)
    samples[100] = value
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(MediaError, match="NaN"):
        AudioTrack.load(tmp_path / "a.wav")
    with pytest.raises(MediaError, match="NaN"):
        AudioTrack(samples, 16_000)


def test_a_sound_of_no_length_is_refused(tmp_path):
    for count in (0, 1, 100):
        soundfile.write(tmp_path / "a.wav", np.zeros(count), 16_000)
        with pytest.raises(MediaError, match="at least"):
            AudioTrack.load(tmp_path / "a.wav")


@pytest.mark.parametrize(
    "header",
    [
        wav_header(rate=0),
        wav_header(rate=1),
        wav_header(rate=4_000_000_000),
        wav_header(channels=0),
        wav_header(channels=65_535),
        wav_header(bits=0),
        wav_header(bits=255),
        b"RIFF\xff\xff\xff\xffWAVE",
        b"RIFF",
    ],
)
def test_absurd_headers_are_refused(tmp_path, header):
    path = tmp_path / "a.wav"
    path.write_bytes(header + b"data" + struct.pack("<I", 3200) + bytes(3200))
    with pytest.raises(MediaError):
        AudioTrack.load(path)


def test_an_end_beyond_the_sound_is_its_end_and_a_start_beyond_is_refused(caplog):
    """`--audio-end` beyond the end of a sound was an error."""
    track = AudioTrack(sine(1.0, 16_000), 16_000)
    with caplog.at_level(logging.WARNING):
        assert track.reached(1.5) is None and track.reached(0.5) == 0.5
        assert track.reached(None) is None and track.reached(1.0) == 1.0
    (said,) = [record.getMessage() for record in caplog.records]
    assert "1.5 s" in said and "1.00 s" in said
    with pytest.raises(MediaError, match="earlier start"):
        track.cut(1.0, None)


def test_a_sound_is_cut_or_filled_with_silence_to_a_length():
    track = AudioTrack(np.full(8_000, 0.5, np.float32), 16_000)
    assert track.lasting(0.25).duration_s == 0.25
    longer = track.lasting(1.0)
    assert longer.duration_s == 1.0 and not longer.samples[8_000:].any()
