"""Whisper's layers as the published pipeline hears them, at the rate of the video."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("transformers", reason="the studio extra is not installed")

from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from skyreels_avatar.models import whisper_features
from skyreels_avatar.models.whisper_features import WhisperFeatures

VALUES = Path(__file__).resolve().parents[1] / "parity" / "longcat" / "values.safetensors"


def encoder(num_layers: int = 32) -> WhisperEncoder:
    """Return a tiny encoder whose weights are sine waves."""
    model = WhisperEncoder(
        WhisperConfig(
            d_model=4, encoder_layers=num_layers, encoder_attention_heads=1, encoder_ffn_dim=4,
            num_mel_bins=16,
        )
    ).eval()  # fmt: skip
    for name, values in model.state_dict().items():
        at = torch.arange(values.numel(), dtype=torch.float64).view(values.shape)
        wave = torch.sin(0.7 * at + zlib.crc32(name.encode()) % 97)
        is_matrix, is_scale = values.dim() > 1, name.endswith("norm.weight")
        values.copy_(float(is_scale) + wave * (values[0].numel() ** -0.5 if is_matrix else 0.2))
    return model


def tone(num_samples: int) -> np.ndarray:
    time = np.arange(num_samples) / 16_000
    swelling = 0.3 * np.sin(1400 * time) * np.sin(9 * time)
    return (swelling + 0.05 * np.sin(12_000 * time)).astype(np.float32)


@torch.no_grad()
def test_features_are_those_of_the_published_pipeline() -> None:
    expected = load_file(VALUES)["in.whisper"]
    made = WhisperFeatures(encoder())(tone(19_200))
    assert made.shape == expected.shape == (30, 5, 4)
    assert expected.std() > 0.1
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_long_sounds_are_encoded_in_chunks(monkeypatch) -> None:
    """Of 30 seconds; the features of a chunk do not depend on another's."""
    monkeypatch.setattr(whisper_features, "CHUNK", 16_000)
    features = WhisperFeatures(encoder(num_layers=4), fps=50.0)
    monkeypatch.setattr(features, "_encode", lambda samples: _seconds(samples))
    rows = features(np.concatenate([np.full(16_000, level, np.float32) for level in (1, 2, 3)]))
    assert rows.shape == (150, 1, 1)
    assert rows[:, 0, 0].tolist() == [*[1.0] * 50, *[2.0] * 50, *[3.0] * 50]


def _seconds(samples: np.ndarray) -> torch.Tensor:
    return torch.full((len(samples) // 320, 1, 1), float(samples[0]))


def test_a_sound_shorter_than_a_frame_has_a_row() -> None:
    assert WhisperFeatures(encoder(num_layers=4))(tone(100)).shape == (1, 5, 4)
