"""Checks of what a user gave: what is refused, and that the message says what is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from skyreels_avatar.checks import (
    check_choice,
    check_fields,
    check_integer,
    check_number,
    set_path,
    short_repr,
    user_path,
)
from skyreels_avatar.errors import InputError


@dataclass(frozen=True)
class Fields:
    text: str = "a"
    number: float = 1.0
    count: int | None = None
    path: str | Path = "p"
    flag: bool = False


def test_a_long_or_broken_value_is_shortened():
    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert short_repr("x") == "'x'"
    assert len(short_repr("x" * 1000)) == 80 and short_repr("x" * 1000).endswith("...")
    assert short_repr(Broken()) == "a value of type Broken"


@pytest.mark.parametrize("value", ["1", True, None, float("nan"), 10**400])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InputError, match="x must be a number"):
        check_number("x", value, 0, 1)


def test_numbers_outside_their_range_are_refused_with_it():
    assert check_number("x", 1, 0, 1) == 1.0
    with pytest.raises(InputError, match="x must be between 0 and 1, got 2"):
        check_number("x", 2, 0, 1)
    with pytest.raises(InputError, match="x must be at least 0, got -1"):
        check_number("x", -1, 0, float("inf"))
    with pytest.raises(InputError, match="whole number from 1 to 3, got True"):
        check_integer("x", True, 1, 3)
    with pytest.raises(InputError, match="x must be one of a, b, got 'c'"):
        check_choice("x", "c", ("a", "b"))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"text": 1}, "text must be text, got 1"),
        ({"number": "1"}, "number must be a number, got '1'"),
        ({"number": True}, "number must be a number, got True"),
        ({"count": 1.5}, "count must be a whole number or nothing, got 1.5"),
        ({"path": 3}, "path must be a path, got 3"),
        ({"flag": 1}, "flag must be true or false, got 1"),
    ],
)
def test_fields_of_another_type_than_annotated_are_named(values, said):
    with pytest.raises(InputError, match=said):
        check_fields(Fields(**values))


def test_whole_numbers_stand_for_numbers_and_text_for_paths():
    check_fields(Fields(number=1, path=Path("p"), count=None))


def test_paths_of_users_are_expanded_and_checked():
    assert user_path("~/a") == Path.home() / "a"
    with pytest.raises(InputError, match="no home folder"):
        user_path("~nobody-of-this-name/a")
    with pytest.raises(InputError, match="null bytes"):
        user_path("a\0b")
    instance = Fields(path="q")
    set_path(instance, "path")
    assert instance.path == Path("q")
