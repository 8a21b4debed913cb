"""`evaluate`: measures as a table, one list or a page; `compare`: people's choice."""

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


def test_compare_writes_a_page_and_reads_answers(printed_lines, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("x.mp4", "y.mp4"):
            (tmp_path / folder / name).touch()
    page = tmp_path / "page.html"
    assert printed_lines("compare", tmp_path / "a", tmp_path / "b", "-o", page) == [str(page)]
    answers = tmp_path / "answers.csv"
    answers.write_text("rater,video,chosen,side\np,x,A,left\np,y,B,right\n")
    assert "50% of 2 answers by 1 people" in printed_lines("compare", answers)[0]


def test_compare_names_what_it_takes(tmp_path, capsys):
    assert cli.run(["compare", str(tmp_path / "missing"), str(tmp_path)]) == 2
    assert "two folders" in capsys.readouterr().err
