"""The transformer equals the published SkyReels-V3 A2V network on fixed weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from skyreels_avatar.checkpoints.keymap import convert
from skyreels_avatar.checkpoints.load import fill_module
from skyreels_avatar.checkpoints.skyreels_v3 import TRANSFORMER
from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.models.transformer import AvatarTransformer3DModel


@pytest.fixture(scope="module")
def folder(golden_dir: Path) -> Path:
    return golden_dir / "skyreels_v3_a2v"


@pytest.fixture(scope="module")
def model(folder: Path) -> AvatarTransformer3DModel:
    config = json.loads((folder / "case1_config.json").read_text())
    model = AvatarTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=config["num_heads"],
        attention_head_dim=config["dim"] // config["num_heads"],
        in_channels=config["in_dim"],
        out_channels=config["out_dim"],
        text_dim=config["text_dim"],
        audio_dim=config["output_dim"],
        freq_dim=config["freq_dim"],
        ffn_dim=config["ffn_dim"],
        num_layers=config["num_layers"],
        eps=config["eps"],
        image_dim=config["image_dim"],
        added_kv_proj_dim=config["dim"],
    )
    tensors = load_file(folder / "case1_weights.safetensors")
    fill_module(model, convert(tensors, TRANSFORMER, "case1"), "case1")
    return model.eval()


def _inputs(folder: Path) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    values = load_file(folder / "case1_io.safetensors")
    context = values["in.context"]
    inputs = {
        "hidden_states": torch.cat((values["in.x"][None], values["in.y"]), dim=1),
        "timestep": values["in.t"],
        "encoder_hidden_states": torch.nn.functional.pad(
            context, (0, 0, 0, 512 - context.shape[0])
        )[None],
        "audio_embeds": values["mid.audio_proj_out"],
        "encoder_hidden_states_image": values["in.clip_fea"],
    }
    return inputs, values["out"]


@torch.no_grad()
def test_velocity_equals_the_reference(model, folder: Path) -> None:
    """Bound 1e-5, as the golden case asks; measured 1.9e-6."""
    inputs, expected = _inputs(folder)
    torch.testing.assert_close(model(**inputs), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_bfloat16_autocast_stays_near_the_reference(model, folder: Path) -> None:
    """Bound: 2 % of the RMS; the reference itself in bfloat16 is 0.8 % away."""
    inputs, expected = _inputs(folder)
    with torch.autocast("cpu", torch.bfloat16):
        velocity = model(**inputs)
    assert (velocity - expected).square().mean().sqrt() < 0.02 * expected.square().mean().sqrt()


def test_unknown_tensors_are_named() -> None:
    with pytest.raises(CheckpointError, match=r"theirs has unknown tensors: blocks\.0\.extra"):
        convert({"blocks.0.extra": torch.zeros(1)}, TRANSFORMER, "theirs")
