"""Decoding within limits: false headers, damage, and sounds too long for memory."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import soundfile

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.audio import AudioTrack
from tests.media.sounds import sine, wav_header


def test_a_header_that_promises_more_than_there_is_gives_what_there_is(tmp_path):
    path = tmp_path / "a.wav"
    content = wav_header(size=2**31) + b"data" + struct.pack("<I", 2**31)
    path.write_bytes(content + np.full(16_000, 1000, "<i2").tobytes())
    assert AudioTrack.load(path).duration_s == pytest.approx(1.0, abs=0.01)


def test_a_sound_of_more_than_four_hours_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("skyreels_avatar.media.audio_decoding.MAX_DURATION_S", 0.5)
    soundfile.write(tmp_path / "a.wav", sine(1.0, 16_000), 16_000)
    with pytest.raises(MediaError, match="longer than"):
        AudioTrack.load(tmp_path / "a.wav")


def test_damaged_bytes_never_escape_as_another_error(tmp_path, rng):
    """Whatever bytes are flipped, loading gives a sound or a MediaError."""
    for name in ("a.wav", "a.mp3", "a.flac"):
        path = tmp_path / name
        soundfile.write(path, sine(0.3, 16_000), 16_000)
        content = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(25):
            damaged = content.copy()
            where = rng.integers(0, min(len(content), 400), size=6)
            damaged[where] = rng.integers(0, 256, size=6)
            path.write_bytes(damaged.tobytes())
            try:
                track = AudioTrack.load(path)
            except MediaError:
                continue
            assert np.isfinite(track.samples).all()


@pytest.fixture
def long_sound(tmp_path, monkeypatch):
    """Four seconds that count as too many for memory: 0.25 s of one channel are allowed."""
    monkeypatch.setattr("skyreels_avatar.media.audio_decoding.MAX_DECODED_BYTES", 4 * 4000)
    samples = (np.arange(64_000) % 1000 / 4000).astype(np.float32)
    soundfile.write(tmp_path / "long.flac", samples, 16_000)
    return tmp_path / "long.flac", samples


def test_a_sound_too_long_for_memory_is_refused_before_it_is_taken(long_sound, monkeypatch):
    """Two hours of silence in a FLAC of 1.2 MB took 5.3 GB."""
    with monkeypatch.context() as patch:
        patch.setattr(
            "skyreels_avatar.media.audio_decoding._SampleBuffer", None
        )  # nothing is decoded
        with pytest.raises(MediaError, match=r"too long to be held in memory.*audio_start"):
            AudioTrack.load(long_sound[0])


def test_a_piece_of_a_sound_too_long_for_memory_is_read(long_sound):
    path, samples = long_sound
    piece = AudioTrack.load(path, 2.0, 2.2)
    np.testing.assert_allclose(piece.samples, samples[32_000:35_200], atol=1e-4)
    np.testing.assert_allclose(AudioTrack.load(path, 3.85).samples, samples[61_600:], atol=1e-4)
    with pytest.raises(MediaError, match=r"ends at 4.00 s.*earlier start"):
        AudioTrack.load(path, 5.0, 5.2)
    with pytest.raises(MediaError, match="too long"):  # found while it is decoded
        AudioTrack.load(path, 0.0, 3.0)
