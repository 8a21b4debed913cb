"""LoRAs of every public naming change the weights by scale x B A, and foreign ones are refused."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("peft", reason="the studio extra is not installed")

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.lora import fuse_lora
from skyreels_avatar.models.transformer import AvatarTransformer3DModel

RANK = 2


@pytest.fixture(scope="module")
def transformer() -> AvatarTransformer3DModel:
    torch.manual_seed(0)
    return AvatarTransformer3DModel(
        num_attention_heads=1, attention_head_dim=16, text_dim=8, audio_dim=8, freq_dim=16,
        ffn_dim=24, num_layers=2, image_dim=8, added_kv_proj_dim=16,
    ).eval()  # fmt: skip


def pair(rows: int, columns: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(RANK, columns, generator=generator),
        torch.randn(rows, RANK, generator=generator),
    )


def write(path: Path, naming: str) -> tuple[Path, dict[str, torch.Tensor]]:
    """Write a LoRA for two matrices, and return what it adds at scale 1."""
    names = {"attn1.to_q": "self_attn.q", "ffn.net.2": "ffn.2"}
    sizes = {"attn1.to_q": (16, 16), "ffn.net.2": (16, 24)}
    tensors, added = {}, {}
    for block in range(2):
        for number, (ours, theirs) in enumerate(names.items()):
            down, up = pair(*sizes[ours], seed=10 * block + number)
            alpha = 1.0
            if naming == "diffusers":
                stem = f"transformer.blocks.{block}.{ours}"
                tensors |= {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up}
            else:
                prefix = "diffusion_model." if naming == "comfy" else ""
                stem = f"{prefix}blocks.{block}.{theirs}"
                tensors |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
                if naming == "comfy":
                    alpha = 0.5
                    tensors[f"{stem}.alpha"] = torch.tensor(alpha * RANK)
            added[f"blocks.{block}.{ours}.weight"] = alpha * up @ down
    save_file(tensors, path)
    return path, added


@pytest.mark.parametrize("naming", ["diffusers", "comfy", "plain"])
def test_a_lora_is_added_to_the_weights(transformer, tmp_path: Path, naming: str) -> None:
    path, added = write(tmp_path / "lora.safetensors", naming)
    changed = copy.deepcopy(transformer)
    assert fuse_lora(changed, path, scale=0.8) == 4
    before, after = transformer.state_dict(), changed.state_dict()
    assert before.keys() == after.keys()
    for key, value in before.items():
        expected = value + 0.8 * added[key] if key in added else value
        torch.testing.assert_close(after[key], expected, atol=1e-5, rtol=1e-5)


def test_what_is_no_lora_for_this_network_is_refused(transformer, tmp_path: Path) -> None:
    save_file({"a.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="is no LoRA: it holds a"):
        fuse_lora(copy.deepcopy(transformer), tmp_path / "other.safetensors")
    down, up = pair(16, 16, 0)
    deep = {
        "transformer.blocks.9.attn1.to_q.lora_A.weight": down,
        "transformer.blocks.9.attn1.to_q.lora_B.weight": up,
    }
    save_file(deep, tmp_path / "deep.safetensors")
    with pytest.raises(CheckpointError, match=r"another network; no place for blocks\.9\.attn1"):
        fuse_lora(copy.deepcopy(transformer), tmp_path / "deep.safetensors")


def test_a_lora_of_another_width_is_refused(transformer, tmp_path: Path) -> None:
    down, up = pair(20, 20, 0)
    stem = "transformer.blocks.0.attn1.to_q"
    save_file(
        {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up}, tmp_path / "wide.safetensors"
    )
    with pytest.raises(CheckpointError, match="does not fit"):
        fuse_lora(copy.deepcopy(transformer), tmp_path / "wide.safetensors")


def test_whole_differences_beside_the_matrices_are_added(transformer, tmp_path: Path) -> None:
    """Differences of norms, biases and modulation tables were dropped without a word: 23 of 119."""
    path, added = write(tmp_path / "lora.safetensors", "comfy")
    norm, bias, table = torch.randn(16), torch.randn(32), torch.randn(1, 6, 16)
    differences = {
        "diffusion_model.blocks.0.norm3.diff": norm,
        "diffusion_model.blocks.1.audio_cross_attn.kv_linear.diff_b": bias,
        "diffusion_model.blocks.1.diff_m": table,
        "diffusion_model.head.diff_m": table[:, :2].clone(),
    }
    save_file({**load_file(path), **differences}, path)
    added |= {
        "blocks.0.norm2.weight": norm,
        "blocks.1.audio_attn.to_k.bias": bias[:16],
        "blocks.1.audio_attn.to_v.bias": bias[16:],
        "blocks.1.scale_shift_table": table,
        "scale_shift_table": table[:, :2],
    }
    changed = copy.deepcopy(transformer)
    assert fuse_lora(changed, path, scale=0.8) == 4 + 5
    before, after = transformer.state_dict(), changed.state_dict()
    for key, value in before.items():
        expected = value + 0.8 * added[key] if key in added else value
        torch.testing.assert_close(after[key], expected, atol=1e-5, rtol=1e-5)


def test_differences_that_do_not_fit_are_named(transformer, tmp_path: Path, caplog) -> None:
    path = tmp_path / "narrow.safetensors"
    save_file({"patch_embedding.diff": torch.randn(16, 16, 1, 2, 2)}, path)
    changed = copy.deepcopy(transformer)
    assert fuse_lora(changed, path) == 0
    assert "1 of 1 differences do not fit" in caplog.text
    assert "patch_embedding.weight" in caplog.text
    save_file({"blocks.0.other.diff": torch.randn(16)}, path)
    with pytest.raises(CheckpointError, match=r"unknown tensors: blocks\.0\.other"):
        fuse_lora(changed, path)
