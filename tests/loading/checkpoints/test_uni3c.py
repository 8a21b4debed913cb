"""The ControlNet of Uni3C, with the time embedding of the transformer it belongs to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("accelerate", reason="the studio extra is not installed")

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.keymap import to_public
from skyreels_avatar.loading.checkpoints.uni3c import CONTROLNET, CONTROLNET_FORMAT
from skyreels_avatar.models.camera_controlnet import CameraControlNet
from tests.loading.checkpoints.public_files import load, same, write_pickled


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


@pytest.mark.parametrize(("embed_dim", "out_dim"), [(20, 24), (12, 24)])
def test_a_second_model_of_the_layout_has_widths_of_its_own(
    tmp_path: Path, embed_dim: int, out_dim: int
) -> None:
    """Residuals were taken to be as wide as the patch embedding, and `proj_in` to be there."""
    controlnet = CameraControlNet(
        embed_dim=embed_dim, dim=12, num_attention_heads=1, ffn_dim=16, num_layers=2,
        time_embed_dim=8, ray_channels=7, ray_dim=8, out_dim=out_dim, project_in=embed_dim != 12,
    )  # fmt: skip
    tensors = controlnet.state_dict()
    write_pickled(tmp_path / "uni3c", to_public(tensors, CONTROLNET), num_heads=1)
    times = {key: value for key, value in tensors.items() if key.startswith("time_embedder.")}
    loaded = load(tmp_path / "uni3c", CONTROLNET_FORMAT, extra=times)
    assert same(loaded, controlnet) and loaded.proj_out[0].out_features == out_dim
