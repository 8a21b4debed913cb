"""The networks of a tier: built, filled with their weights and placed on a device."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyreels_avatar.errors import CheckpointError, InputError
from skyreels_avatar.loading.memory import (
    POLICIES,
    MemoryPolicy,
    Work,
    memory_policy,
    parse_memory,
)
from skyreels_avatar.loading.model_hub import check_models
from skyreels_avatar.loading.tiers import Tier, load_tier

if TYPE_CHECKING:
    import torch

    from skyreels_avatar.models.light_encoder import LightEncoder
    from skyreels_avatar.models.occluder import OccluderNet
    from skyreels_avatar.models.sound import SoundEncoder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Components:
    """The parts of a tier, ready to use.

    Attributes:
        device: where all parts are.
        dtype: of the transformer and the ControlNet; the other parts are float32.
        controlnet: that leads along the camera's path; None = cameras stand still.
        image_encoder: for a transformer that looks at the picture, else None.
        light: reads light and colour from prompts; None where the transformer draws them itself.
        occluder: sees what stands before a face; None does not look.
        rank: of this process among those that share the transformer's work; 0 writes the video.
        policy: how they were made to fit into the memory of the device.
    """

    tier: Tier
    vae: torch.nn.Module
    transformer: torch.nn.Module
    controlnet: torch.nn.Module | None
    audio_encoder: SoundEncoder
    text_encoder: Callable[[list[str]], torch.Tensor]
    device: torch.device
    dtype: torch.dtype
    image_encoder: torch.nn.Module | None = None
    light: LightEncoder | None = None
    occluder: OccluderNet | None = None
    rank: int = 0
    policy: MemoryPolicy = field(default_factory=MemoryPolicy)


def load_components(
    tier: str | Path,
    device: str | None = None,
    dtype: torch.dtype | None = None,
    memory: str | None = None,
    work: Work | None = None,
) -> Components:
    """Return the networks of a tier with their trained weights; the latest are kept in memory.

    Args:
        tier: a name in `configs/` or the path of a yaml file.
        device: a torch device, or "auto" = a GPU where there is one; None = what the tier says.
        dtype: of the transformer and the ControlNet; None = float32 on a CPU, else bfloat16.
        memory: of a GPU that may be taken: "auto" = what is free, "full" = do not ask, or like
            "24gb"; None = what the tier says.
        work: for which memory has to be left; None = usual frames of one person, not guided.

    Raises:
        InputError: an unknown tier, a device that is not there, or too little memory.
        CheckpointError: weights that are missing, damaged or of another shape.
    """
    policy = _policy_for(str(tier), device, memory, work or Work())
    return _load(str(tier), device, dtype, policy)


def _policy_for(tier_name: str, device: str | None, memory: str | None, work: Work) -> MemoryPolicy:
    """Return the memory policy with which a tier fits into the memory it may use."""
    import torch

    from skyreels_avatar.loading.parts import model_bytes
    from skyreels_avatar.models.context_parallel import agreed, join

    tier = load_tier(tier_name)
    check_models(tier)
    place = torch_device(device or tier.device)
    asked = parse_memory(memory or tier.memory)
    if place.type != "cuda":
        if asked is not None and asked < math.inf:
            said = memory or tier.memory
            logger.warning(
                "memory %s is that of a GPU; tier %s is on %s and loaded as it is",
                said, tier.name, place,
            )  # fmt: skip
        return MemoryPolicy()
    if asked == math.inf:
        return MemoryPolicy()
    _, place = join(tier.context_parallel, place)
    # What this process holds already it may use again.
    free = torch.cuda.mem_get_info(place)[0] + torch.cuda.memory_reserved(place)
    allowed = min(asked or free, free)
    variants = work.num_variants
    batch = variants if tier.batch_guidance else 1
    taken = replace(
        model_bytes(tier.weights),
        num_variants=variants,
        num_persons=work.num_persons,
        batch=batch,
        in_8_bits=bool(tier.quantization),
    )
    policy = memory_policy(allowed, taken, work.num_pixels, _host_bytes())
    if tier.context_parallel != 1:  # those who share a pass do the same
        policy = POLICIES[agreed(POLICIES.index(policy), place)]
    logger.info("memory of the device: %s", policy)
    return policy


def _host_bytes() -> float:
    """Return the free memory of the host for this process; infinity where it is unknown."""
    try:
        import psutil
    except ImportError:
        return math.inf
    return psutil.virtual_memory().available / int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def build_components(tier: Tier, device: str = "cpu") -> Components:
    """Return the networks of a tier with fresh random weights, for training.

    Raises:
        InputError: a part whose sizes in the tier's file its class does not know.
        CheckpointError: parts whose widths do not fit together.
    """
    import torch

    from skyreels_avatar.loading.parts import new_part, part_classes

    place, names = torch_device(device), part_classes()
    if unknown := sorted(tier.sizes.keys() - names.keys()):
        raise InputError(
            f"tier {tier.name} gives sizes of {', '.join(unknown)}; parts are {', '.join(names)}"
        )
    parts = {name: new_part(name, tier.sizes.get(name, {})).to(place) for name in names}
    components = Components(tier, device=place, dtype=torch.float32, **parts)
    _check_widths(components)
    return components


def unload_components() -> None:
    """Forget the networks that `load_components` keeps in memory."""
    _load.cache_clear()


@lru_cache(maxsize=2)
def _load(
    tier_name: str, device: str | None, dtype: torch.dtype | None, policy: MemoryPolicy
) -> Components:
    return load_parts(load_tier(tier_name), device, dtype, policy)


def load_parts(
    tier: Tier, device: str | None, dtype: torch.dtype | None, policy: MemoryPolicy
) -> Components:
    """Return the networks of a tier, which nobody else has: see `load_components`."""
    import torch

    from skyreels_avatar.loading.checkpoints.public import PartFiles
    from skyreels_avatar.loading.parts import ENCODERS, OPTIONAL, PARTS, format_of
    from skyreels_avatar.models.acceleration import set_attention
    from skyreels_avatar.models.context_parallel import join

    rank, place = join(tier.context_parallel, torch_device(device or tier.device))
    dtype = dtype or default_dtype(place)

    if tier.offload:
        policy = replace(policy, stream_blocks=True, encoders_on_host=True)

    parts: dict[str, Any] = {}
    for part in PARTS:
        weights = getattr(tier.weights, part)
        if part in OPTIONAL and not weights:
            continue
        row = format_of(part, weights)
        on_host = policy.encoders_on_host and part in ENCODERS
        on_host |= policy.stream_blocks and part == "transformer"
        files = PartFiles(
            weights,
            tier,
            torch.device("cpu") if on_host else place,
            row.dtype(dtype, place),
            loaded=parts,
            keep=not policy.encoders_on_host,
        )
        parts[part] = row.load(files)
        if policy.tile_vae and row.draws_pixels:
            parts[part].enable_tiling()
        if part == "transformer":
            _finish_transformer(parts[part], tier, policy, place, dtype)
        if part in ("transformer", "controlnet") and tier.attention_backend:
            set_attention(parts[part], tier.attention_backend)
    parts.setdefault("controlnet", None)
    components = Components(tier, device=place, dtype=dtype, rank=rank, policy=policy, **parts)
    _check_widths(components)
    return components


def _finish_transformer(
    transformer: torch.nn.Module,
    tier: Tier,
    policy: MemoryPolicy,
    place: torch.device,
    dtype: torch.dtype,
) -> None:
    """Fuse LoRAs, enable offloading, and split the work over devices, as the tier says."""
    import torch

    from skyreels_avatar.loading.checkpoints.gguf_file import has_quantized_layers

    if tier.loras:
        from skyreels_avatar.loading.checkpoints.lora import fuse_lora

        for path, scale in tier.loras.items():
            fuse_lora(transformer, path, scale)
    if tier.quantization:
        from skyreels_avatar.loading.quantization import quantize

        quantize(transformer, tier.quantization)
    elif policy.weights_in_8_bits and not has_quantized_layers(transformer):
        transformer.enable_layerwise_casting(torch.float8_e4m3fn, dtype)
    if policy.stream_blocks:
        transformer.enable_group_offload(
            place,
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=place.type == "cuda",
        )
    if tier.context_parallel != 1 and torch.distributed.is_initialized():
        from skyreels_avatar.models.context_parallel import split_tokens

        split_tokens(transformer, place)
    if tier.first_block_cache:
        from skyreels_avatar.models.acceleration import cache_first_block

        cache_first_block(transformer, tier.first_block_cache)
    if tier.tea_cache:
        from skyreels_avatar.models.acceleration import cache_by_time

        cache_by_time(transformer, tier.tea_cache)
    if tier.compile:
        transformer.compile_repeated_blocks()


def _check_widths(components: Components) -> None:
    """Raise an error for parts whose widths do not match, before the first frame."""
    transformer = components.transformer.config
    width = transformer.num_attention_heads * transformer.attention_head_dim
    widths = [
        ("audio_encoder tokens", components.audio_encoder.token_dim, transformer.audio_dim),
        ("text_encoder tokens", components.text_encoder.token_dim, transformer.text_dim),
    ]
    if components.controlnet is not None:
        residuals = components.controlnet.proj_out[0].out_features
        widths.append(("controlnet residuals", residuals, width))
    for name, have, want in widths:
        if have != want:
            raise CheckpointError(
                f"tier {components.tier.name}: {name} are {have} wide, the transformer is {want}"
            )


def torch_device(device: str) -> torch.device:
    """Return a device by its name, or by "auto" a GPU where there is one.

    Raises:
        InputError: there is no such device.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"unknown device {device!r}; use cpu, cuda, cuda:0 or auto") from error
    if place.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device} was asked for, but torch sees no GPU here; use cpu")
    return place


def default_dtype(device: torch.device) -> torch.dtype:
    """Return the precision of the transformer and the ControlNet on a device."""
    import torch

    return torch.float32 if device.type == "cpu" else torch.bfloat16
