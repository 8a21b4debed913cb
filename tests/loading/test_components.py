"""The networks of a tier are built from its sizes and loaded from its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from skyreels_avatar.errors import CheckpointError, InputError
from skyreels_avatar.loading import components, parts
from skyreels_avatar.loading.checkpoints.load import save_module
from skyreels_avatar.loading.components import build_components, load_components
from skyreels_avatar.loading.memory import MemoryPolicy, ModelBytes, Work
from skyreels_avatar.loading.parts import part_classes
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.models.text_encoder import TextEncoder

TINY = """
weights: {vae: vae.st, transformer: transformer.st, controlnet: controlnet.st,
          audio_encoder: audio_encoder.st, text_encoder: text_encoder.st, light: light.st}
sizes:
  vae: {encoder_dim: 8}
  transformer: {patch_size: [1, 1, 1], num_attention_heads: 1, attention_head_dim: 12,
                in_channels: 68, out_channels: 32, text_dim: 8, audio_dim: 8,
                freq_dim: 8, ffn_dim: 8, num_layers: 1}
  controlnet: {patch_size: [1, 1, 1], hidden_channels: 36, control_channels: 36, embed_dim: 12,
               dim: 12, num_attention_heads: 1, ffn_dim: 8, num_layers: 1,
               time_embed_dim: 8, freq_dim: 8}
  audio_encoder: {dim: 8, hidden_dim: 8, num_layers: 1}
  text_encoder: {dim: 8, num_tokens: 4, num_buckets: 16, num_layers: 1, num_heads: 1}
  light: {dim: 8, num_tokens: 4, num_buckets: 16, num_layers: 1, num_heads: 1}
"""


@pytest.fixture
def tier_file(tmp_path: Path) -> Path:
    """A tier of tiny random networks, with its weights beside it."""
    torch.manual_seed(0)
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    built = build_components(load_tier(path))
    for part in part_classes():
        save_module(getattr(built, part), tmp_path / f"{part}.st")
    return path


def test_loaded_parts_carry_the_sizes_of_the_tier(tier_file: Path) -> None:
    components = load_components(tier_file)
    assert components.tier.name == "tiny"
    assert components.device == torch.device("cpu") and components.dtype == torch.float32
    for part, cls in part_classes().items():
        network = getattr(components, part)
        assert isinstance(network, cls) and not network.training
    for part, sizes in components.tier.sizes.items():
        config = getattr(components, part).config
        assert {name: config[name] for name in sizes} == sizes


def test_a_tier_may_leave_light_to_its_transformer(tier_file: Path) -> None:
    tier_file.write_text(TINY.replace(", light: light.st", ""))
    assert load_components(tier_file).light is None


def test_parts_work_together(tier_file: Path) -> None:
    parts = load_components(tier_file)
    latents = torch.randn(1, 68, 3, 1, 4)
    timestep = torch.tensor([500.0])
    with torch.no_grad():
        text = parts.text_encoder(["a woman smiles"])
        tokens = parts.audio_encoder(torch.randn(1, 36, 80))
        residuals = parts.controlnet(latents, torch.randn(1, 36, 3, 1, 4), timestep)
        audio = torch.stack([tokens] * 3, dim=1)
        velocity = parts.transformer(latents, timestep, text, audio, control_residuals=residuals)
        motion = parts.vae.unpack(velocity)
    assert velocity.shape == (1, 32, 3, 1, 4)
    assert motion.shape == (1, 9, 32)


def test_components_are_kept_per_process(tier_file: Path) -> None:
    assert load_components(tier_file) is load_components(tier_file)


def test_only_the_large_networks_run_at_reduced_precision(tier_file: Path) -> None:
    components = load_components(tier_file, dtype=torch.bfloat16)
    assert components.transformer.patch_embedding.weight.dtype == torch.bfloat16
    assert components.controlnet.proj_in.weight.dtype == torch.bfloat16
    assert components.audio_encoder.proj_out.weight.dtype == torch.float32


def test_missing_weights_are_named(tier_file: Path) -> None:
    (tier_file.parent / "controlnet.st").unlink()
    with pytest.raises(CheckpointError, match=r"no weights at .*controlnet\.st"):
        load_components(tier_file)


def test_parts_of_other_widths_are_refused_before_the_first_frame(tier_file: Path) -> None:
    other = TextEncoder(dim=6, num_tokens=4, num_buckets=16, num_layers=1, num_heads=1)
    save_module(other, tier_file.parent / "text_encoder.st")
    with pytest.raises(CheckpointError, match=r"text_encoder tokens are 6 wide.*transformer is 8"):
        load_components(tier_file)


@pytest.mark.parametrize("device", ["toaster", "cuda"])
def test_a_device_that_is_not_there_is_refused(tier_file: Path, device: str) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match=device):
        load_components(tier_file, device=device)


@pytest.mark.parametrize(
    "sizes", [{"voice_box": {"dim": 8}}, {"text_encoder": {"flavour": "sweet"}}]
)
def test_unknown_sizes_are_refused(tier_file: Path, sizes: dict) -> None:
    tier = load_tier(tier_file)
    with pytest.raises(InputError, match=r"voice_box|flavour"):
        build_components(replace(tier, sizes={**tier.sizes, **sizes}))


def test_shipped_sizes_fit_together_and_stay_small() -> None:
    """Half-precision weights of all parts lie in the repository: below 40 MB."""
    components = build_components(load_tier("nano"))
    count = sum(
        p.numel() for part in part_classes() for p in getattr(components, part).parameters()
    )
    assert 2 * count < 40e6


def test_sizes_that_do_not_fit_together_are_refused(tier_file: Path) -> None:
    tier = load_tier(tier_file)
    sizes = {**tier.sizes, "audio_encoder": {"dim": 6, "hidden_dim": 8}}
    with pytest.raises(CheckpointError, match=r"audio_encoder tokens are 6 wide.*transformer is 8"):
        build_components(replace(tier, sizes=sizes))


def test_memory_is_asked_of_the_gpu(tier_file, monkeypatch):
    """No GPU is needed: what it would answer is put in its place."""
    monkeypatch.setattr(components, "torch_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (40 * 10**9, 80 * 10**9))

    def ask(memory: str) -> MemoryPolicy:
        return components._policy_for(str(tier_file), None, memory, Work(10**6))

    assert ask("1gb") == MemoryPolicy()  # nothing is to be saved where pixels are not generated
    monkeypatch.setattr(parts, "model_bytes", lambda weights: ModelBytes(10**6))
    assert ask("auto") == ask("full") == ask("30gb") == MemoryPolicy()
    assert ask("16gb").tile_vae
    with pytest.raises(InputError, match=r"free are 1\.0"):
        ask("1gb")
