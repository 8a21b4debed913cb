"""Check output paths before any work: no input, other output or device is overwritten."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from skyreels_avatar.errors import MediaError

_LONGEST_PATH = 1000  # a text that is said may be longer, and is not a path

OUTPUTS = ("output", "subtitles", "save_motion")
"""Names under which a request holds the files that it writes."""


def check_outputs(outputs: Mapping[str, Path | None], read: Any) -> None:
    """Refuse outputs that would replace a file that is read, another output or a device.

    Links count as what they lead to, and names as what the file system takes them for.

    Args:
        outputs: paths by their names in messages; None is skipped.
        read: a path, or a request, script or list of paths: see `input_files`.

    Raises:
        MediaError: one cannot be written there.
    """
    wanted = {noun: Path(path).expanduser() for noun, path in outputs.items() if path is not None}
    for noun, path in wanted.items():
        check_regular(path, noun)
    inputs = list(input_files(read))
    for noun, path in wanted.items():
        for source in inputs:
            if _is_same(path, source):
                raise MediaError(
                    f"the {noun} {path} is also read, as {source}, and would be lost; give another "
                    "name to write to"
                )
        for other_noun, other in wanted.items():
            if noun < other_noun and _is_same(path, other):
                raise MediaError(f"{noun} and {other_noun} have one name, {path}; give two")


def check_regular(path: Path, noun: str = "output") -> None:
    """Refuse a pipe, a device and the like as an output.

    Raises:
        MediaError: it is one.
    """
    try:
        special = path.exists() and not path.is_file() and not path.is_dir()
    except (OSError, ValueError) as error:
        raise MediaError(f"cannot write the {noun} {str(path)[:200]!r}: {error}") from error
    if special:
        raise MediaError(f"the {noun} {path} is a pipe or a device; give the name of a file")


def input_files(value: Any) -> Iterable[Path]:
    """Yield the existing files named by a request, a script or any values in them.

    A face may be named by a photo and a tier by a file: texts that are paths count, too.
    """
    if is_dataclass(value):
        for field in fields(value):
            if field.name not in (*OUTPUTS, "prompt", "negative_prompt", "text"):
                yield from input_files(getattr(value, field.name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from input_files(item)
    elif isinstance(value, (str, Path)) and 0 < len(str(value)) < _LONGEST_PATH:
        path = Path(value).expanduser()
        try:
            if path.is_file():
                yield path
        except (OSError, ValueError):
            return


def _is_same(path: Path, other: Path) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):  # one is not there
        return os.path.realpath(path) == os.path.realpath(other)
