"""The transformer of a tier that draws pixels: its sizes, its weights, its shares on GPUs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist

from skyreels_avatar.errors import CheckpointError, MissingExtraError
from skyreels_avatar.loading.checkpoints.load import read_header
from skyreels_avatar.loading.checkpoints.public import PartFiles, TensorShapes, inner_name
from skyreels_avatar.loading.parts import expected_format, format_of, new_part
from skyreels_avatar.loading.tiers import Tier
from skyreels_avatar.models.layers import NUM_SAMPLING, TimestepEmbedding
from train.config import VideoConfig

_TOLD = "condition_embedder.sampling_embedder."
# Matrices of a block, which are gathered together and may be gathered in half precision.
_MATRICES = ("attn1", "attn2", "audio_attn", "ffn")


def empty_transformer(tier: Tier, **sizes: object) -> torch.nn.Module:
    """Return the transformer of a tier on the meta device, where it takes no memory.

    Its sizes are those of the tier's files where they are here, else those that the tier says.

    Args:
        sizes: arguments of its class that are to be others.

    Raises:
        CheckpointError: no files, and no sizes.
    """
    weights = tier.weights.transformer
    with torch.device("meta"):
        try:
            found = _of_files(weights)
        except CheckpointError:
            if "transformer" not in tier.sizes:
                raise
            found = new_part("transformer", tier.sizes["transformer"])
        if sizes:
            found = type(found).from_config({**found.config, **sizes})
    return found


def _of_files(weights: object) -> torch.nn.Module:
    row = format_of("transformer", weights)
    if row.public is None:
        return row.make(**read_header(weights)[1])
    file = PartFiles(weights).file
    shapes = {inner_name(key): file.shape(key) for key in file}
    return row.public.build(TensorShapes(shapes, file.config()))


def load_transformer(tier: Tier, device: torch.device, dtype: torch.dtype) -> torch.nn.Module:
    """Return the transformer of a tier with its weights, frozen; what has to be is float32."""
    weights = tier.weights.transformer
    row = format_of("transformer", weights)
    return row.load(PartFiles(weights, tier, device, dtype)).requires_grad_(False)


def student_of(
    teacher: Mapping[str, torch.Tensor], dim: int, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """Return the weights that a student begins with: the teacher's, and it ignores what it is told.

    Args:
        dim: width of the transformer.
    """
    weights = {name: value.float() for name, value in teacher.items()}
    for name, value in TimestepEmbedding(NUM_SAMPLING, dim).state_dict().items():
        if _TOLD + name not in weights:
            is_first = name == "linear_1.weight"
            spread = value.shape[-1] ** -0.5 if is_first else 0.0
            weights[_TOLD + name] = spread * torch.randn(value.shape, generator=generator)
    return weights


def place(
    network: torch.nn.Module,
    weights: Mapping[str, torch.Tensor],
    device: torch.device,
    gathered: torch.dtype | None = None,
) -> torch.nn.Module:
    """Fill a network of the meta device; with several processes each keeps its share (FSDP).

    Args:
        network: its tensors have the dtype that they are kept in.
        weights: all of them, on the first process; elsewhere they are not looked at.
        gathered: of the large matrices while they are at work; None = as they are kept.
    """
    count = dist.get_world_size() if dist.is_initialized() else 1
    if count == 1:
        network.to_empty(device=device)
        network.load_state_dict(weights)
        return network
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(device.type, (count,))
    # Inputs keep their precision: tables of positions are float32, matrices are cast by autocast.
    policy = MixedPrecisionPolicy(gathered, torch.float32, cast_forward_inputs=False)
    for block in network.blocks:
        for name in _MATRICES:
            fully_shard(getattr(block, name), mesh=mesh, mp_policy=policy)
        fully_shard(block, mesh=mesh)
    fully_shard(network, mesh=mesh)
    network.to_empty(device=device)
    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
    given = dict(weights) if dist.get_rank() == 0 else {}
    set_model_state_dict(network, given, options=options)
    return network


def keep_matrices_in(network: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    """Cast the large matrices of all blocks, and all else to float32, which is little."""
    network.float()
    for block in network.blocks:
        for name in _MATRICES:
            getattr(block, name).to(dtype)
    return network


def add_lora(transformer: torch.nn.Module, video: VideoConfig) -> None:
    """Put matrices of low rank beside those of `video.targets`; they alone learn, in float32."""
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise MissingExtraError("peft", "studio") from error
    rank, targets = video.rank, list(video.targets)
    # An alpha of the rank, which loaders assume where a file says none.
    transformer.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=targets))
    for value in transformer.parameters():
        if value.requires_grad:
            value.data = value.data.float()


def full_weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return all weights, on the host of the first process; every process has to ask."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    several = dist.is_initialized()
    options = StateDictOptions(full_state_dict=several, cpu_offload=several)
    return get_model_state_dict(network, options=options)


def draws_pixels(tier: Tier) -> bool:
    """Return whether the networks of a tier draw pixels; no weights have to be there."""
    return expected_format("vae", tier.weights.vae).draws_pixels
