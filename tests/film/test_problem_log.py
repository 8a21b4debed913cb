"""Problems are collected once each and raised in the order of their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyreels_avatar.errors import ScriptError
from skyreels_avatar.film.marked_yaml import Marked
from skyreels_avatar.film.problem_log import ProblemLog


def test_problems_come_once_in_the_order_of_their_lines(tmp_path):
    log = ProblemLog()
    log.raise_all()  # nothing yet
    for line in (7, 3, 7):
        log.add(Marked("x", Path("f.yaml"), line), "wrong")
    log.add_file(Path("a.yaml"), ScriptError(["a.yaml:1: odd"]))
    assert len(log) == 3
    with pytest.raises(ScriptError) as caught:
        log.raise_all()
    assert caught.value.problems == ("a.yaml:1: odd", "f.yaml:3: wrong", "f.yaml:7: wrong")


def test_files_lie_beside_their_script(tmp_path):
    (tmp_path / "p.png").write_bytes(b"x")
    log = ProblemLog()
    place = tmp_path / "f.yaml"
    assert log.file(Marked("p.png", place, 1), "picture") == tmp_path / "p.png"
    assert log.file(Marked("q.png", place, 2), "picture") is None
    assert log.file(Marked(3, place, 3), "picture") is None
    with pytest.raises(ScriptError, match=r"f.yaml:2: picture not found.*f.yaml:3: the picture"):
        log.raise_all()
