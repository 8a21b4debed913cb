"""Published weights: one file, shards with an index, or a folder; never an unrestricted pickle.

Nothing is read before it is asked for: the names and shapes of 38 GB are known in a second, and
only one tensor at a time is in memory.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints import gguf_file

logger = logging.getLogger(__name__)

_PICKLED = (".pth", ".pt", ".bin", ".ckpt")
_NAMED = (".model",)  # SyncNet's; not looked for in folders, where such a file is a tokenizer
_WRAPPERS = ("state_dict", "model_state", "model", "module")


class WeightFile(Mapping[str, torch.Tensor]):
    """The tensors of one or several files by name, read on access.

    Several paths are laid over each other: where two hold a tensor of one name, the later counts.
    That is how InfiniteTalk is published: audio weights for the public Wan2.1.

    Args:
        paths: files, `*.index.json`, or folders that hold either.

    Raises:
        CheckpointError: something is missing, damaged, or a pickle of more than tensors.
    """

    def __init__(self, *paths: str | Path):
        self.paths = tuple(Path(path) for path in paths)
        self._places: dict[str, _Safetensors | _Pickled | gguf_file.GgufFile] = {}
        for path in self.paths:
            for file in _files_of(path):
                opened = _KINDS.get(file.suffix, _Pickled)(file)
                self._places.update(dict.fromkeys(opened.keys(), opened))

    def __getitem__(self, key: str) -> torch.Tensor:
        return self._places[key].tensor(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __str__(self) -> str:
        return " + ".join(str(path) for path in self.paths)

    def shape(self, key: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it."""
        return self._places[key].shape(key)

    def num_bytes(self, key: str, size: int) -> int:
        """Return what a tensor takes with so many bytes a number; quantized ones stay so."""
        return gguf_file.num_bytes(self._places[key], key, size)

    def quantized(self) -> list[str]:
        """Return the names of the tensors that are quantized."""
        return [
            key
            for key, place in self._places.items()
            if isinstance(place, gguf_file.GgufFile) and place.quantized_bytes(key)
        ]

    def identity(self) -> str:
        """Return an identity of these files: their paths, sizes and times."""
        stats = [(file, file.stat()) for path in self.paths for file in _files_of(path)]
        return "|".join(f"{file}:{stat.st_size}:{stat.st_mtime_ns}" for file, stat in stats)

    def config(self, name: str = "config.json") -> dict[str, Any]:
        """Return the `config.json`, or another such file, beside the files; {} where none is.

        Raises:
            CheckpointError: it is there but cannot be read.
        """
        for path in self.paths:
            file = (path if path.is_dir() else path.parent) / name
            if file.is_file():
                return _read_json(file)
        return {}


class _Safetensors:
    def __init__(self, path: Path):
        self.path = path
        try:
            with safe_open(path, framework="pt") as file:
                self._shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError, TypeError) as error:
            raise CheckpointError(
                f"{path} is damaged or not a safetensors file: {error}"
            ) from error

    def keys(self):
        return self._shapes.keys()

    def shape(self, key: str) -> tuple[int, ...]:
        return self._shapes[key]

    def tensor(self, key: str) -> torch.Tensor:
        try:
            with safe_open(self.path, framework="pt") as file:
                return file.get_tensor(key)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{self.path} is damaged at {key}: {error}") from error


class _Pickled:
    """A file of `torch.save`, memory-mapped, read with `weights_only` alone."""

    def __init__(self, path: Path):
        try:
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # the format before 2020 cannot be mapped
            found = self._unmapped(path)
        except Exception as error:
            raise self._refused(path, error) from error
        for name in _WRAPPERS:
            if isinstance(found, dict) and isinstance(found.get(name), dict):
                found = found[name]
        if not isinstance(found, dict):
            raise CheckpointError(f"{path} holds a {type(found).__name__}, not named tensors")
        self._tensors = {k: v for k, v in found.items() if isinstance(v, torch.Tensor)}

    @classmethod
    def _unmapped(cls, path: Path) -> Any:
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise cls._refused(path, error) from error

    @staticmethod
    def _refused(path: Path, error: Exception) -> CheckpointError:
        # PyTorch's own message tells how to read such a file nevertheless, and run what is in it.
        logger.info("%s: %s", path, type(error).__name__)
        return CheckpointError(
            f"{path} is damaged, or holds more than tensors, which could run code and is not read; "
            "get the weights as .safetensors, or have whoever made them write them with "
            "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
        )

    def keys(self):
        return self._tensors.keys()

    def shape(self, key: str) -> tuple[int, ...]:
        return tuple(self._tensors[key].shape)

    def tensor(self, key: str) -> torch.Tensor:
        return self._tensors[key]


_KINDS = {".safetensors": _Safetensors, gguf_file.SUFFIX: gguf_file.GgufFile}


def _files_of(path: Path) -> list[Path]:
    """Return the weight files that a path stands for."""
    if path.is_dir():
        return _files_of_folder(path)
    if not path.is_file():
        raise CheckpointError(
            f"no weights at {path}; public ones are fetched with: skyreels-avatar models pull"
        )
    if path.name.endswith(".index.json"):
        return _shards(path)
    if path.suffix not in (*_KINDS, *_PICKLED, *_NAMED):
        known = ", ".join((*_KINDS, *_PICKLED, ".index.json"))
        raise CheckpointError(f"{path} is not a weight file; known are {known} and folders")
    return [path]


def _files_of_folder(folder: Path) -> list[Path]:
    for pattern in ("*.index.json", *(f"*{suffix}" for suffix in (*_KINDS, *_PICKLED))):
        found = sorted(folder.glob(pattern))
        if found:
            return _shards(found[0]) if pattern == "*.index.json" else found
    raise CheckpointError(f"no weight files in {folder}")


def _shards(index: Path) -> list[Path]:
    """Return the shards that an index names; all must exist."""
    names = _read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise CheckpointError(f"{index} names no shards: it has no weight_map")
    shards = [index.parent / name for name in sorted(set(map(str, names.values())))]
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise CheckpointError(f"{index.parent} is missing shards: {', '.join(missing)}")
    return shards


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is no JSON that can be read") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds no fields")
    return found
