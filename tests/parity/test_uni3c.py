"""The ControlNet and the rays it is shown equal the published Uni3C's on fixed weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from skyreels_avatar.loading.checkpoints.keymap import convert
from skyreels_avatar.loading.checkpoints.load import fill_module
from skyreels_avatar.loading.checkpoints.uni3c import CONTROLNET, TIME_EMBEDDER
from skyreels_avatar.models.camera_controlnet import CameraControlNet
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
from tests.parity.rays import pluecker_map

BOUND = 1e-5  # of the largest value, as the golden case asks


class Case:
    """One folder of tensors."""

    def __init__(self, folder: Path):
        self.config = json.loads((folder / "config.json").read_text())
        self.inputs = load_file(folder / "inputs.safetensors")
        self.outputs = load_file(folder / "outputs.safetensors")
        self.controlnet = load_file(folder / "controlnet.safetensors")
        self.dit = load_file(folder / "dit.safetensors")

    @property
    def rays(self) -> torch.Tensor:
        mask = self.inputs["render_mask"].float()
        return torch.cat([mask, self.inputs["camera_embedding"]], dim=1)

    def make_controlnet(self, prefix: str = "controlnet.") -> CameraControlNet:
        sizes = self.config["controlnet"]
        model = CameraControlNet(
            embed_dim=sizes["conv_out_dim"],
            out_dim=self.controlnet["controlnet.proj_out.0.weight"].shape[0],
            project_in="controlnet.proj_in.weight" in self.controlnet,
            dim=sizes["dim"],
            num_attention_heads=sizes["num_heads"],
            ffn_dim=sizes["ffn_dim"],
            num_layers=sizes["num_layers"],
            time_embed_dim=sizes["time_embed_dim"],
            freq_dim=self.config["dit"]["freq_dim"],
            ray_channels=sizes["add_channels"],
            ray_dim=sizes["mid_channels"],
        ).eval()
        theirs = {
            prefix + key.removeprefix("controlnet.")
            if key.startswith("controlnet.")
            else key: value
            for key, value in self.controlnet.items()
        }
        times = {key: value for key, value in self.dit.items() if ".time_embedder." in key}
        tensors = convert(theirs, CONTROLNET, "case") | convert(times, TIME_EMBEDDER, "case")
        fill_module(model, tensors, "case")
        return model

    def make_transformer(self) -> AvatarTransformer3DModel:
        """Their transformer hears nothing: ours has an audio attention that adds nothing."""
        sizes = self.config["dit"]
        model = AvatarTransformer3DModel(
            num_attention_heads=sizes["num_attention_heads"],
            attention_head_dim=sizes["attention_head_dim"],
            in_channels=self.inputs["hidden_states"].shape[1],
            out_channels=self.outputs["dit_out"].shape[1],
            text_dim=sizes["text_dim"],
            audio_dim=8,
            freq_dim=sizes["freq_dim"],
            ffn_dim=sizes["ffn_dim"],
            num_layers=sizes["num_layers"],
            image_dim=sizes["image_dim"],
            added_kv_proj_dim=sizes["added_kv_proj_dim"],
        ).eval()
        silent = {
            key: torch.zeros_like(value)
            for key, value in model.state_dict().items()
            if "audio" in key
        }
        fill_module(model, {**self.dit, **silent}, "case")
        return model


@pytest.fixture(scope="module")
def cases(golden_dir: Path) -> list[Case]:
    folders = sorted(path.parent for path in golden_dir.glob("uni3c*/controlnet.safetensors"))
    if not folders:
        pytest.skip(f"no Uni3C case in {golden_dir}")
    return [Case(folder) for folder in folders]


def assert_near(made: torch.Tensor, expected: torch.Tensor) -> None:
    assert (made - expected).abs().max() <= BOUND * expected.abs().max()


@pytest.mark.parametrize("with_rays", [True, False])
@pytest.mark.parametrize("prefix", ["controlnet.", ""], ids=["released", "repacked"])
@torch.no_grad()
def test_residuals(cases: list[Case], prefix: str, with_rays: bool) -> None:
    for case in cases:
        check_residuals(case, prefix, with_rays)


def check_residuals(case: Case, prefix: str, with_rays: bool) -> None:
    inputs = case.inputs
    residuals = case.make_controlnet(prefix)(
        inputs["hidden_states"],
        inputs["render_latent"],
        inputs["timestep"],
        rays=case.rays if with_rays else None,
    )
    residuals = list(residuals)
    assert len(residuals) == case.config["controlnet"]["num_layers"]
    name = "residual" if with_rays else "residual_no_mask_cam"
    for index, residual in enumerate(residuals):
        assert_near(residual, case.outputs[f"{name}.{index}"])


@pytest.mark.parametrize(
    ("name", "scale", "with_rays"),
    [
        ("dit_out", 1.0, True),
        ("dit_out_strength_0p5", 0.5, True),
        ("dit_out_strength_0", 0.0, True),
        ("dit_out_no_mask_cam", 1.0, False),
    ],
)
@torch.no_grad()
def test_controlled_velocity(cases: list[Case], name: str, scale: float, with_rays: bool) -> None:
    """Residual i follows block i, at any strength."""
    for case in cases:
        check_velocity(case, name, scale, with_rays)


def check_velocity(case: Case, name: str, scale: float, with_rays: bool) -> None:
    inputs = case.inputs
    residuals = case.make_controlnet()(
        inputs["hidden_states"],
        inputs["render_latent"],
        inputs["timestep"],
        scale,
        rays=case.rays if with_rays else None,
    )
    velocity = case.make_transformer()(
        inputs["hidden_states"],
        inputs["timestep"],
        inputs["encoder_hidden_states"],
        torch.zeros(1, inputs["hidden_states"].shape[2], 1, 8),
        encoder_hidden_states_image=inputs["encoder_hidden_states_image"],
        control_residuals=residuals,
    )
    expected = case.outputs[name]
    assert (velocity - expected).abs().max() <= 2 * BOUND * expected.abs().max()


def test_rays(cases: list[Case]) -> None:
    for case in cases:
        check_rays(case)


def check_rays(case: Case) -> None:
    inputs = case.inputs
    expected = inputs["camera_embedding"][0]
    height, width = expected.shape[-2:]
    made = pluecker_map(inputs["intrinsics"], inputs["w2c"], height, width)
    assert_near(made, expected)
    plain = pluecker_map(inputs["intrinsics"], inputs["w2c"], height, width, normalize=False)
    assert_near(plain[:, -1], case.outputs["camera_embedding_unnormalized_last_frame"])
