"""Learn motion from sound and words: transformer, audio encoder and text encoder together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.loading.tiers import load_tier
from train.config import TrainConfig
from train.data.cache import read_shards
from train.data.mel_variation import record_mel, vary_mel
from train.data.windows import WindowOptions, WindowSampler
from train.loop import Run
from train.objective import loss_parts, make_text_head
from train.validate import Validator


def make_sampler(config: TrainConfig) -> WindowSampler:
    """Return the source of training windows that a configuration asks for."""
    data, folder = config.data, Path(config.data.cache)
    real = read_shards(folder, "real") if data.real_share > 0 else None
    natural = read_shards(folder, "natural") if data.natural_share > 0 else None
    options = WindowOptions(
        data.num_frames,
        data.real_share,
        data.natural_share,
        camera_share=data.camera_share,
        retalk_share=data.retalk_share,
    )
    return WindowSampler(read_shards(folder, "synthetic"), real, options, natural)


def held_out_sampler(config: TrainConfig, **shares: float) -> WindowSampler:
    """Return a source of windows of voices that are never trained on, for validation.

    Args:
        shares: options of the windows, instead of the configuration's.
    """
    data = config.data
    asked = {"camera_share": data.camera_share, "retalk_share": data.retalk_share, **shares}
    options = WindowOptions(data.num_frames, real_share=0.0, **asked)
    return WindowSampler(read_shards(Path(data.cache), "held-out"), None, options)


def run(config: TrainConfig) -> None:
    """Train; batch and noise depend on (seed, step) alone, so resuming changes nothing."""
    sampler, validator = make_sampler(config), Validator(config.data)
    text_head = make_text_head(load_tier(config.tier).sizes["text_encoder"]["dim"])

    def step_loss(parts, step: int) -> dict[str, torch.Tensor]:
        batch = sampler.batch(config.batch_size, np.random.default_rng([config.seed, step]))
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        mel = record_mel(vary_mel(batch.mel, generator), generator)
        batch = replace(batch, mel=mel)
        return loss_parts(parts, batch, config.loss, generator, text_head=text_head)

    Run(config, {"text_head": text_head}).train(step_loss, validator)
