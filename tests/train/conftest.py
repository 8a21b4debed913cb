"""A tiny corpus and tiny networks of the real classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from skyreels_avatar.loading.components import Components, build_components
from skyreels_avatar.loading.tiers import load_tier
from tests.train.video.footage import (  # noqa: F401 - fixtures of networks that draw pixels
    own_footage,
    studio,
    video_config,
    windows,
)
from train.config import TrainConfig
from train.data.cache import TRACK_FRAMES, write_shard


def _track(rng: np.random.Generator) -> dict[str, np.ndarray]:
    active = (np.arange(TRACK_FRAMES) % 60 < 45).astype(float)
    gap = 0.03 * active * (1 + np.sin(np.arange(TRACK_FRAMES) * 0.9))
    mouth = np.zeros((TRACK_FRAMES, 8))
    mouth[:, 0], mouth[:, 1] = gap, 0.6 * gap
    mel = np.repeat(gap / 0.03 - 1, 4)[:, None] + 0.1 * rng.standard_normal((4 * TRACK_FRAMES, 80))
    return {"mel": mel, "mouth": mouth, "stress": active * 0.1, "active": active}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one shard each of simulated, real and held-out tracks."""
    folder, rng = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0)
    for prefix in ("synthetic", "real", "held-out"):
        write_shard(folder / f"{prefix}-000.npz", [_track(rng) for _ in range(4)])
    return folder


@pytest.fixture
def tiny_tier(tmp_path: Path) -> Path:
    """A tier file with networks of two small blocks."""
    path = tmp_path / "tiny.yaml"
    path.write_text(
        """
weights: {vae: v, transformer: t, controlnet: c, audio_encoder: a, text_encoder: x}
sizes:
  transformer: {patch_size: [1, 1, 1], num_attention_heads: 2, attention_head_dim: 12,
    in_channels: 68, out_channels: 32, text_dim: 16, audio_dim: 16, freq_dim: 32, ffn_dim: 32,
    num_layers: 2, audio_qk_norm: true, num_audio_positions: 12, num_width_positions: 4,
    distilled: true}
  controlnet: {patch_size: [1, 1, 1], hidden_channels: 36, control_channels: 36, embed_dim: 24,
    dim: 12, num_attention_heads: 1, ffn_dim: 16, num_layers: 2, time_embed_dim: 16,
    num_width_positions: 4}
  audio_encoder: {dim: 16, hidden_dim: 16, num_layers: 1}
  text_encoder: {dim: 16, num_tokens: 6, num_buckets: 64, num_layers: 1, num_heads: 2, style_dim: 5}
"""
    )
    return path


@pytest.fixture
def tiny_parts(tiny_tier: Path) -> Components:
    """Tiny networks of the nano tier with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_components(load_tier(str(tiny_tier)))


@pytest.fixture
def tiny_config(tiny_tier: Path, corpus: Path, tmp_path: Path) -> TrainConfig:
    """Three steps of two windows."""
    config = TrainConfig(
        run=str(tmp_path / "run"),
        tier=str(tiny_tier),
        train=["transformer", "audio_encoder", "text_encoder"],
        num_steps=3,
        batch_size=2,
        warmup_steps=1,
        log_every=1,
        save_every=2,
        validate_every=3,
        bf16=False,
    )
    config.data.cache, config.data.num_frames = str(corpus), 17
    return config
