"""Convert values of a script file to the arguments of a shot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skyreels_avatar.errors import InputError
from skyreels_avatar.film.marked_yaml import Marked
from skyreels_avatar.film.spans import END_KEYS, LENGTH_KEYS


def face_selector(marked: Marked) -> object:
    """Return a face selector as text; the path of a photo is relative to the script."""
    value = marked.plain()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and (photo := marked.path.parent / value).suffix and photo.is_file():
        return str(photo)
    return value


def has_own_sound(values: Mapping[str, Marked]) -> bool:
    """Return whether a shot has its own sound: a file, a text, or a speaker's voice."""
    speakers = values["speakers"].plain() if "speakers" in values else []
    speak = isinstance(speakers, list) and any(
        isinstance(one, dict) and one.get("audio") for one in speakers
    )
    return "audio" in values or "text" in values or speak


def with_defaults(own: Mapping[str, Marked], defaults: Mapping[str, Marked]) -> dict[str, Marked]:
    """Return a shot's values merged with defaults; equivalent keys of the defaults are dropped."""
    dropped: set[str] = set()
    for group in (("image", "video"), ("audio", "text"), ("transition", "fade_s"), END_KEYS):
        if any(key in own for key in group):
            dropped |= set(group)
    if any(key in own and own[key].value is not None for key in ("audio", "text")):
        dropped |= {*LENGTH_KEYS, "vocals"}
    kept = {key: value for key, value in defaults.items() if key not in dropped}
    if "text" not in {**kept, **own}:
        kept.pop("voice", None)
    # A key without a value removes a default.
    return {key: value for key, value in {**kept, **own}.items() if value.value is not None}


def parse_strength(marked: Marked) -> Any:
    """Return a camera move in which a strength like "60%" is 0.6."""
    value = marked.plain()
    if not isinstance(value, dict) or "strength" not in value:
        return value
    strength = value["strength"]
    if isinstance(strength, str) and strength.strip().endswith("%"):
        try:
            return {**value, "strength": float(strength.strip()[:-1]) / 100}
        except ValueError:
            return value
    if isinstance(strength, (int, float)) and not isinstance(strength, bool) and strength > 1:
        raise InputError(
            f"strength must be between 0 and 1, or a percentage like 60%, got {strength:g}"
        )
    return value
