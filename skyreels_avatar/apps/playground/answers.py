"""What the playground asks of the process that answers at once: see `Interactive`.

The server itself imports no network and no decoder for it: those are imported where they run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def find_peaks(sound: Path, count: int) -> dict[str, Any]:
    """Return `peaks.find_peaks`."""
    from skyreels_avatar.apps.playground import peaks

    return peaks.find_peaks(sound, count)


def missing_files(script: str, texts: Mapping[str, str], files: Mapping[str, Any]) -> list[str]:
    """Return `script_text.missing_files`."""
    from skyreels_avatar.apps.playground import script_text

    return script_text.missing_files(script, texts, files)


def read_film(
    script: str, texts: Mapping[str, str], files: Mapping[str, tuple[str, Path]]
) -> dict[str, Any]:
    """Return `script_text.read_film`."""
    from skyreels_avatar.apps.playground import script_text

    return script_text.read_film(script, texts, files)


def write_script(script: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return `script_text.write_script`."""
    from skyreels_avatar.apps.playground import script_text

    return script_text.write_script(script, names)
