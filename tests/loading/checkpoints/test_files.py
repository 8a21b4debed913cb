"""One file, shards, pickles and folders hold the same tensors; what is no such file is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("accelerate", reason="the studio extra is not installed")

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.files import WeightFile
from skyreels_avatar.loading.checkpoints.skyreels_v3 import TRANSFORMER_FORMAT
from tests.loading.checkpoints.public_files import load, same, shard


def test_shards_pickles_and_repacked_names_give_the_same_network(
    published: Path, tmp_path: Path
) -> None:
    expected = load(published, TRANSFORMER_FORMAT)
    tensors = load_file(published / "model.safetensors")
    config = (published / "config.json").read_text()
    for name in ("shards", "pickled", "repacked"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(config)
    index = shard(tensors, tmp_path / "shards")
    torch.save({"state_dict": tensors}, tmp_path / "pickled" / "model.pth")
    renamed = {f"model.diffusion_model.{key}": value for key, value in tensors.items()}
    save_file(renamed, tmp_path / "repacked" / "model.safetensors")
    for path in (index, tmp_path / "shards", tmp_path / "pickled", tmp_path / "repacked"):
        assert same(load(path, TRANSFORMER_FORMAT), expected), path


def test_a_missing_shard_is_named(published: Path, tmp_path: Path) -> None:
    index = shard(load_file(published / "model.safetensors"), tmp_path)
    (tmp_path / "shard-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match="is missing shards: shard-1"):
        load(index, TRANSFORMER_FORMAT)


def test_a_pickle_that_could_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return print, ("this must not be printed",)

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(CheckpointError, match=r"could run code.*save_file") as caught:
        load(path, TRANSFORMER_FORMAT)
    # PyTorch's own message advises to read it without protection.
    assert "weights_only" not in str(caught.value)


def test_names_and_shapes_are_known_before_a_tensor_is_read(tmp_path: Path) -> None:
    first, second = {"a": torch.ones(2, 3), "b": torch.ones(1)}, {"b": torch.zeros(4)}
    save_file(first, tmp_path / "first.safetensors")
    torch.save({"module": second}, tmp_path / "second.pt")
    found = WeightFile(tmp_path / "first.safetensors", tmp_path / "second.pt")
    assert sorted(found) == ["a", "b"] and found.shape("a") == (2, 3)
    assert torch.equal(found["b"], second["b"])  # the later file counts
    assert WeightFile(tmp_path / "first.safetensors").config() == {}
    before = found.identity()
    (tmp_path / "second.pt").write_bytes((tmp_path / "second.pt").read_bytes() + b" ")
    assert found.identity() != before


def test_an_index_without_shards_and_other_files_are_refused(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    for text, message in (("[1]", "no fields"), ("{}", "no weight_map"), ("{", "no JSON")):
        index.write_text(text)
        with pytest.raises(CheckpointError, match=message):
            WeightFile(index)
    (tmp_path / "notes.txt").write_text("weights")
    with pytest.raises(CheckpointError, match="is not a weight file"):
        WeightFile(tmp_path / "notes.txt")
