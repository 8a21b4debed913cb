"""Print the table of the closure gate for the weights of a folder, or for those that ship."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path

import torch

from skyreels_avatar.folders import asset_path
from skyreels_avatar.loading.components import Components, build_components, load_components
from skyreels_avatar.loading.tiers import load_tier
from train.closures import judge_voice, table
from train.config import TrainConfig
from train.data.held_back import make_held_back
from train.data.spoken import read_banks

logger = logging.getLogger(__name__)


def run(config: TrainConfig) -> None:
    """Judge `start_from` (what it lacks is as it ships); write closures.json into `run`."""
    torch.set_num_threads(config.threads)
    data, folder = config.data, Path(config.data.cache)
    parts = shipped_or(config)
    judged = {}
    for name in make_held_back(folder, data.kokoro, data.readers):
        judged[name] = judge_voice(parts, read_banks(folder, f"judged-{name}"))
        logger.info("%s: %d of %d shut", name, judged[name].shut, judged[name].sounds)
    print(table(judged))
    path = Path(config.run) / "closures.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({name: asdict(one) for name, one in judged.items()}, indent=1))


def shipped_or(config: TrainConfig) -> Components:
    """Return the networks of `start_from`, and what it lacks as it ships."""
    if not config.start_from:
        return load_components(config.tier)
    tier = load_tier(config.tier)
    parts = build_components(tier, config.device)
    start_from(parts, asset_path(tier.weights.transformer).parent)
    start_from(parts, Path(config.start_from))
    return parts
