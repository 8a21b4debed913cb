"""The stage that learns what stands before faces runs, goes on from a file, and writes weights."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.checkpoints.load import load_module
from skyreels_avatar.models.occluder import OccluderNet
from tests.faces.drawing import draw_person
from train.config import load_config
from train.stages import occluder


def write_people(folder: Path) -> None:
    """Write two drawn persons to learn from and one who is kept out."""
    folder.mkdir()
    names = [f"person{number}.png" for number in range(100)]
    held = [name for name in names if zlib.crc32(name.encode()) % 1000 < 100][:1]
    learnt = [name for name in names if zlib.crc32(name.encode()) % 1000 >= 100][:2]
    for shift, name in enumerate(held + learnt):
        pixels, _, _ = draw_person(300, 320, (105.0 + 5 * shift, 60.0, 90.0, 110.0))
        Image.fromarray(pixels).save(folder / name)


def test_a_run_writes_weights_that_a_second_run_starts_from(tmp_path, monkeypatch):
    monkeypatch.setattr(occluder, "NUM_VALIDATION", 6)
    write_people(tmp_path / "people")
    how = [f"data.portraits={tmp_path / 'people'}", f"data.cache={tmp_path}", "batch_size=2"]
    config = load_config("occluder", [*how, f"run={tmp_path / 'first'}", "num_steps=2"])
    occluder.run(config)
    written = tmp_path / "first" / "export" / occluder.NAME
    first = load_module(OccluderNet, written)
    measured = json.loads((tmp_path / "first" / "validation.jsonl").read_text())
    assert measured["step"] == 2 and measured["bare"] + measured["covered"] <= 6
    more = [f"run={tmp_path / 'more'}", f"start_from={written.parent}", "num_steps=1"]
    occluder.run(load_config("occluder", [*how, *more]))
    second = load_module(OccluderNet, tmp_path / "more" / "export" / occluder.NAME)
    moved = [float((a - b).abs().max()) for a, b in zip(first.parameters(), second.parameters())]
    assert 0 < max(moved) < 0.05  # one step of a warming rate, not fresh weights
    assert np.isfinite(moved).all()


def test_a_run_that_was_stopped_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(occluder, "NUM_VALIDATION", 6)
    write_people(tmp_path / "people")
    how = [
        f"data.portraits={tmp_path / 'people'}", f"data.cache={tmp_path}", "batch_size=2",
        f"run={tmp_path / 'run'}",
    ]  # fmt: skip
    taken = []
    step = occluder._train_step
    monkeypatch.setattr(
        occluder, "_train_step", lambda *given: taken.append(len(taken)) or step(*given)
    )
    for num_steps in (2, 3):
        occluder.run(load_config("occluder", [*how, f"num_steps={num_steps}"]))
    assert len(taken) == 3  # two, and one more
    lines = (tmp_path / "run" / "validation.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 3]


def test_without_portraits_it_says_what_is_missing():
    with pytest.raises(InputError, match="portraits"):
        occluder.run(load_config("occluder", []))
