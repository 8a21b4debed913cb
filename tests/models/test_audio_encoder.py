"""Sound becomes tokens that do not depend on where the track is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.models.audio_encoder import (
    LOG_STD,
    SILENCE,
    AudioEncoder,
    audio_windows,
    convolved,
    log_mel,
)


@pytest.fixture(scope="module")
def encoder() -> AudioEncoder:
    torch.manual_seed(0)
    return AudioEncoder(dim=8, hidden_dim=16).eval()


def _noise(num_samples: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.08, num_samples).astype(np.float32)


@pytest.mark.parametrize(
    "num_samples, num_frames", [(0, 0), (1, 1), (160, 1), (161, 2), (16000, 100)]
)
def test_log_mel_has_a_hundred_frames_a_second(num_samples: int, num_frames: int) -> None:
    assert log_mel(_noise(num_samples)).shape == (num_frames, 80)


@pytest.mark.parametrize("stride, padding", [(1, (2, 2)), (2, (2, 1))])
def test_a_matrix_product_is_the_convolution(stride: int, padding: tuple[int, int]) -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv1d(6, 4, 5, stride=stride)
    tokens = torch.randn(2, 13, 6)
    plain = conv(torch.nn.functional.pad(tokens.transpose(1, 2), padding)).transpose(1, 2)
    torch.testing.assert_close(convolved(conv, tokens, padding), plain)


def test_silence_is_the_floor_and_louder_is_higher() -> None:
    torch.testing.assert_close(log_mel(np.zeros(1600)), torch.full((10, 80), SILENCE))
    samples = _noise(16000)
    step = log_mel(samples * 10**0.5) - log_mel(samples)  # + 10 dB
    torch.testing.assert_close(step[2:-2], torch.full_like(step[2:-2], 1 / LOG_STD))


def test_frame_is_centred_on_its_time() -> None:
    """A click at 0.5 s peaks in frame 50 and lies in its neighbours' 25 ms windows alone."""
    samples = np.zeros(16000, np.float32)
    samples[8000] = 1.0
    loudness = log_mel(samples).mean(dim=1)
    assert loudness.argmax() == 50
    assert torch.equal(
        torch.nonzero(loudness > SILENCE + 1e-3).flatten(), torch.tensor([49, 50, 51])
    )


def test_pitch_moves_up_the_mel_axis() -> None:
    time_s = np.arange(16000) / 16000
    peaks = [
        int(log_mel(0.1 * np.sin(2 * np.pi * hz * time_s))[50].argmax())
        for hz in (100, 200, 400, 800, 1600, 3200, 6400)
    ]
    assert peaks == sorted(set(peaks))


def test_log_mel_of_a_cut_equals_the_cut_of_log_mel() -> None:
    samples = _noise(20000)
    whole, part = log_mel(samples), log_mel(samples[4800:])
    torch.testing.assert_close(part[3:], whole[33:], atol=1e-4, rtol=0)


def test_samples_of_two_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"mono samples \(S,\)"):
        log_mel(np.zeros((100, 2)))


@pytest.mark.parametrize("num_mels", [1, 4, 97, 100])
def test_there_is_one_token_per_video_frame(encoder: AudioEncoder, num_mels: int) -> None:
    assert encoder(torch.randn(2, num_mels, 80)).shape == (2, -(-num_mels // 4), 8)


def test_token_sees_three_tenths_of_a_second_round_its_own_middle(encoder: AudioEncoder) -> None:
    """Token f is centred on mel frame 4 f + 2; the gradient ends 30 frames to either side."""
    picture = torch.randn(1, 200, 80, requires_grad=True)
    encoder(picture)[0, 25].sum().backward()
    seen = torch.nonzero(picture.grad[0].abs().sum(dim=1)).flatten()
    assert (int(seen[0]), int(seen[-1])) == (102 - 30, 102 + 30)


class Samples:
    """A sound in memory."""

    def __init__(self, samples: np.ndarray):
        self._samples, self.num_samples = samples, len(samples)

    def read(self, start: int, count: int) -> np.ndarray:
        return self._samples[start : start + count]


@pytest.mark.parametrize("first_frame", [0, 7, 40, 60])
def test_a_window_hears_what_it_would_hear_in_the_whole_sound(
    encoder: AudioEncoder, first_frame: int
) -> None:
    """Bound: float32 rounding of convolutions over other lengths."""
    samples = _noise(2 * 16000)
    windows = encoder.encode_sound(Samples(samples)).tokens(first_frame, 5)
    whole = audio_windows(encoder(log_mel(samples)[None]), first_frame, 5)
    torch.testing.assert_close(windows, whole, atol=2e-5, rtol=1e-4)


def test_beyond_the_ends_is_silence(encoder: AudioEncoder) -> None:
    picture = torch.randn(1, 40, 80)
    quiet = torch.full((1, 60, 80), SILENCE)
    framed = encoder(torch.cat((quiet, picture, quiet), dim=1))
    torch.testing.assert_close(framed[:, 15:25], encoder(picture), atol=1e-5, rtol=1e-5)


def test_windows_hold_four_frames_and_four_on_either_side() -> None:
    tokens = torch.arange(100.0).view(1, 100, 1)
    windows = audio_windows(tokens, first_frame=40, num_latent_frames=13)
    assert windows.shape == (1, 13, 12, 1)
    assert windows[0, 1, :, 0].tolist() == list(range(37, 49))  # frames 41 .. 44, 4 before, 4 after
    assert windows[0, 0, :, 0].tolist() == list(range(33, 45))


def test_windows_repeat_the_edge_beyond_the_track() -> None:
    windows = audio_windows(torch.arange(10.0).view(1, 10, 1), 0, 4)[0, :, :, 0]
    assert windows[0].tolist() == [0] * 7 + [0, 1, 2, 3, 4]
    assert windows[3].tolist() == [5, 6, 7, 8] + [9] * 8


def test_no_audio_is_zeros_in_the_shape_of_the_tokens():
    encoder = AudioEncoder(8, 8, 1)
    sound = encoder.encode_sound(Samples(np.zeros(16_000, np.float32)))
    with torch.no_grad():
        assert sound.no_audio(5).shape == sound.tokens(0, 5).shape
    assert torch.count_nonzero(sound.no_audio(5)) == 0
