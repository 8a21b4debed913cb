"""A film is checked as a whole, and survives YAML in a file."""

from __future__ import annotations

import pytest
import yaml

from skyreels_avatar.documents import read_mapping
from skyreels_avatar.errors import InputError
from skyreels_avatar.request.script import Script
from skyreels_avatar.request.shot import Shot


def test_a_script_survives_yaml_in_a_file(tmp_path):
    shots = [Shot(image="p.png", start_s=0, end_s=2), Shot(image="q.png", start_s=2, end_s=4)]
    script = Script(shots, soundtrack="song.wav", height=720, width=1280)
    (tmp_path / "film.yaml").write_text(yaml.safe_dump(script.to_dict()))
    assert Script.from_dict(read_mapping(tmp_path / "film.yaml")) == script


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"shots": "p.png"}, "shots must be a list"),
        ({"fps": 0}, "between 1 and 120"),
        ({"width": 513}, "even"),
        ({"soundtrack": None}, "shot 1 has no audio and no text"),
    ],
)
def test_impossible_films_are_refused(values, said):
    with pytest.raises(InputError, match=said):
        Script(**{"shots": [Shot(image="p.png")], "soundtrack": "song.wav", **values})
