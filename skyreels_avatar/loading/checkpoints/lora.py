"""LoRAs for Wan2.1 (few-step, style), fused into a transformer by diffusers and peft.

Known are the names of diffusers (`transformer.blocks.0.attn1.to_q.lora_A.weight`) and of the
original (`diffusion_model.blocks.0.self_attn.q.lora_down.weight`, with `alpha` or without, as
Kohya, ComfyUI and LightX2V write them).
"""

from __future__ import annotations

from pathlib import Path

import torch

from skyreels_avatar.errors import CheckpointError, MissingExtraError
from skyreels_avatar.loading.checkpoints.files import WeightFile

_OURS = "transformer."
_THEIRS = "diffusion_model."
_LISTED = 8


def fuse_lora(transformer: torch.nn.Module, path: str | Path, scale: float = 1.0) -> int:
    """Add a LoRA to the weights of a transformer and return how many matrices it changed.

    Args:
        transformer: an `AvatarTransformer3DModel`, not quantized.
        path: the LoRA.
        scale: its strength.

    Raises:
        CheckpointError: no LoRA, or one for another network; names what has no place.
        MissingExtraError: peft is not installed.
    """
    tensors = _with_our_names(WeightFile(path))
    modules = dict(transformer.named_modules())
    targets = {_target(key) for key in tensors}
    homeless = sorted(target for target in targets if target not in modules)
    if homeless:
        more = f" and {len(homeless) - _LISTED} more" if len(homeless) > _LISTED else ""
        raise CheckpointError(
            f"{path} is a LoRA for another network; no place for "
            f"{', '.join(homeless[:_LISTED])}{more}"
        )
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
    return len(targets)


def _with_our_names(file: WeightFile) -> dict[str, torch.Tensor]:
    tensors = dict(file)
    if not any("lora" in key for key in tensors):
        shown = ", ".join(sorted(tensors)[:3])
        raise CheckpointError(f"{file} is no LoRA: it holds {shown} ...")
    if any(key.startswith(_OURS) for key in tensors):
        return {key.removeprefix(_OURS): value for key, value in tensors.items()}
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
    return {key.removeprefix(_OURS): value for key, value in converted.items()}


def _target(key: str) -> str:
    """Return the module that a tensor of a LoRA changes."""
    return key.split(".lora_")[0]
