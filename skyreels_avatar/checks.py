"""Small checks of what a user gave, with messages that say what is allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from skyreels_avatar.errors import InputError


def check_word(name: str, value: object, allowed: Sequence[str]) -> None:
    """Refuse what is not one of some words."""
    if value not in allowed:
        raise InputError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")


def check_number(name: str, value: object, low: float, high: float) -> float:
    """Return a number as float, or refuse it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{name} must be a number, got {value!r}")
    if not low <= value <= high:
        allowed = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise InputError(f"{name} must be {allowed}, got {value:g}")
    return float(value)


def check_integer(name: str, value: object, low: int, high: int) -> None:
    """Refuse what is not a whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{name} must be a whole number from {low} to {high}, got {value!r}")


def set_path(instance: object, name: str) -> None:
    """Make a path of a field of a frozen instance."""
    value = getattr(instance, name)
    if value is not None:
        if not isinstance(value, (str, Path)):
            raise InputError(f"{name} must be a path, got {value!r}")
        object.__setattr__(instance, name, Path(value))
