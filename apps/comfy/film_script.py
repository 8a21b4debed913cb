"""Scripts of films that come with a workflow: read, kept to one folder, and watched for changes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import yaml

import skyreels_avatar as sa

# The keys of a script that name files; `face` does where it is the photo of a person.
_FILE_KEYS = ("soundtrack", "transcript", "image", "video", "audio", "vocals", "motion", "face")
_PHOTO_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".heic", ".tif", ".tiff", ".avif")


def read_film(text: str, folder: Path) -> sa.Script:
    """Return the script that a text holds.

    A workflow may come from anywhere, so the files that it names lie in one folder.

    Args:
        text: YAML, as `skyreels-avatar render` reads it.
        folder: that its paths are relative to.

    Raises:
        InputError: the text is not a usable script, or names a file outside the folder.
    """
    for name in named_files(text):
        _check_inside(name, folder)
    handle, name = tempfile.mkstemp(suffix=".yaml", prefix=".script-", dir=folder, text=True)
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return sa.read_script(path)
    except sa.InputError as error:
        raise sa.InputError(str(error).replace(str(path), "script")) from error
    finally:
        path.unlink()


def named_files(text: str) -> list[str]:
    """Return the files that a script names; a text that is not a script names none.

    Raises:
        InputError: the script includes another one.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        return []  # `read_script` says what is wrong, and where
    return list(_files_in(values))


def fingerprint(text: str, folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, time and size of the files of a script: when one changes, the film does."""
    found = []
    try:
        names = named_files(text)
    except sa.InputError:
        names = []
    for name in names:
        path = folder / name
        if path.is_file():
            stat = path.stat()
            found.append((name, stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def _files_in(values: Any) -> Iterator[str]:
    if isinstance(values, list):
        for value in values:
            yield from _files_in(value)
    elif isinstance(values, dict):
        for key, value in values.items():
            if key == "include":
                raise sa.InputError(
                    "a script in a workflow cannot include another file; write its shots here"
                )
            if key in _FILE_KEYS and isinstance(value, str):
                if key == "vocals" and value in ("auto", "on", "off"):
                    continue
                if key != "face" or value.lower().endswith(_PHOTO_SUFFIXES):
                    yield value
            else:
                yield from _files_in(value)


def _check_inside(name: str, folder: Path) -> None:
    path = PurePath(name)
    is_outside = path.is_absolute() or ".." in path.parts or name.startswith("~")
    if is_outside or not (folder / name).resolve().is_relative_to(folder.resolve()):
        raise sa.InputError(
            f"the script names {name}, and a workflow can use only files in ComfyUI's input "
            "folder; upload the file, and write its name alone"
        )
