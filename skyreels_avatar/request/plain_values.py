"""Requests as plain values that JSON and YAML can hold, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from skyreels_avatar.camera import moves
from skyreels_avatar.checks import short_repr
from skyreels_avatar.errors import InputError
from skyreels_avatar.request.camera_spec import CameraKeyframe

T = TypeVar("T")


def from_plain(cls: type[T], values: object) -> T:
    """Build a dataclass from a mapping of its fields.

    Raises:
        InputError: no mapping, an unknown key, or a required one is missing.
    """
    if not isinstance(values, Mapping):
        raise InputError(
            f"a {cls.__name__} is a mapping of names to values, got {short_repr(values)}"
        )
    known = {item.name: item for item in fields(cls)}
    if unknown := sorted(str(key) for key in values if key not in known):
        named = ", ".join(short_repr(key).strip("'") for key in unknown[:5])
        raise InputError(f"unknown in a {cls.__name__}: {named}; known are {', '.join(known)}")
    required = [
        name
        for name, item in known.items()
        if item.default is MISSING and item.default_factory is MISSING and name not in values
    ]
    if required:
        raise InputError(f"a {cls.__name__} needs {', '.join(required)}")
    return cls(**values)


def to_plain(value: object) -> Any:
    """Return a value without dataclasses, tuples and paths; the inverse of `from_plain`."""
    if isinstance(value, moves.CameraMove):
        plain = {item.name: getattr(value, item.name) for item in fields(value)}
        return {"move": plain.pop("name"), **plain}
    if isinstance(value, CameraKeyframe):
        return {"time_s": value.time_s, **to_plain(value.move)}
    if is_dataclass(value):
        return {item.name: to_plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def to_json(value: object) -> str:
    """Return a script or a request as JSON, which is also YAML."""
    return json.dumps(to_plain(value), indent=2, ensure_ascii=False)
