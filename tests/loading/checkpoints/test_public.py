"""Public files are told apart by their tensors, checked by name, and loaded piece by piece."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("accelerate", reason="the studio extra is not installed")

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.files import WeightFile
from skyreels_avatar.loading.checkpoints.skyreels_v3 import PROJECTOR_FORMAT, TRANSFORMER_FORMAT
from skyreels_avatar.loading.parts import format_of
from tests.loading.checkpoints.public_files import load


def test_precision_is_reduced_but_for_norms_and_tables(published: Path) -> None:
    transformer = load(published, TRANSFORMER_FORMAT, dtype=torch.bfloat16)
    assert transformer.blocks[0].attn1.to_q.weight.dtype == torch.bfloat16
    assert transformer.blocks[0].norm2.weight.dtype == torch.float32
    assert transformer.scale_shift_table.dtype == torch.float32


def test_every_fault_is_named(published: Path, tmp_path: Path) -> None:
    tensors = load_file(published / "model.safetensors")
    del tensors["blocks.1.self_attn.q.weight"]
    tensors["blocks.1.self_attn.o.bias"] = torch.zeros(3)
    (tmp_path / "config.json").write_text((published / "config.json").read_text())
    save_file(tensors, tmp_path / "broken.safetensors")
    with pytest.raises(CheckpointError) as error:
        load(tmp_path, TRANSFORMER_FORMAT)
    assert "1 missing: blocks.1.attn1.to_q.weight" in str(error.value)
    assert "blocks.1.attn1.to_out.0.bias (3,) instead of" in str(error.value)
    tensors["surprise"] = torch.zeros(1)
    save_file(tensors, tmp_path / "broken.safetensors")
    with pytest.raises(CheckpointError, match="unknown tensors: surprise"):
        load(tmp_path, TRANSFORMER_FORMAT)


def test_what_a_file_is_not(published: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="weights of transformer, not of vae"):
        format_of("vae", published)
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="unknown kind of weights: tensors a"):
        format_of("vae", tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="no weights at"):
        load(tmp_path / "absent.safetensors", TRANSFORMER_FORMAT)
    (tmp_path / "cut.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(CheckpointError, match="damaged"):
        load(tmp_path / "cut.safetensors", TRANSFORMER_FORMAT)


def test_what_has_no_place_in_the_network_is_not_read(published: Path, monkeypatch) -> None:
    """The projector of the audio made the transformer's 38 GB be read a second time."""
    read, tensor_of = [], WeightFile.__getitem__
    monkeypatch.setattr(
        WeightFile, "__getitem__", lambda self, key: read.append(key) or tensor_of(self, key)
    )
    load(published, PROJECTOR_FORMAT)
    assert read and all(key.startswith("audio_proj.") for key in read)
    projector = set(read)
    read.clear()
    load(published, TRANSFORMER_FORMAT)
    assert len(read) == len(set(read)) and projector.isdisjoint(read)
