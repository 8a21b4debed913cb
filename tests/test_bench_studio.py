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
