"""Features of speech, one row a video frame, from a tiny network of wav2vec 2.0's class."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="the studio extra is not installed")

import transformers

from skyreels_avatar.models import speech_encoder
from skyreels_avatar.models.audio_projector import AudioProjector
from skyreels_avatar.models.speech_encoder import ProjectedSound, SpeechEncoder, SpeechTokens


class Clip:
    """A sound that an encoder reads."""

    def __init__(self, samples: np.ndarray):
        self.samples, self.num_samples = samples, len(samples)

    def read(self, start: int, count: int) -> np.ndarray:
        return self.samples[start : start + count]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    return transformers.Wav2Vec2Model(config).eval()


def voice(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(16_000 * seconds)).astype(np.float32)


def test_there_is_one_row_a_frame_and_every_layer_is_heard(model):
    encoder = SpeechEncoder(model)
    assert encoder(voice(1.01)).shape == (26, 2, 8)
    assert encoder.num_rows(16_000) == 25 and encoder.num_rows(16_001) == 26


def test_loudness_counts_only_where_the_checkpoint_says_so(model):
    samples = voice(0.6)
    normal = SpeechEncoder(model)
    torch.testing.assert_close(normal(4 * samples), normal(samples), atol=1e-3, rtol=1e-3)
    plain = SpeechEncoder(model, normalize=False)
    assert not torch.allclose(plain(4 * samples), plain(samples), atol=1e-3)


def test_long_sounds_are_heard_in_pieces_with_their_neighbours(model, monkeypatch):
    samples = voice(4.0)
    whole = SpeechEncoder(model)(samples)
    monkeypatch.setattr(speech_encoder, "CHUNK_S", 1.0)
    monkeypatch.setattr(speech_encoder, "CONTEXT_S", 1.0)
    pieces = SpeechEncoder(model)(samples)
    assert pieces.shape == whole.shape and not torch.equal(pieces, whole)
    # Attention sees less, the place in time is the same: each row is nearest to its own.
    nearest = torch.cdist(pieces.flatten(1), whole.flatten(1)).argmin(1)
    assert (nearest - torch.arange(100)).abs().float().median() == 0


def test_tokens_of_a_window_come_from_the_whole_sound(model):
    tokens = SpeechTokens(SpeechEncoder(model), AudioProjector(2, 8, 8, 6, 4)).eval()
    encoded = tokens.encode_sound(Clip(voice(2.0)))
    assert tokens.token_dim == 6 and encoded.tokens(8, 3).shape == (1, 3, 4, 6)
    assert not torch.allclose(encoded.tokens(8, 3), encoded.tokens(12, 3))


def test_no_audio_is_features_of_zero_through_the_projector():
    """It was zero tokens, which the biases of the projector never make: 28 to 34 % RMS."""
    torch.manual_seed(0)
    projector = AudioProjector(2, 6, 8, 6, num_tokens=4)
    sound = ProjectedSound(torch.randn(30, 2, 6), projector)
    with torch.no_grad():
        silent = sound.no_audio(3)
        expected = projector(torch.zeros(1, 1, 5, 2, 6), torch.zeros(1, 2, 8, 2, 6))
    assert silent.shape == (1, 3, 4, 6)
    torch.testing.assert_close(silent, expected)
    assert silent.abs().max() > 0.1
