"""The ControlNet of Uni3C, with the time embedding of the transformer it belongs to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("accelerate", reason="the studio extra is not installed")

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.uni3c import CONTROLNET_FORMAT
from tests.loading.checkpoints.public_files import load


def test_the_published_names_fill_the_controlnet(golden_dir: Path, tmp_path: Path) -> None:
    source = golden_dir / "uni3c_controlnet"
    config = json.loads((source / "config.json").read_text())
    tensors = load_file(source / "controlnet.safetensors")
    torch.save(tensors, tmp_path / "controlnet.pth")
    sizes = {"num_heads": config["controlnet"]["num_heads"], "freq_dim": config["dit"]["freq_dim"]}
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    times = {
        key.removeprefix("condition_embedder."): value
        for key, value in load_file(source / "dit.safetensors").items()
        if ".time_embedder." in key
    }
    module = load(tmp_path, CONTROLNET_FORMAT, extra=times)
    assert module.config.ray_channels == config["controlnet"]["add_channels"]
    with pytest.raises(CheckpointError, match="missing: time_embedder"):
        load(tmp_path, CONTROLNET_FORMAT)
