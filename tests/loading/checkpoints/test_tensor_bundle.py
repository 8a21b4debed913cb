"""A checkpoint of TensorFlow is read: written here byte by byte, as the format says."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.tensor_bundle import read_tensor_bundle
from tests.loading.checkpoints.bundles import write_tensor_bundle


def test_tensors_come_back_by_name_and_shape(tmp_path: Path) -> None:
    wanted = {
        "layer/bias": torch.arange(3.0),
        "layer/kernel": torch.randn(2, 5, 3, 4),
        "layer_1/kernel": torch.randn(300, 2),
        "scalar": torch.tensor(2.5),
    }
    write_tensor_bundle(tmp_path / "model", wanted)
    found = read_tensor_bundle(tmp_path / "model")
    assert list(found) == sorted(wanted)
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor)


def test_other_types_are_left_out(tmp_path: Path) -> None:
    write_tensor_bundle(tmp_path / "model", {"a": torch.ones(2), "step": np.array([7], np.int64)})
    assert list(read_tensor_bundle(tmp_path / "model")) == ["a"]


@pytest.mark.parametrize("damage", ["absent", "cut", "no table", "compressed", "short data"])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, damage: str) -> None:
    prefix = tmp_path / "model"
    if damage != "absent":
        write_tensor_bundle(prefix, {"a": torch.ones(200)}, compression=damage == "compressed")
        index, data = prefix.with_suffix(".index"), Path(f"{prefix}.data-00000-of-00001")
        if damage == "cut":
            index.write_bytes(index.read_bytes()[-48:])
        elif damage == "no table":
            index.write_bytes(b"x" * 100)
        elif damage == "short data":
            data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="not a TensorFlow checkpoint"):
        read_tensor_bundle(prefix)


def test_the_magic_number_is_that_of_leveldb() -> None:
    from skyreels_avatar.loading.checkpoints import tensor_bundle

    assert struct.pack("<Q", tensor_bundle._MAGIC) == bytes.fromhex("57fb808b247547db")
