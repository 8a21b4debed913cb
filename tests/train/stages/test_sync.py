"""The stage `sync`: it trains, is judged on people held out, and continues where it was cut."""

import json
from pathlib import Path

import pytest
import torch

from skyreels_avatar.loading.checkpoints.load import load_module
from skyreels_avatar.models.sync_network import SyncNetwork
from tests.train.data.test_talking import write_talkers
from train.stages import sync


@pytest.fixture
def config(tiny_config, tmp_path):
    write_talkers(tmp_path / "talkers")
    tiny_config.data.talkers = str(tmp_path / "talkers")
    tiny_config.num_steps, tiny_config.save_every, tiny_config.validate_every = 4, 2, 4
    return tiny_config


def test_it_exports_a_network_and_judges_it_on_people_held_out(config):
    sync.run(config)
    folder = Path(config.run)
    line = json.loads((folder / "validation.jsonl").read_text().splitlines()[-1])
    assert line["step"] == 4
    assert all(0 <= line[f"talkers_{name}"] <= 1 for name in ("shift", "place", "puppet"))
    network = load_module(SyncNetwork, folder / "export" / "sync.safetensors")
    assert network.config.num_points == 47


def test_a_run_that_was_cut_gives_the_same_weights(config, tmp_path):
    config.final_lr = 1.0
    results = []
    for name, pieces in (("whole", (4,)), ("cut", (2, 4))):
        config.run = str(tmp_path / name)
        for num_steps in pieces:
            config.num_steps = num_steps
            sync.run(config)
        state = torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        results.append(torch.cat([t.flatten() for t in state["networks"]["sync"].values()]))
    assert torch.equal(*results)
