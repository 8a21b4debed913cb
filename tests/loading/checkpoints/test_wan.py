"""Wan2.1's video VAE, CLIP and umT5 as they are published."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("accelerate", reason="the studio extra is not installed")

pytest.importorskip("transformers", reason="the studio extra is not installed")

from skyreels_avatar.loading.checkpoints import wan
from skyreels_avatar.loading.checkpoints.public import PublicFormat
from tests.loading.checkpoints.public_files import load_golden


@pytest.mark.parametrize(
    ("case", "kind"),
    [("case7_vae_weights", wan.VAE_FORMAT), ("case10_clip_vision", wan.IMAGE_ENCODER_FORMAT),
     ("case11_umt5_encoder", wan.PROMPT_ENCODER_FORMAT)],
)  # fmt: skip
def test_every_tensor_is_filled(golden_dir: Path, tmp_path: Path, case: str, kind: PublicFormat):
    module = load_golden(golden_dir, tmp_path, case, kind)
    assert not any(tensor.is_meta for tensor in module.state_dict().values())


def test_one_matrix_of_clip_becomes_three_and_the_text_tower_is_left_out() -> None:
    name = "visual.transformer.3.attn.to_qkv.weight"
    tensors = {name: torch.arange(12.0).reshape(6, 2), "textual.token": torch.zeros(1),
               "visual.cls_embedding": torch.zeros(1, 1, 4)}  # fmt: skip
    converted = wan.convert_image_encoder(tensors, "a file")
    layer = "encoder.layers.3.self_attn"
    assert converted["embeddings.class_embedding"].shape == (4,) and len(converted) == 4
    parts = [converted[f"{layer}.{part}_proj.weight"] for part in "qkv"]
    assert torch.equal(torch.cat(parts), tensors[name])


def test_the_token_table_of_umt5_stands_under_both_of_its_names() -> None:
    converted = wan.convert_prompt_encoder({"token_embedding.weight": torch.ones(3, 2)}, "a file")
    assert set(converted) == {"shared.weight", "encoder.embed_tokens.weight"}
