"""The ControlNet equals the published Uni3C network on fixed weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from skyreels_avatar.checkpoints.keymap import convert
from skyreels_avatar.checkpoints.load import fill_module
from skyreels_avatar.checkpoints.uni3c import CONTROLNET, TIME_EMBEDDER
from skyreels_avatar.models.camera_controlnet import CameraControlNet


@pytest.mark.parametrize("prefix", ["controlnet.", ""], ids=["released", "repacked"])
@torch.no_grad()
def test_residuals_equal_the_reference(golden_dir: Path, prefix: str) -> None:
    """Bound 1e-5 of the largest value, as the golden case asks; measured 2e-6 of it."""
    folder = golden_dir / "uni3c_controlnet"
    config = json.loads((folder / "config.json").read_text())
    sizes = config["controlnet"]
    model = CameraControlNet(
        embed_dim=sizes["conv_out_dim"],
        dim=sizes["dim"],
        num_attention_heads=sizes["num_heads"],
        ffn_dim=sizes["ffn_dim"],
        num_layers=sizes["num_layers"],
        time_embed_dim=sizes["time_embed_dim"],
        freq_dim=config["dit"]["freq_dim"],
    ).eval()
    theirs = {
        prefix + key.removeprefix("controlnet.") if key.startswith("controlnet.") else key: value
        for key, value in load_file(folder / "controlnet.safetensors").items()
    }
    transformer = {
        key: value
        for key, value in load_file(folder / "dit.safetensors").items()
        if ".time_embedder." in key
    }
    tensors = convert(theirs, CONTROLNET, "case") | convert(transformer, TIME_EMBEDDER, "case")
    fill_module(model, tensors, "case")

    inputs = load_file(folder / "inputs.safetensors")
    expected = load_file(folder / "outputs.safetensors")
    residuals = model(inputs["hidden_states"], inputs["render_latent"], inputs["timestep"])
    assert len(residuals) == sizes["num_layers"]
    for index, residual in enumerate(residuals):
        reference = expected[f"residual_no_mask_cam.{index}"]
        assert (residual - reference).abs().max() <= 1e-5 * reference.abs().max()
