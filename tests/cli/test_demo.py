"""A first video without material of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyreels_avatar import cli
from skyreels_avatar.cli import demo
from skyreels_avatar.film.script_reader import read_script


def test_the_example_material_is_there():
    generate, render = demo.demo_arguments(False), demo.demo_arguments(True)
    for option in ("--image", "--audio"):
        assert Path(generate[generate.index(option) + 1]).is_file()
    assert len(read_script(render[1]).shots) == 3


@pytest.mark.parametrize("film", [False, True])
def test_demo_is_another_command_and_shows_it(monkeypatch, capsys, tmp_path, film):
    monkeypatch.setattr(demo, "demo_arguments", lambda film: ["generate", "--image", str(film)])
    code = cli.run(["demo", "--output", str(tmp_path / "a.mp4"), *["--film"] * film])
    said = capsys.readouterr().err
    assert code == 2, "there is no picture of that name"
    assert f"skyreels-avatar generate --image {film} --output {tmp_path}/a.mp4" in said
    assert "Traceback" not in said
