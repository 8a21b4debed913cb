"""Sound is encoded by the window, pictures are framed round the face."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.models.audio_encoder import AudioEncoder, audio_windows, log_mel
from skyreels_avatar.pipeline.framing import frame
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
    sound = ShotSound(AudioTrack(samples, 16_000), encoder)
    with torch.no_grad():
        whole = encoder(log_mel(AudioTrack(samples, 16_000).normalized().samples)[None])
        for segment in plan_segments(round(duration_s * 25)):
            count = latent_frames(segment.num_frames)
            heard = sound.window(segment, count)
            expected = audio_windows(whole, segment.first_frame, count)
            # Convolutions over shorter pieces add up in another order.
            torch.testing.assert_close(heard, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(256, 256), (240, 400), (400, 240), (600, 800)])
def test_the_face_lies_where_the_resized_picture_shows_it(height, width):
    box = (300.0, 90.0, 80.0, 100.0)
    pixels = np.zeros((360, 480, 3), np.uint8)
    landmarks = synthetic_landmarks(box)
    nose = landmarks[1, :2]
    y, x = np.mgrid[0:360, 0:480] + 0.5
    spot = np.exp(-((x - nose[0]) ** 2 + (y - nose[1]) ** 2) / 50)
    pixels[:] = (255 * spot[..., None]).astype(np.uint8)
    framing = frame(Portrait(pixels), height, width, [Face(box, landmarks, 1.0, 1.0)])
    portrait, (face,) = framing.picture, framing.faces
    assert (portrait.height, portrait.width) == (height, width)
    weights = portrait.pixels[..., 0].astype(float)
    y, x = np.mgrid[0:height, 0:width] + 0.5
    seen = np.array([(x * weights).sum(), (y * weights).sum()]) / weights.sum()
    assert face.landmarks[1, :2] == pytest.approx(seen, abs=0.3)
