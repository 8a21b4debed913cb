"""Tell what an uploaded file is, by its content, in a process with limits.

Run as a program (`python -m skyreels_avatar.apps.jobs.probe FILE`) it prints what it found.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyreels_avatar.apps.jobs.limits import Limits
from skyreels_avatar.apps.jobs.records import RequestError, without_folders
from skyreels_avatar.apps.jobs.sandbox import leave_network, limit_resources

MEMORY_MB, CPU_S, WALL_S = 4096, 60, 90
MAX_FRAME_PIXELS = 40_000_000
_CONTENT_TYPES = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}
# By the beginning of a file: its usual suffix and type. Others are kept as what they are read as.
_SIGNATURES = (
    (b"\x89PNG\r\n", 0, ".png", "image/png"), (b"\xff\xd8\xff", 0, ".jpg", "image/jpeg"),
    (b"WEBP", 8, ".webp", "image/webp"), (b"GIF8", 0, ".gif", "image/gif"),
    (b"WAVE", 8, ".wav", "audio/wav"), (b"fLaC", 0, ".flac", "audio/flac"),
    (b"ID3", 0, ".mp3", "audio/mpeg"), (b"OggS", 0, ".ogg", "audio/ogg"),
    (b"\x1aE\xdf\xa3", 0, ".webm", "video/webm"), (b"ftypM4A", 4, ".m4a", "audio/mp4"),
    (b"ftypheic", 4, ".heic", "image/heic"), (b"ftyp", 4, ".mp4", "video/mp4"),
)  # fmt: skip


@dataclass(frozen=True)
class MediaFacts:
    """What a file holds: "image", "audio" or "video", its usual suffix, type and size."""

    kind: str
    suffix: str
    content_type: str
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None


def probe_file(path: Path, limits: Limits) -> MediaFacts:
    """Return what a file is, after decoding it in a process with limits.

    Raises:
        RequestError: it cannot be used as a picture, sound or video; the message names no path.
    """
    command = [sys.executable, "-m", "skyreels_avatar.apps.jobs.probe", str(path)]
    environment = {k: v for k, v in os.environ.items() if k in _KEPT} | {"OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=WALL_S, env=environment, cwd=path.parent
        )
        found = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise _unusable("it takes too long to read", status=422) from error
    except ValueError as error:  # the process was ended by its limits, or by the file
        raise _unusable("it is damaged, or takes too much memory to read") from error
    if "error" in found:
        raise _unusable(without_folders(found["error"].replace(str(path), "the file")))
    return _checked(MediaFacts(**found), limits)


_KEPT = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


def _checked(facts: MediaFacts, limits: Limits) -> MediaFacts:
    longest = {"audio": limits.audio_s, "video": limits.video_s}.get(facts.kind)
    if longest is not None and facts.duration_s is not None and facts.duration_s > longest:
        raise RequestError(
            "too_long",
            f"the {facts.kind} lasts {facts.duration_s:.0f} s; at most {longest:.0f} s are taken",
            "cut it, or ask the operator of the server for more",
            413,
        )
    num_pixels = (facts.width or 0) * (facts.height or 0)
    if num_pixels > limits.picture_px:
        raise RequestError(
            "too_large",
            f"the {facts.kind} has {num_pixels / 1e6:.0f} megapixels; at most "
            f"{limits.picture_px / 1e6:.0f} are taken",
            "make it smaller: a face needs no more than some hundred pixels",
            413,
        )
    return facts


def _unusable(reason: str, status: int = 422) -> RequestError:
    return RequestError(
        "unusable_file", f"the file cannot be used: {reason}",
        "send a picture (JPEG, PNG, WebP, HEIC), a sound (WAV, MP3, FLAC, M4A) or a video "
        "(MP4, WebM)", status,
    )  # fmt: skip


def examine(path: Path) -> MediaFacts:
    """Return what a file is, decoding it here.

    Raises:
        InputError: it cannot be read.
    """
    from skyreels_avatar.errors import MediaError
    from skyreels_avatar.media.files import existing_file, media_kind

    kind = media_kind(existing_file(path, "file")).split()[-1]
    kind = {"picture": "image", "sound": "audio"}.get(kind, kind)
    with path.open("rb") as file:
        beginning = file.read(64)
    found = next((row for row in _SIGNATURES if beginning[row[1] :].startswith(row[0])), None)
    if found is None or not (found[3].startswith(kind) or kind in ("audio", "video")):
        found = (b"", 0, "", _CONTENT_TYPES.get(kind, "application/octet-stream"))
    suffix, content_type = found[2], found[3]
    if kind == "audio" and content_type.startswith("video/"):
        content_type = content_type.replace("video", "audio")
    if kind not in ("audio", "video"):
        try:
            size = _picture_size(path)
        except MediaError:
            if kind == "image":
                raise
            raise MediaError("it is not an image, audio or video file") from None
        return MediaFacts("image", suffix or ".png", content_type, *size)
    if kind == "audio":
        return MediaFacts(kind, suffix or ".audio", content_type, duration_s=_sound_s(path))
    return MediaFacts(kind, suffix or ".video", content_type, *_video_facts(path))


def _picture_size(path: Path) -> tuple[int, int]:
    from skyreels_avatar.media.image import Portrait

    picture = Portrait.load(path)
    return picture.width, picture.height


def _sound_s(path: Path) -> float:
    from skyreels_avatar.media.audio import AudioTrack

    return round(AudioTrack.load(path).duration_s, 3)


def _video_facts(path: Path) -> tuple[int, int, float]:
    from skyreels_avatar.errors import MediaError
    from skyreels_avatar.media.video_reader import VideoReader

    video = VideoReader(path)
    if video.width * video.height > MAX_FRAME_PIXELS:
        raise MediaError(f"its pictures are {video.width}x{video.height}, which is too large")
    next(iter(video))
    return video.width, video.height, round(video.duration_s, 3)


def _main(path: Path) -> dict[str, Any]:
    leave_network()
    limit_resources(MEMORY_MB, CPU_S, file_mb=1)
    try:
        return vars(examine(path))
    except MemoryError:
        return {"error": "it takes too much memory to read"}
    except Exception as error:
        from skyreels_avatar.errors import InputError

        return {"error": str(error) if isinstance(error, InputError) else "it is damaged"}


if __name__ == "__main__":
    output = json.dumps(_main(Path(sys.argv[1])))
    sys.stdout.write(output)
    sys.stdout.flush()
    os._exit(0)
