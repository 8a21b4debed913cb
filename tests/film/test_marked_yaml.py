"""Values of a YAML file know their lines."""

from __future__ import annotations

import pytest

from skyreels_avatar.errors import ScriptError
from skyreels_avatar.film.marked_yaml import read_marked


def read(tmp_path, text: str):
    (tmp_path / "f.yaml").write_text(text)
    return read_marked(tmp_path / "f.yaml")


def test_values_stand_at_the_lines_of_their_keys(tmp_path):
    marked = read(tmp_path, "a: 1\nb:\n  - x\n  - y: 2\n")
    assert marked.plain() == {"a": 1, "b": ["x", {"y": 2}]}
    assert marked.value["b"].line == 2 and marked.value["b"].value[1].line == 4
    assert marked.value["b"].value[1].value["y"].problem("odd").endswith("f.yaml:4: odd")


def test_anchors_and_merges_are_resolved(tmp_path):
    marked = read(tmp_path, "base: &b {x: 1}\nmore:\n  <<: *b\n  y: 2\n")
    assert marked.plain()["more"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["f.yaml:1: the file is empty"]),
        ("a: 1\na: 2\nb: 1\nb: 2", ["f.yaml:2: 'a' is given twice", "f.yaml:4: 'b' is given"]),
        ("1: x\n[a]: y", ["f.yaml:1: a key must be a word, got 1", "f.yaml:2: a key must be"]),
        ("a: [", ["this is not valid YAML"]),
        ("a: " + "[" * 40 + "]" * 40, ["nested too deeply"]),
    ],
)
def test_every_problem_is_reported_with_its_line(tmp_path, text, problems):
    with pytest.raises(ScriptError) as caught:
        read(tmp_path, text)
    assert len(caught.value.problems) == len(problems)
    for found, wanted in zip(caught.value.problems, problems):
        assert wanted in found
