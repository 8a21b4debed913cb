"""Sound is encoded by the window, as if it were encoded whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.models.audio_encoder import AudioEncoder, audio_windows, log_mel
from skyreels_avatar.pipeline.shot_sound import ShotSound
from skyreels_avatar.planning.segments import plan_segments
from skyreels_avatar.shapes import latent_frames


@pytest.fixture(scope="module")
def encoder() -> AudioEncoder:
    torch.manual_seed(0)
    return AudioEncoder(dim=16, hidden_dim=16, num_layers=3).eval()


@pytest.mark.parametrize("duration_s", [0.3, 2.0, 5.03])
def test_windows_hear_what_they_would_hear_in_the_whole_sound(encoder, duration_s):
    samples = np.random.default_rng(0).normal(0, 0.1, int(duration_s * 16_000)).astype(np.float32)
    sound = ShotSound([AudioTrack(samples, 16_000)], encoder, separate=True)
    with torch.no_grad():
        whole = encoder(log_mel(AudioTrack(samples, 16_000).normalized().samples)[None])
        for segment in plan_segments(round(duration_s * 25)):
            count = latent_frames(segment.num_frames)
            heard = sound.window(segment, count)
            expected = audio_windows(whole, segment.first_frame, count)
            # Convolutions over shorter pieces add up in another order.
            torch.testing.assert_close(heard, expected, atol=2e-5, rtol=1e-4)
