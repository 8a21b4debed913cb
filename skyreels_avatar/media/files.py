"""Open files that a user named, and say in one sentence what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError

from skyreels_avatar.checks import user_path
from skyreels_avatar.errors import MediaError

# Formats that open other files or addresses, or that draw text as a picture: never what a user
# means when naming a sound or a video.
_REFUSED_FORMATS = {"hls", "dash", "concat", "concatf", "tty", "lavfi", "imf"}
# FFmpeg reads stills as one-frame videos under these names.
_PICTURE_FORMATS = ("_pipe", "image2", "gif", "apng")


def existing_file(path: str | Path, noun: str) -> Path:
    """Return the path of a file that is there, is a file and is not empty.

    Args:
        noun: what the file should be, for the message: "picture", "sound", "video".
    """
    path = user_path(path)
    if not str(path) or str(path) == ".":
        raise MediaError(f"no {noun} was named; give the path of a file")
    try:
        if path.is_dir():
            raise MediaError(f"{path} is a folder; give the path of a {noun} file")
        if not path.exists():
            raise MediaError(f"{noun} not found: {path}; check the spelling of the path")
        if not path.is_file():
            raise MediaError(f"{path} is not a regular file; give the path of a {noun} file")
        if path.stat().st_size == 0:
            raise MediaError(f"{path} is empty (0 bytes); give another {noun} file")
    except MediaError:
        raise
    except (OSError, ValueError) as error:
        # A name with a NUL byte or a thousand letters fails before anything is looked up.
        raise MediaError(f"cannot look up the {noun} {str(path)[:200]!r}: {error}") from error
    if not os.access(path, os.R_OK):
        raise MediaError(f"{path} may not be read by this user; change its permissions")
    return path


def open_container(path: Path, noun: str) -> InputContainer:
    """Open a sound or video file with FFmpeg; only that one file is ever read.

    Raises:
        MediaError: FFmpeg knows no such format, or the file is damaged.
    """
    try:
        container = av.open(str(path), options={"protocol_whitelist": "file"})
    except (FFmpegError, OSError, ValueError) as error:
        raise MediaError(
            f"{path} cannot be read as a {noun}: it is damaged or of an unknown format"
        ) from error
    if set(container.format.name.split(",")) & _REFUSED_FORMATS:
        container.close()
        raise MediaError(f"{path} is a list or a text, not a {noun} file")
    return container


def is_still(container: InputContainer) -> bool:
    """Tell whether FFmpeg sees a picture, not a film, in an opened file."""
    return any(name in container.format.name for name in _PICTURE_FORMATS)


def has_film(container: InputContainer) -> bool:
    """Tell whether an opened file holds moving pictures: more than a sound's cover picture."""
    cover = av.stream.Disposition.attached_pic
    films = [s for s in container.streams.video if not s.disposition & cover]
    return bool(films) and not is_still(container)


def describe(path: Path) -> str:
    """Return "a picture", "a video", "a sound" or "no media file", for messages about mix-ups."""
    try:
        container = open_container(path, "file")
    except MediaError:
        return "no media file"
    with container:
        if is_still(container):
            return "a picture"
        if has_film(container):
            return "a video"
        return "a sound" if container.streams.audio else "no media file"


def partial_path(path: Path) -> Path:
    """Return where a file is written until it is complete: hidden, beside it, of this process."""
    return path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
