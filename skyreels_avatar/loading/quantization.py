"""Weights in 8 bits by torchao, which multiplies with them where a GPU can and widens them else."""

from __future__ import annotations

import torch

from skyreels_avatar.errors import InputError

KINDS = ("int8", "float8")
"""Names that a tier may give: integers or floating-point numbers, a scale for each row."""


def quantize(transformer: torch.nn.Module, kind: str) -> None:
    """Keep the weights of the linear layers in a transformer's blocks in 8 bits, in place.

    Maps that compute in float32, embeddings and norms stay as they are.

    Args:
        kind: of `KINDS`.

    Raises:
        InputError: another kind, or the package torchao is not here.
    """
    if kind not in KINDS:
        raise InputError(f"quantization is one of {', '.join(KINDS)}, got {kind!r}")
    try:
        from torchao.quantization import (
            Float8WeightOnlyConfig,
            Int8WeightOnlyConfig,
            quantize_,
        )
    except ImportError as error:
        raise InputError(
            f"quantization: {kind} needs the package torchao, which is not installed or does not "
            f"fit this PyTorch ({error}): pip install torchao"
        ) from error
    config = Int8WeightOnlyConfig() if kind == "int8" else Float8WeightOnlyConfig()
    quantize_(transformer.blocks, config, filter_fn=lambda module, _: _is_plain(module))


def _is_plain(module: torch.nn.Module) -> bool:
    return type(module) is torch.nn.Linear and type(module.weight) is torch.nn.Parameter
