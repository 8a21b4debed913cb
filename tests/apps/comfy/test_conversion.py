"""IMAGE and AUDIO become files and come back; what is none of them is refused."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

import skyreels_avatar as sa
from apps.comfy import conversion


def image(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def tone() -> dict:
    time_s = torch.arange(24_000) / 24_000
    left, right = torch.sin(2 * torch.pi * 220 * time_s), torch.sin(2 * torch.pi * 330 * time_s)
    return {"waveform": 0.4 * torch.stack([left, right])[None], "sample_rate": 24_000}


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_is_written_to_the_nearest_of_256_values(channels, tmp_path):
    given = image(1, 70, 90, channels)
    path = conversion.save_picture(given, tmp_path)
    pixels = np.asarray(Image.open(path))
    assert pixels.shape == (70, 90, 4 if channels == 4 else 3)
    assert np.abs(pixels / 255 - given[0].numpy()).max() <= 0.5 / 255 + 1e-6


def test_files_are_named_after_what_they_hold(tone, tmp_path):
    """The next run of a film finds its shots by their files."""
    first = conversion.save_picture(image(1, 70, 90, 3), tmp_path)
    assert first == conversion.save_picture(image(1, 70, 90, 3), tmp_path)
    assert first != conversion.save_picture(image(1, 70, 90, 3, seed=1), tmp_path)
    sound = conversion.save_sound(tone, tmp_path)
    assert sound == conversion.save_sound(tone, tmp_path)
    assert sound != conversion.save_sound({**tone, "sample_rate": 48_000}, tmp_path)


def test_values_beyond_white_and_black_are_not_wrapped(tmp_path):
    given = torch.tensor([-0.3, 1.4]).repeat(70, 35)[None, ..., None].expand(1, 70, 70, 3)
    pixels = np.asarray(Image.open(conversion.save_picture(given, tmp_path)))
    assert set(np.unique(pixels)) == {0, 255}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (image(3, 70, 90, 3), r"one picture is needed, got a batch of 3; .*ImageFromBatch"),
        (image(70, 90, 3), r"\(B, H, W, C\)"),
        (image(1, 70, 90, 2), r"1, 3 or 4 channels"),
        (image(1, 70, 90, 3) * torch.nan, "not numbers"),
    ],
)
def test_what_is_no_picture_is_refused(given, message, tmp_path):
    with pytest.raises(sa.InputError, match=message):
        conversion.save_picture(given, tmp_path)


def test_a_sound_is_written_without_loss(tone, tmp_path):
    tone["waveform"] = tone["waveform"] * 3  # beyond full scale, which 16 bits would clip
    samples, rate = soundfile.read(conversion.save_sound(tone, tmp_path), dtype="float32")
    assert rate == 24_000 and np.array_equal(samples.T, tone["waveform"][0].numpy())


@pytest.mark.parametrize(
    ("shape", "message"),
    [((2, 1, 800), "one sound"), ((1, 6, 800), "6 channels"), ((1, 1, 0), "0 samples")],
)
def test_what_is_no_sound_is_refused(shape, message, tmp_path):
    with pytest.raises(sa.InputError, match=message):
        conversion.save_sound({"waveform": torch.zeros(shape), "sample_rate": 16_000}, tmp_path)


def test_frames_and_sound_of_a_video_come_back(tone, tmp_path):
    """The video is made of gray frames, so that no color is lost between pixels."""
    gray = torch.nn.functional.interpolate(image(1, 10, 8, 10)[:, None].squeeze(1), scale_factor=8)
    given = gray[0].movedim(0, -1).repeat(1, 1, 1)
    frames = torch.nn.functional.interpolate(given[None].movedim(-1, 1), scale_factor=8)[0]
    frames = frames[..., None].expand(-1, -1, -1, 3)
    path = conversion.save_frames(frames, 10.0, tone, tmp_path)
    back = conversion.load_frames(path)
    assert back.shape == frames.shape and back.dtype == torch.float32
    assert (back - frames).abs().max() < 3 / 255
    audio = conversion.load_sound(path)
    seconds = len(frames) / 10
    assert audio["waveform"].shape == (1, 2, round(seconds * audio["sample_rate"]))


def test_a_silent_video_has_silence_of_its_length(tmp_path):
    path = conversion.save_frames(image(5, 64, 64, 3), 25.0, None, tmp_path)
    audio = conversion.load_sound(path)
    assert audio["waveform"].shape[-1] / audio["sample_rate"] == pytest.approx(0.2)
    assert not audio["waveform"].any()


def test_odd_sides_are_cut_and_said(tmp_path, caplog):
    path = conversion.save_frames(image(2, 65, 67, 3), 25.0, None, tmp_path)
    reader = sa.VideoReader(path)
    assert (reader.height, reader.width) == (64, 66)
    assert "66x64 of the frames of 67x65 are used" in caplog.text


def test_one_frame_is_no_video(tmp_path):
    with pytest.raises(sa.InputError, match="at least 2 frames"):
        conversion.save_frames(image(1, 64, 64, 3), 25.0, None, tmp_path)


def test_frames_that_do_not_fit_into_memory_are_refused():
    conversion.check_memory(25, 64, 64)
    with pytest.raises(sa.InputError, match=r"switch decode_frames off"):
        conversion.check_memory(10**9, 4096, 4096)


@pytest.mark.parametrize(
    ("fields", "size"),
    [((0, 0), None), ((512, 0), (512, 342)), ((0, 512), (768, 512)), ((64, 80), (64, 80))],
)
def test_a_side_of_0_follows_the_picture(fields, size):
    assert conversion.video_size(*fields, 768, 512) == size
