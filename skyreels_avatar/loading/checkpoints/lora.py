"""LoRAs for Wan2.1 (few-step, style), fused into a transformer by diffusers and peft.

Known are the names of diffusers (`transformer.blocks.0.attn1.to_q.lora_A.weight`) and of the
original (`diffusion_model.blocks.0.self_attn.q.lora_down.weight`, with `alpha` or without, as
Kohya, ComfyUI and LightX2V write them). Beside matrices, files of the latter hold whole differences
of weights, biases and modulation tables (`.diff`, `.diff_b`, `.diff_m`).
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from skyreels_avatar.errors import CheckpointError, MissingExtraError
from skyreels_avatar.loading.checkpoints.files import WeightFile
from skyreels_avatar.loading.checkpoints.keymap import convert
from skyreels_avatar.loading.checkpoints.skyreels_v3 import TRANSFORMER

logger = logging.getLogger(__name__)

_OURS = "transformer."
_THEIRS = "diffusion_model."
_LISTED = 8
_DIFFERENCES = {".diff": ".weight", ".diff_b": ".bias", ".diff_m": ".modulation"}


def fuse_lora(transformer: torch.nn.Module, path: str | Path, scale: float = 1.0) -> int:
    """Add a LoRA to the weights of a transformer and return how many tensors it changed.

    Differences of another shape than the weights are left out, with a warning that names them: a
    LoRA for text to video may be used with image to video, whose first layer is wider.

    Args:
        transformer: an `AvatarTransformer3DModel`, not quantized.
        path: the LoRA.
        scale: its strength.

    Raises:
        CheckpointError: no LoRA, or one for another network; names what has no place.
        MissingExtraError: peft is not installed.
    """
    tensors, differences = _with_our_names(WeightFile(path))
    modules = dict(transformer.named_modules())
    targets = {_target(key) for key in tensors}
    unplaced = sorted(target for target in targets if target not in modules)
    if unplaced:
        more = f" and {len(unplaced) - _LISTED} more" if len(unplaced) > _LISTED else ""
        raise CheckpointError(
            f"{path} is a LoRA for another network; no place for "
            f"{', '.join(unplaced[:_LISTED])}{more}"
        )
    if targets:
        _fuse_matrices(transformer, tensors, path, scale)
    return len(targets) + _add_differences(transformer, differences, path, scale)


def _fuse_matrices(
    transformer: torch.nn.Module, tensors: dict[str, torch.Tensor], path: str | Path, scale: float
) -> None:
    try:
        transformer.load_lora_adapter(tensors, prefix=None)
    except (ImportError, ValueError) as error:
        if "PEFT" in str(error) or isinstance(error, ImportError):
            raise MissingExtraError("peft", "studio") from error
        raise CheckpointError(f"{path} does not fit: {error}") from error
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit: {str(error).splitlines()[0]}") from error
    transformer.fuse_lora(lora_scale=scale)
    transformer.unload_lora()
    transformer.requires_grad_(False)


@torch.no_grad()
def _add_differences(
    transformer: torch.nn.Module,
    differences: dict[str, torch.Tensor],
    path: str | Path,
    scale: float,
) -> int:
    """Add whole differences to the tensors of a transformer, and return how many fitted."""
    wanted, left_out = dict(transformer.named_parameters()), []
    for name, difference in differences.items():
        if name in wanted and wanted[name].shape == difference.shape:
            wanted[name].add_(difference.to(wanted[name]), alpha=scale)
        else:
            left_out.append(name)
    if left_out:
        more = f" and {len(left_out) - _LISTED} more" if len(left_out) > _LISTED else ""
        logger.warning(
            "%s: %d of %d differences do not fit the transformer and are left out: %s%s",
            path, len(left_out), len(differences), ", ".join(sorted(left_out)[:_LISTED]), more,
        )  # fmt: skip
    return len(differences) - len(left_out)


def _with_our_names(
    file: WeightFile,
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the matrices of a LoRA, and the differences beside them by the tensors they change."""
    tensors, differences = {}, {}
    for key, value in file.items():
        stem, dot, kind = key.rpartition(".")
        if dot + kind in _DIFFERENCES:
            differences[stem + _DIFFERENCES[dot + kind]] = value
        else:
            tensors[key] = value
    if not differences and not any("lora" in key for key in tensors):
        shown = ", ".join(sorted(tensors)[:3])
        raise CheckpointError(f"{file} is no LoRA: it holds {shown} ...")
    if any(key.startswith(_OURS) for key in (*tensors, *differences)):
        return _without_prefix(tensors), _without_prefix(differences)
    plain = {key.removeprefix(_THEIRS): value for key, value in differences.items()}
    differences = convert(plain, TRANSFORMER, str(file))
    return _converted_matrices(tensors, file), differences


def _without_prefix(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key.removeprefix(_OURS): value for key, value in tensors.items()}


def _converted_matrices(
    tensors: dict[str, torch.Tensor], file: WeightFile
) -> dict[str, torch.Tensor]:
    if not tensors:
        return {}
    from diffusers.loaders.lora_conversion_utils import (
        _convert_non_diffusers_wan_lora_to_diffusers,
    )

    prefixed = {
        key if key.startswith(_THEIRS) else _THEIRS + key: value for key, value in tensors.items()
    }
    try:
        converted = _convert_non_diffusers_wan_lora_to_diffusers(prefixed)
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{file} is a LoRA of unknown names: {error}") from error
    return _without_prefix(converted)


def _target(key: str) -> str:
    """Return the module that a tensor of a LoRA changes."""
    return key.split(".lora_")[0]
