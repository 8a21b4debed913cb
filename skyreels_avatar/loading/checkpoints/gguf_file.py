"""GGUF files: linear layers in 2 to 8 bits, which diffusers widens for every product."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from skyreels_avatar.errors import CheckpointError

SUFFIX = ".gguf"
_PLAIN = ("F32", "F16")  # types of tensors that are not quantized


class GgufFile:
    """The tensors of a GGUF file by name, read on access.

    Raises:
        CheckpointError: the file is damaged, or the package gguf is not here.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            from gguf import GGUFReader
        except ImportError as error:
            raise CheckpointError(
                f"{path} is read with the package gguf, which is not installed: pip install gguf"
            ) from error
        try:
            self._tensors = {one.name: one for one in GGUFReader(str(path)).tensors}
        except (ValueError, OSError, IndexError) as error:
            raise CheckpointError(f"{path} is damaged or not a GGUF file: {error}") from error

    def keys(self) -> Iterable[str]:
        """Return the names of the tensors."""
        return self._tensors.keys()

    def shape(self, key: str) -> tuple[int, ...]:
        """Return the shape that a tensor has when it is widened."""
        return tuple(int(length) for length in reversed(self._tensors[key].shape))

    def tensor(self, key: str) -> torch.Tensor:
        """Return a tensor, a `GGUFParameter` where it is quantized."""
        found = self._tensors[key]
        values = torch.from_numpy(found.data.copy())
        kind = found.tensor_type
        return values if kind.name in _PLAIN else _parameter(values, kind)

    def quantized_bytes(self, key: str) -> int | None:
        """Return what a quantized tensor takes; None of others."""
        found = self._tensors[key]
        return None if found.tensor_type.name in _PLAIN else int(found.n_bytes)


def use_quantized_layers(module: torch.nn.Module, names: Iterable[str], dtype: torch.dtype) -> None:
    """Put layers that keep their weights quantized in the place of linear ones.

    Args:
        names: of the weights that are quantized; those of other layers are widened once.
        dtype: that they compute in.
    """
    import gguf
    from diffusers.quantizers.gguf.utils import _replace_with_gguf_linear

    empty = _parameter(torch.zeros(1, 34, dtype=torch.uint8), gguf.GGMLQuantizationType.Q8_0)
    _replace_with_gguf_linear(module, dtype, dict.fromkeys(names, empty))


def is_quantized(tensor: Any) -> bool:
    """Tell whether a tensor is one of a GGUF file that is not plain."""
    return getattr(tensor, "quant_type", None) is not None


def has_quantized_layers(module: torch.nn.Module) -> bool:
    """Tell whether a network has weights of a GGUF file."""
    return any(is_quantized(values) for values in module.parameters())


def placed(module: torch.nn.Module, tensor: torch.Tensor) -> torch.Tensor:
    """Return a quantized tensor as it is for a layer that takes it, and widened for others."""
    from diffusers.quantizers.gguf.utils import GGUFLinear, dequantize_gguf_tensor

    return tensor if type(module) is GGUFLinear else dequantize_gguf_tensor(tensor)


def num_bytes(file: Any, key: str, size: int) -> int:
    """Return what a tensor of a file takes with so many bytes a number, fewer if quantized."""
    quantized: Callable[[str], int | None] = getattr(file, "quantized_bytes", lambda _: None)
    return quantized(key) or size * math.prod(file.shape(key))


def _parameter(values: torch.Tensor, kind: Any) -> torch.Tensor:
    from diffusers.quantizers.gguf.utils import GGUFParameter

    return GGUFParameter(values, quant_type=kind)
