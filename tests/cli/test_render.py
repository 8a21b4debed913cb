"""`render`: a film as a line or JSON."""

from __future__ import annotations

import json

import pytest

from skyreels_avatar import cli
from skyreels_avatar.api import rendering
from skyreels_avatar.cli.render import shot_numbers
from skyreels_avatar.errors import Cancelled, InputError
from skyreels_avatar.film.assemble import RenderedShot
from skyreels_avatar.film.render import FilmResult
from skyreels_avatar.film.timeline import PlacedShot


@pytest.fixture
def film(root, monkeypatch):
    """The example script; making it is replaced: its second shot is missing where `only` is."""
    calls = []

    def render(script, output, **options):
        calls.append(options)
        placed = PlacedShot(0, script.shots[0], 0.0, 2.0, 0, 50)
        shots = (RenderedShot(placed, "abc", output.with_name("1.mp4"), True),)
        missing = (2,) if options["only"] else ()
        path = None if missing else output
        return FilmResult(path, shots, missing, 50, 25.0, 512, 768, 2.0, 0.0, 7.0, ("dark",))

    monkeypatch.setattr(rendering, "render", render)
    return root / "assets" / "examples" / "film.yaml", calls


def test_json_names_each_shot_and_its_video(film, tmp_path, capsys):
    path, calls = film
    output = tmp_path / "f.mp4"
    line = ["render", str(path), "-o", str(output), "--seed", "2", "--workers", "3", "--json"]
    assert cli.run(line) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["path"] == str(output) and result["warnings"] == ["dark"]
    assert (result["width"], result["height"], result["num_frames"]) == (768, 512, 50)
    (shot,) = result["shots"]
    assert shot == {
        "number": 1, "path": str(tmp_path / "1.mp4"), "is_new": True, "start_s": 0.0,
        "end_s": 2.0, "first_frame": 0, "num_frames": 50,
    }  # fmt: skip
    assert (calls[0]["seed"], calls[0]["workers"], calls[0]["only"]) == (2, 3, ())


def test_a_film_that_is_not_whole_is_null_in_json_and_said_in_words(film, tmp_path, capsys):
    line = ["render", str(film[0]), "-o", str(tmp_path / "f.mp4"), "--only", "1"]
    assert cli.run([*line, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["path"] is None and result["missing"] == [2]
    assert cli.run(line) == 0
    assert "no film yet: shots 2 are missing" in capsys.readouterr().out


def test_a_film_that_was_stopped_says_where_it_resumes(film, monkeypatch, tmp_path, capsys):
    def stop(*_, **__):
        raise Cancelled("stopped")

    monkeypatch.setattr(rendering, "render", stop)
    assert cli.run(["render", str(film[0]), "-o", str(tmp_path / "f.mp4")]) == 130
    assert f"finished shots are in {tmp_path / 'f.mp4.work'}" in capsys.readouterr().err


def test_numbers_of_shots_are_lists_and_ranges():
    assert shot_numbers("") == () and shot_numbers("3,5") == (3, 5)
    assert shot_numbers("2-4, 7") == (2, 3, 4, 7)
    for text in ("a", "1-", "-2", "1-99999", "1 2"):
        with pytest.raises(InputError, match="--only"):
            shot_numbers(text)
