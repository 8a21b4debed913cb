"""`evaluate`: measures as a table or one list."""

from __future__ import annotations

import json

from skyreels_avatar import cli
from skyreels_avatar.evaluation import report


def test_evaluate_prints_one_json_list(monkeypatch, capsys):
    class Report:
        def to_json(self):
            return '{"sync_r0": 0.4}'

    monkeypatch.setattr(report, "evaluate", lambda *_: Report())
    assert cli.run(["evaluate", "a.mp4", "b.mp4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"sync_r0": 0.4}] * 2


def test_the_table_fits_80_columns(printed_lines, root, tmp_path):
    output = tmp_path / "pan.mp4"
    portrait = root / "assets" / "examples" / "portrait.png"
    size = ["--size", "128x128", "--seconds", "0.6", "-o", output]
    printed_lines("camera", "--image", portrait, "--move", "swing:30", *size)
    lines = printed_lines("evaluate", output, "--reference", portrait)
    assert len(lines) > 20 and max(map(len, lines)) <= 80
