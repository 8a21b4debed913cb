"""The list of spans in which a retalked video shows no mouth: out.unseen.json of out.mp4."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from skyreels_avatar.errors import InputError, MediaError
from skyreels_avatar.media.files import atomic_write
from skyreels_avatar.pipeline.open import UnseenSpan

_KEYS = {"video", "unseen"}


def spans_path(video: Path) -> Path:
    """Return where the spans of a video are written."""
    return video.with_suffix(".unseen.json")


def check_spans(path: Path) -> None:
    """Refuse to replace a file that is not a list of spans.

    Raises:
        InputError: it is another file.
    """
    if not path.exists():
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or set(found) != _KEYS:
        raise InputError(
            f"{path} is where the spans without a mouth would be written, and holds something else;"
            " move it away or give another output"
        )


def write_spans(video: Path, unseen: Sequence[UnseenSpan]) -> None:
    """Write the spans of a video beside it.

    Raises:
        MediaError: the file cannot be written.
    """
    name = video.name.encode("utf-8", "replace").decode()
    text = json.dumps({"video": name, "unseen": [asdict(span) for span in unseen]}, indent=2)
    path = spans_path(video)
    try:
        with atomic_write(path) as partial:
            partial.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise MediaError(f"cannot write the spans {path}: {error}") from error
