"""The public function `example_path`: pictures and sounds that come with this package."""

from __future__ import annotations

from pathlib import Path

from skyreels_avatar.errors import InputError
from skyreels_avatar.folders import asset_path

EXAMPLES = ("portrait.png", "portrait_man.png", "speech.wav", "film.yaml", "film.flac", "film.srt")


def example_path(name: str) -> Path:
    """Return the path of an example file: drawn portraits, a synthetic voice, a film of them.

    Args:
        name: "portrait.png", "portrait_man.png", "speech.wav", "film.yaml", "film.flac" or
            "film.srt".

    Raises:
        InputError: there is no example of that name.
    """
    if name not in EXAMPLES:
        raise InputError(f"there is no example {name!r}; the examples are {', '.join(EXAMPLES)}")
    return asset_path("examples") / name
