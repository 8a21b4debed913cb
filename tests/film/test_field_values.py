"""Values of a script in the form that a shot takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.film.field_values import (
    face_selector,
    has_own_sound,
    parse_strength,
    with_defaults,
)
from skyreels_avatar.film.marked_yaml import Marked


def mark(value) -> Marked:
    """Return a value with a place."""
    if isinstance(value, dict):
        value = {key: mark(item) for key, item in value.items()}
    if isinstance(value, list):
        value = [mark(item) for item in value]
    return Marked(value, Path("f.yaml"), 1)


def marks(**values) -> dict[str, Marked]:
    return {key: mark(value) for key, value in values.items()}


def test_a_photo_beside_the_script_and_a_number_become_selectors(tmp_path):
    (tmp_path / "ann.png").write_bytes(b"x")
    photo = Marked("ann.png", tmp_path / "f.yaml", 1)
    assert face_selector(photo) == str(tmp_path / "ann.png")
    assert face_selector(mark(2)) == "2"
    assert face_selector(mark("auto")) == "auto" and face_selector(mark(True)) is True


def test_a_shot_has_sound_by_a_file_a_text_or_a_speaker():
    assert has_own_sound(marks(audio="a.wav")) and has_own_sound(marks(text="hello"))
    assert has_own_sound(marks(speakers=[{"name": "ann", "audio": "a.wav"}]))
    assert not has_own_sound(marks(speakers=[{"name": "ann"}])) and not has_own_sound({})


def test_own_values_replace_defaults_that_say_the_same_in_another_way():
    defaults = marks(image="p.png", duration_s=2, voice="de", prompt="calm")
    found = with_defaults(marks(video="v.mp4", audio="a.wav"), defaults)
    assert set(found) == {"video", "audio", "prompt"}
    assert "voice" in with_defaults(marks(text="hello"), defaults)
    assert "prompt" not in with_defaults(marks(prompt=None), defaults)


def test_percentages_become_fractions_and_bare_ones_are_refused():
    assert parse_strength(mark({"move": "swing", "strength": "60%"}))["strength"] == 0.6
    assert parse_strength(mark("swing:60")) == "swing:60"
    with pytest.raises(InputError, match="or a percentage like 60%, got 60"):
        parse_strength(mark({"move": "swing", "strength": 60}))
