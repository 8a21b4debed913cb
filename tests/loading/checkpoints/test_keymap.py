"""Tensors of a public format are renamed by a table, and split where the table says so."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.keymap import convert, to_public

TABLE = (
    ("layer.{i}.qkv.{p}", ("blocks.{i}.q.{p}", "blocks.{i}.k.{p}", "blocks.{i}.v.{p}")),
    ("final.{p}", "proj.{p}"),
    ("unused.weight", None),
)


def test_numbers_and_kinds_are_carried_over() -> None:
    tensors = {"layer.12.qkv.bias": torch.arange(6.0), "final.weight": torch.ones(2)}
    converted = convert({**tensors, "unused.weight": torch.ones(1)}, TABLE, "a file")
    assert list(converted) == ["blocks.12.q.bias", "blocks.12.k.bias", "blocks.12.v.bias",
                               "proj.weight"]  # fmt: skip
    assert converted["blocks.12.k.bias"].tolist() == [2.0, 3.0]


def test_what_no_row_knows_is_named_with_its_file() -> None:
    tensors = {f"layer.{i}.qkv.scale": torch.ones(1) for i in range(11)}
    with pytest.raises(CheckpointError, match=r"a file has unknown tensors: .* and 3 more$"):
        convert(tensors, TABLE, "a file")
    with pytest.raises(CheckpointError, match=r"finalXweight"):  # a dot of the table is a dot
        convert({"finalXweight": torch.ones(1)}, TABLE, "a file")


def test_ours_become_public_and_come_back() -> None:
    names = [f"blocks.{i}.{part}.weight" for i in range(2) for part in "qkv"]
    ours = {name: torch.randn(2, 3) for name in names} | {"proj.bias": torch.randn(4)}
    public = to_public({**ours, "of_ours_alone": torch.ones(1)}, TABLE)
    assert public.keys() == {"layer.0.qkv.weight", "layer.1.qkv.weight", "final.bias"}
    back = convert(public, TABLE, "a file")
    assert back.keys() == ours.keys() and all(torch.equal(back[n], ours[n]) for n in ours)
