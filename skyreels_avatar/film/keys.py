"""Names of pieces: a hash of everything that determines their bytes, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from skyreels_avatar import __version__
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.request.generation_request import GenerationRequest

_LENGTH = 20  # of a key: 80 bits
_WHOLE_BYTES = 512 * 2**20
_CHUNK_BYTES = 2**20


def request_key(request: GenerationRequest, sounds: Mapping[str, AudioTrack]) -> str:
    """Return the key of the video that a request would make.

    Files count by what is in them, not by where they are; so do the weights of the tier.

    Args:
        sounds: what the shot speaks, its vocals and voices, by their names; the request's own
            sound files need not be there yet.
    """
    values = request.to_dict()
    del values["output"]
    values["tier"] = tier_digest(request.tier)
    values["shot"].update(image=None, video=None)
    values["files"] = picture_digests(request)
    for held in (values["shot"], *values["shot"]["speakers"]):
        held["audio"] = None
    values["shot"]["vocals"] = None
    heard = {
        name: (hashlib.sha256(sound.samples.tobytes()).hexdigest(), sound.sample_rate)
        for name, sound in sounds.items()
    }
    return key_of(values, heard)


def picture_digests(request: GenerationRequest) -> dict[str, str]:
    """Return the hashes of a shot's picture or video and of the photos of its faces."""
    shot = request.shot
    found = {
        name: file_digest(path)
        for name, path in (("image", shot.image), ("video", shot.video))
        if path is not None
    }
    for face in (shot.face, *(one.face for one in shot.speakers)):
        if Path(face).is_file():
            found[f"photo {face}"] = file_digest(Path(face))
    return found


def key_of(*values: Any) -> str:
    """Return a key of plain values, and of the version of this package."""
    text = json.dumps([__version__, *values], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:_LENGTH]


def tier_digest(name: str) -> str:
    """Return a hash of everything that a tier's yaml says, its weights by what is in them."""
    values = asdict(load_tier(name))
    values["loras"] = list(values["loras"].items())
    return key_of(_with_digests(values))


def _with_digests(value: Any) -> Any:
    """Return plain values in which the paths of files and folders are hashes of their content."""
    if isinstance(value, dict):
        return {key: _with_digests(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_digests(item) for item in value]
    if isinstance(value, str) and Path(value).is_absolute():
        path = Path(value)
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        return [file_digest(file) for file in files if file.is_file()]
    return value


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file; beyond half a gigabyte its size, time, beginning and end."""
    found = path.stat()
    state = found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
    return _file_digest(path.resolve(), *state)


@lru_cache(maxsize=1024)
def _file_digest(path: Path, size: int, mtime_ns: int, *_: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size > _WHOLE_BYTES:
            digest.update(f"{size} {mtime_ns}".encode())
            digest.update(file.read(_CHUNK_BYTES))
            file.seek(-_CHUNK_BYTES, 2)
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
