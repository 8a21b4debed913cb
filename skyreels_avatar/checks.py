"""Validate user input with messages that state what is allowed."""

from __future__ import annotations

import math
import types
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from skyreels_avatar.errors import InputError

MAX_SEED = 2**63 - 1  # what a torch.Generator takes
_REPR_LENGTH = 80  # characters of a wrong value that a message repeats


def short_repr(value: object) -> str:
    """Return the repr of any value, shortened for messages."""
    try:
        text = repr(value)
    except Exception:  # integers of thousands of digits, objects of others
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= _REPR_LENGTH else text[: _REPR_LENGTH - 3] + "..."


def check_choice(name: str, value: object, allowed: Sequence[str]) -> None:
    """Refuse a value that is not one of the allowed words."""
    if not isinstance(value, str) or value not in allowed:
        raise InputError(f"{name} must be one of {', '.join(allowed)}, got {short_repr(value)}")


def check_number(name: str, value: object, low: float, high: float) -> float:
    """Return a number as float; refuse other values and numbers out of range."""
    number = math.nan
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} must be a number, got {short_repr(value)}")
    if not low <= number <= high:
        allowed = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise InputError(f"{name} must be {allowed}, got {number:g}")
    return number


def check_integer(name: str, value: object, low: int, high: int) -> None:
    """Refuse a value that is not a whole number in a range."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(
            f"{name} must be a whole number from {low} to {high}, got {short_repr(value)}"
        )


_WORDS = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path",
    type(None): "nothing",
}  # fmt: skip


def check_fields(instance: Any) -> None:
    """Refuse values of a dataclass whose types contradict the annotations.

    Looked at are fields of text, numbers, truth values and paths, and unions of them; whole numbers
    may stand for numbers, text for paths.

    Raises:
        InputError: names the first such field, what it takes and what it was given.
    """
    for name, allowed in _simple_fields(type(instance)):
        value = getattr(instance, name)
        taken = {float: (int, float), Path: (str, Path)}
        kinds = tuple(kind for one in allowed for kind in taken.get(one, (one,)))
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in allowed):
            words = " or ".join(_WORDS[kind] for kind in allowed)
            raise InputError(f"{name} must be {words}, got {short_repr(value)}")


@cache
def _simple_fields(cls: type) -> list[tuple[str, tuple[type, ...]]]:
    """Return the fields of a dataclass whose types are all among `_WORDS`, with these types."""
    hints, found = get_type_hints(cls), []
    for item in fields(cls):
        hint = hints[item.name]
        is_union = get_origin(hint) in (Union, types.UnionType)
        allowed = get_args(hint) if is_union else (hint,)
        if Path in allowed:  # text may always stand for it
            allowed = tuple(kind for kind in allowed if kind is not str)
        if all(kind in _WORDS for kind in allowed):
            found.append((item.name, allowed))
    return found


def user_path(value: str | Path) -> Path:
    """Return a path with the home folder in the place of a leading ~.

    Raises:
        InputError: there is no such user, or the name is not a path.
    """
    try:
        path = Path(value).expanduser()
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{str(value)[:500]} begins with a user who has no home folder") from error
    if "\0" in str(path):
        raise InputError(f"a path must not contain null bytes, got {short_repr(str(path))}")
    return path


def set_path(instance: object, name: str) -> None:
    """Convert a field of a frozen instance to a path."""
    value = getattr(instance, name)
    if value is not None:
        if not isinstance(value, (str, Path)):
            raise InputError(f"{name} must be a path, got {short_repr(value)}")
        user_path(value)
        object.__setattr__(instance, name, Path(value))
