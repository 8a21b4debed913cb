"""Make the cache of speech tracks: simulated talkers, GRID where it is there, and held-out ones."""

from __future__ import annotations

from pathlib import Path

from train.config import TrainConfig
from train.data.cache import make_shards
from train.data.clips import NUM_TRAINING_CLIPS, load_grid
from train.data.simulate.speech import HELD_OUT_VOICES, VOICES


def run(config: TrainConfig) -> None:
    """Write the shards that are missing; validation voices are never used for training."""
    data, folder = config.data, Path(config.data.cache)
    size = data.tracks_per_shard
    make_shards(folder, "held-out", 1, min(size, 100), 1, HELD_OUT_VOICES)
    if data.grid:
        clips = load_grid(Path(data.grid), 0, NUM_TRAINING_CLIPS)
        make_shards(folder, "real", data.real_shards, size, config.seed, (), clips)
    make_shards(folder, "synthetic", data.synthetic_shards, size, config.seed, VOICES)
