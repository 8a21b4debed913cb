"""Print the table of the closure gate for the weights of a folder, or for those that ship."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path

import torch

from skyreels_avatar.loading.components import load_components
from train.closures import judge_voice, table
from train.config import TrainConfig
from train.data.held_back import make_held_back
from train.data.spoken import read_banks
from train.loop import with_weights

logger = logging.getLogger(__name__)


def run(config: TrainConfig) -> None:
    """Judge `start_from` (the rest is as it ships); write closures.json into `run`."""
    torch.set_num_threads(config.threads)
    data, folder = config.data, Path(config.data.cache)
    parts = load_components(config.tier)
    if config.start_from:
        parts = with_weights(parts, Path(config.start_from))
    judged = {}
    for name in make_held_back(folder, data.kokoro, data.readers):
        judged[name] = judge_voice(parts, read_banks(folder, f"judged-{name}"))
        logger.info("%s: %d of %d shut", name, judged[name].shut, judged[name].sounds)
    print(table(judged))
    if any(folder.glob("recorded-held-*.npz")):
        people = {"people held back": judge_voice(parts, read_banks(folder, "recorded-held"))}
        print(table(people))
        judged |= people
    path = Path(config.run) / "closures.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({name: asdict(one) for name, one in judged.items()}, indent=1))
