"""LongCat-Video-Avatar's files fill the transformer and the projector; numbers: tests/parity."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("accelerate", reason="the studio extra is not installed")

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.keymap import to_public
from skyreels_avatar.loading.checkpoints.longcat import (
    AUDIO_PROJECTOR,
    PROJECTOR_FORMAT,
    TRANSFORMER,
    load_transformer,
)
from skyreels_avatar.loading.checkpoints.public import PartFiles, load_public
from skyreels_avatar.loading.parts import detect, model_bytes
from skyreels_avatar.loading.tiers import WeightFiles
from skyreels_avatar.models.longcat_transformer import LongCatTransformer3DModel

CASE = Path(__file__).resolve().parents[2] / "parity" / "longcat" / "transformer.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base_model").mkdir()
    save_file(load_file(CASE), tmp_path / "base_model" / "model.safetensors")
    config = {"num_heads": 2, "audio_block": 5, "text_tokens_zero_pad": True}
    (tmp_path / "base_model" / "config.json").write_text(json.dumps(config))
    return tmp_path / "base_model"


def test_every_tensor_fills_one_of_two_networks(folder: Path) -> None:
    published = {key: value.float() for key, value in load_file(CASE).items()}
    transformer = load_transformer(PartFiles(folder))
    projector = load_public(PartFiles(folder), PROJECTOR_FORMAT)
    state = transformer.state_dict()
    state |= {k: -v for k, v in state.items() if k.startswith("proj_out.")}
    back = to_public(state, TRANSFORMER) | to_public(projector.state_dict(), AUDIO_PROJECTOR)
    assert back.keys() == published.keys()
    for key, value in published.items():
        assert torch.equal(back[key], value), key


def test_the_schedule_is_read_where_it_is_published(folder: Path) -> None:
    assert load_transformer(PartFiles(folder)).config.shift is None
    (folder.parent / "scheduler").mkdir()
    path = folder.parent / "scheduler" / "scheduler_config.json"
    path.write_text('{"shift": 12.0, "num_train_timesteps": 1000}')
    transformer = load_transformer(PartFiles(folder))
    assert transformer.config.shift == 12.0
    assert transformer.config.reference_position == 10  # of the published pipeline
    assert transformer.config.reference_reach == 3


def test_its_files_are_told_apart_from_other_families(folder: Path) -> None:
    rows = detect(load_file(CASE))
    assert [row.network for row in rows if row.part == "transformer"] == [
        "LongCatTransformer3DModel"
    ]
    weights = WeightFiles(vae="", transformer=str(folder), audio_encoder="", text_encoder="")
    sizes = model_bytes(weights)
    assert sizes.num_blocks == 2
    assert sizes.transformer == 2 * sum(value.numel() for value in load_file(CASE).values())


def test_a_text_that_is_padded_otherwise_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"num_heads": 2, "text_tokens_zero_pad": false}')
    with pytest.raises(CheckpointError, match="text_tokens_zero_pad: false"):
        load_transformer(PartFiles(folder))


def test_the_published_sizes_are_those_of_the_class() -> None:
    """13.6 billion weights of the base, and those that hear."""
    with torch.device("meta"):
        model = LongCatTransformer3DModel()
    count = sum(values.numel() for values in model.parameters())
    assert 15e9 < count < 17e9
