"""What `make bench` and `make quality` run, at their smallest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import bench, quality


def test_a_bfloat16_network_can_be_measured():
    """It ended in: mat1 and mat2 must have the same dtype."""
    row = bench.measure(bench.Case(96, "bfloat16", "push_in:60", seconds=0.4, repeats=1))
    assert row["case"] == "96 px bfloat16 push_in:60"
    assert row["num_frames"] == 10 and row["gflop_per_frame"] > 0


@pytest.mark.parametrize("images", ["", "no/such/folder", "empty"])
def test_make_quality_says_what_to_give(tmp_path: Path, monkeypatch, capsys, images: str):
    """`make quality` alone passes two empty strings, and ended in a traceback."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(sys, "argv", ["quality.py", "--images", images, "--voices", ""])
    with pytest.raises(SystemExit) as stopped:
        quality.main()
    assert stopped.value.code == 2
    wanted = "holds no pictures or recordings" if images == "empty" else "make quality IMAGES="
    assert f"{images!r}" in (said := capsys.readouterr().err) and wanted in said
