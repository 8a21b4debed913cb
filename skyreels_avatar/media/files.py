"""Open media files named by the user, and write files atomically."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from skyreels_avatar.checks import user_path
from skyreels_avatar.errors import InputError, MediaError
from skyreels_avatar.media.formats import FORMAT_WHITELIST, PLAYLIST_SIGNS

# FFmpeg reads stills as one-frame videos under these names.
_PICTURE_FORMATS = ("_pipe", "image2", "gif", "apng", "webp", "jpegxl_anim", "ico")
_ATTACHED_PICTURE = 0x400  # AV_DISPOSITION_ATTACHED_PIC
_COVER_CODECS = {"mjpeg", "png", "bmp", "gif", "webp", "tiff", "jpegls", "jpeg2000", "libjxl"}
# What `partial_path` makes.
_PARTIAL = re.compile(r"\..*\.(?P<host>\w+)-(?P<process>\d+)\.[0-9a-f]{8}\.part(\..*)?", re.S)


def media_path(path: str | Path) -> Path:
    """Return `user_path` of the name of a picture, sound or video.

    Raises:
        MediaError: there is no such user, or the name is not a path.
    """
    try:
        return user_path(path)
    except InputError as error:
        raise MediaError(str(error)) from error


def existing_file(path: str | Path, noun: str) -> Path:
    """Return the path of a file that is there, is a file and is not empty.

    Args:
        noun: what the file should be, for the message: "picture", "sound", "video".
    """
    path = media_path(path)
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
    """Open a sound or video file with FFmpeg; only that one file is ever opened.

    Raises:
        MediaError: FFmpeg knows no such format, the file is damaged, or it only names other files.
    """
    # An absolute name after "file:" is taken as it stands: "a:b.mp4" is not a protocol, and "%d" no
    # number of a sequence of pictures.
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": FORMAT_WHITELIST,
        "pattern_type": "none",
    }
    try:
        return av.open(f"file:{path.absolute()}", options=options)
    except (FFmpegError, OSError, ValueError) as error:
        if _is_playlist(path):
            raise MediaError(
                f"{path} is a playlist or a text, not a {noun} file; give the {noun} itself"
            ) from None
        raise MediaError(
            f"{path} cannot be read as a {noun}: it is damaged or of an unknown format"
        ) from error


def _is_playlist(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            beginning = file.read(64)
    except (OSError, ValueError):
        return False
    return beginning.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(PLAYLIST_SIGNS)


def is_still_image(container: InputContainer) -> bool:
    """Tell whether FFmpeg sees a picture, not a film, in an opened file."""
    return any(name in container.format.name for name in _PICTURE_FORMATS)


def has_video(container: InputContainer) -> bool:
    """Tell whether an opened file holds moving pictures: more than a sound's cover picture.

    A cover that is not marked as one is told by its codec and its number of frames. Packets are
    read to count them, so open the file again before decoding.
    """
    if is_still_image(container):
        return False
    streams = [s for s in container.streams.video if not is_marked_cover(s)]
    if not container.streams.audio:
        return bool(streams)
    covers = [s for s in streams if has_cover_codec(s)]
    if len(covers) < len(streams) or not covers:
        return bool(streams)
    seen = set()
    for packet in container.demux(covers):
        if packet.size and packet.stream_index in seen:
            return True
        seen.add(packet.stream_index)
    return False


def disposition_of(stream: VideoStream) -> int:
    """Return FFmpeg's flags of what a stream is for."""
    return int(stream.disposition)


def is_marked_cover(stream: VideoStream) -> bool:
    """Tell whether a stream is marked as the cover picture of an audio file."""
    return bool(disposition_of(stream) & _ATTACHED_PICTURE)


def has_cover_codec(stream: VideoStream) -> bool:
    """Tell whether a stream is coded as single pictures are."""
    return stream.codec_context is not None and stream.codec_context.name in _COVER_CODECS


def media_kind(path: Path) -> str:
    """Return "a picture", "a video", "a sound" or "no media file", for messages about mix-ups."""
    try:
        container = open_container(path, "file")
    except MediaError:
        return "no media file"
    with container:
        if is_still_image(container):
            return "a picture"
        if has_video(container):
            return "a video"
        return "a sound" if container.streams.audio else "no media file"


def partial_path(path: Path) -> Path:
    """Return where a file is written until it is complete: hidden, beside it, never the same twice.

    The name holds this machine and process, so that `remove_stale_partials`
    can tell what is left over.
    """
    name = f"{_short_stem(path)}.{_owner()}.{secrets.token_hex(4)}.part{path.suffix}"
    return path.with_name(f".{name}")


def _short_stem(path: Path) -> str:
    """Return the stem of a name, so short that the partial name is one, too (255 bytes)."""
    return path.stem if len(os.fsencode(path.stem)) <= 150 else path.stem[:37]


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield where a file is to be written; it gets its name when the block ends, or never.

    A link keeps its place: what it leads to is replaced.
    """
    target = Path(os.path.realpath(path))
    remove_stale_partials(target)
    partial = partial_path(target)
    try:
        yield partial
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def remove_stale_partials(path: Path) -> None:
    """Remove partial versions of a file that killed processes of this machine left."""
    for file in path.parent.glob(
        f".{glob.escape(_short_stem(path))}.*.part{glob.escape(path.suffix)}"
    ):
        remove_if_stale(file)


def remove_if_stale(file: Path) -> None:
    """Remove a partial file whose process, on this machine, no longer runs."""
    found = _PARTIAL.fullmatch(file.name)
    if found and found["host"] == _host() and not _is_running(int(found["process"])):
        with contextlib.suppress(OSError):
            file.unlink()


def _owner() -> str:
    return f"{_host()}-{os.getpid()}"


def _host() -> str:
    """Return the machine's name, letters and digits alone."""
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname())[:32] or "here"


def _is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it runs, but is somebody else's
        return True
    return True
