"""The transformer of SkyReels-V3 and InfiniteTalk, and the projector beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

pytest.importorskip("accelerate", reason="the studio extra is not installed")

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.files import WeightFile
from skyreels_avatar.loading.checkpoints.skyreels_v3 import PROJECTOR_FORMAT, TRANSFORMER_FORMAT
from skyreels_avatar.loading.parts import format_of
from tests.loading.checkpoints.public_files import load, same, shard

AUDIO = ("audio_proj.", "audio_cross_attn.", "norm_x.")


def test_one_file_fills_the_transformer_and_the_projector(published: Path) -> None:
    assert format_of("transformer", published).public is TRANSFORMER_FORMAT
    assert PROJECTOR_FORMAT.fits(WeightFile(published))
    transformer, projector = load(published, TRANSFORMER_FORMAT), load(published, PROJECTOR_FORMAT)
    config = json.loads((published / "config.json").read_text())
    assert transformer.config.num_attention_heads == config["num_heads"]
    assert len(transformer.blocks) == config["num_layers"]
    assert projector.config.num_layers == config["audio_blocks"]
    assert not any(p.is_meta or p.requires_grad for p in transformer.parameters())


def test_audio_weights_are_laid_over_those_of_the_base(published: Path, tmp_path: Path) -> None:
    tensors = load_file(published / "model.safetensors")
    base, audio = tmp_path / "base", tmp_path / "audio"
    for folder in (base, audio):
        folder.mkdir()
    is_audio = {key: any(mark in key for mark in AUDIO) for key in tensors}
    shard({k: v for k, v in tensors.items() if not is_audio[k]}, base)
    (base / "config.json").write_text((published / "config.json").read_text())
    save_file({k: v for k, v in tensors.items() if is_audio[k]}, audio / "infinitetalk.safetensors")
    laid_over = load([base, audio / "infinitetalk.safetensors"], TRANSFORMER_FORMAT)
    assert same(laid_over, load(published, TRANSFORMER_FORMAT))
    with pytest.raises(CheckpointError, match=r"give Wan2\.1's files before it"):
        format_of("transformer", audio)
