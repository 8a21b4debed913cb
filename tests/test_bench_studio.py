"""The studio bench runs on small sizes, so that it is ready where there is a GPU."""

from __future__ import annotations

import json
import sys

import pytest

pytest.importorskip("diffusers.models.autoencoders.autoencoder_kl_wan")

from tests import bench_studio


@pytest.mark.parametrize("policy", [[], ["--offload"], ["--fp8"]], ids=["plain", "offload", "fp8"])
def test_small_sizes(policy: list[str], tmp_path, monkeypatch, capsys) -> None:
    output = tmp_path / "rows.json"
    line = ["bench", "--tiny", "--device", "cpu", "--runs", "1", "--output", str(output)]
    monkeypatch.setattr(sys, "argv", [*line, *policy])
    bench_studio.main()
    rows = json.loads(output.read_text())
    assert {"transformer, tiny, pass", "VAE, tiny, decode"} <= {row["name"] for row in rows}
    assert all(row["seconds"] > 0 and row["tflop"] > 0 for row in rows)
    assert "of peak" in capsys.readouterr().out


def test_real_sizes_need_a_gpu(monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--device", "cpu"])
    with pytest.raises(SystemExit, match="need a GPU"):
        bench_studio.main()


def test_counting_needs_no_gpu_and_agrees_with_running(tmp_path, monkeypatch) -> None:
    """Of small sizes: the operations are those of a run, but for attention, which torch does not
    count on a CPU; and every call keeps some memory.
    """
    rows = []
    for how in (["--count"], ["--device", "cpu", "--runs", "1"]):
        output = tmp_path / "rows.json"
        monkeypatch.setattr(sys, "argv", ["bench", "--tiny", "--output", str(output), *how])
        bench_studio.main()
        rows.append({row["name"]: row for row in json.loads(output.read_text())})
    counted, run = rows
    assert counted.keys() == run.keys()
    for name, row in counted.items():
        assert row["memory_gb"] > 0 and row["tflop"] > run[name]["tflop"] * 0.99
        if name.startswith("VAE"):
            assert row["tflop"] == pytest.approx(run[name]["tflop"], rel=0.02)
