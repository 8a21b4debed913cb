"""One pass of the transformer split over several devices, one process each (Ulysses).

The processes are those that torchrun starts. Every process makes the same shot; within the
transformer each keeps a part of the tokens.
"""

from __future__ import annotations

import os

import torch
import torch.distributed as dist

from skyreels_avatar.errors import InputError


def join(degree: int, device: torch.device) -> tuple[int, torch.device]:
    """Join the process group, and return this process's rank and device.

    Args:
        degree: how many processes there have to be; 0 = as many as there are, 1 = be alone.
        device: "cuda" becomes the GPU of this process.

    Raises:
        InputError: there are fewer or more.
    """
    found = dist.get_world_size() if dist.is_initialized() else int(os.environ.get("WORLD_SIZE", 1))
    if degree == 1 or (degree == 0 and found == 1):
        return 0, device
    if degree not in (0, found):
        raise InputError(
            f"context_parallel is {degree}, but there is {found} process of it; start the program "
            f"with torchrun --nproc-per-node {degree}"
        )
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return dist.get_rank(), device


def agreed(value: int, device: torch.device) -> int:
    """Return the maximum of a value over the processes of the group."""
    if not dist.is_initialized():
        return value
    largest = torch.tensor(value, device=device)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest)


def num_parts(transformer: torch.nn.Module) -> int:
    """Return the number of devices that `split_tokens` has split a transformer over, else 1."""
    config = getattr(transformer, "_parallel_config", None)
    return 1 if config is None else config.context_parallel_config.ulysses_degree


def token_group(parallel_config: object | None) -> dist.ProcessGroup | None:
    """Return the processes among which an attention's tokens are split; None = all are here."""
    if parallel_config is None:
        return None
    return parallel_config.context_parallel_config._flattened_mesh.get_group()


def first_tokens(values: torch.Tensor, count: int, group: dist.ProcessGroup | None) -> torch.Tensor:
    """Return the first tokens (B, count, ...) of a whole sequence.

    Args:
        values: (B, L, ...), the part of the sequence that this process has, as long as the others'.
        group: of the processes that have it, in the order of their ranks.
    """
    own = values[:, :count].contiguous()
    if group is None:
        return own
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, own, group=group)
    return torch.cat(parts, dim=1)[:, :count]


def extremes(
    values: torch.Tensor, group: dist.ProcessGroup | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the minimum and the maximum (..., 1) over all tokens of a whole sequence.

    Args:
        values: (..., L), of the tokens that this process has.
    """
    low, high = values.amin(-1, keepdim=True), values.amax(-1, keepdim=True)
    if group is not None:
        bounds = torch.stack([-low, high])
        dist.all_reduce(bounds, dist.ReduceOp.MAX, group=group)
        low, high = -bounds[0], bounds[1]
    return low, high


def whole_frames(
    tokens: torch.Tensor, audio_embeds: torch.Tensor, start: int, tokens_per_frame: int
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Pad a part of a token sequence to whole latent frames.

    Args:
        tokens: (B, L, D), the tokens from `start` on.
        audio_embeds: (B, T, N, audio_dim) of all latent frames.

    Returns:
        the tokens with zeros before and after, the audio of their frames, and how many zeros
        stand before.
    """
    stop = start + tokens.shape[1]
    first, last = start // tokens_per_frame, -(-stop // tokens_per_frame)
    before, after = start - first * tokens_per_frame, last * tokens_per_frame - stop
    padded = torch.nn.functional.pad(tokens, (0, 0, before, after))
    return padded, audio_embeds[:, first:last], before


def split_tokens(transformer: torch.nn.Module, device: torch.device) -> None:
    """Split a transformer's tokens evenly over the processes of the group.

    Does what diffusers' `enable_parallelism` does, which divides by the number of accelerators
    and so cannot be used, nor tested, where there are none.

    Raises:
        InputError: a transformer whose tokens cannot be split, or heads, which are dealt out in
            attention, that cannot be shared equally.
    """
    from diffusers import ContextParallelConfig
    from diffusers.hooks import apply_context_parallel
    from diffusers.models._modeling_parallel import ParallelConfig
    from torch.distributed.device_mesh import init_device_mesh

    rank, count = dist.get_rank(), dist.get_world_size()
    if count == 1:
        return
    if not transformer._cp_plan:
        raise InputError("this transformer cannot be split over devices; set context_parallel: 1")
    heads = transformer.config.num_attention_heads
    if heads % count:
        raise InputError(f"{count} processes cannot share {heads} heads of attention equally")
    shared = ContextParallelConfig(ulysses_degree=count)
    config = ParallelConfig(context_parallel_config=shared)
    mesh = init_device_mesh(device.type, shared.mesh_shape, mesh_dim_names=shared.mesh_dim_names)
    config.setup(rank, count, device, mesh=mesh)
    for processor in transformer.attn_processors.values():
        processor._parallel_config = config
    transformer._parallel_config = config
    apply_context_parallel(transformer, shared, transformer._cp_plan)


def check_shares(transformer: torch.nn.Module, height: int, width: int, token_px: int) -> None:
    """Raise an error if the tokens of a video size cannot be split evenly over the processes.

    Raises:
        InputError: see above.
    """
    count, tokens = num_parts(transformer), (height // token_px) * (width // token_px)
    if tokens % count:
        raise InputError(
            f"a frame of {width}x{height} has {tokens} tokens, which {count} processes cannot "
            f"share equally; give a size whose sides are multiples of {token_px * count}, or "
            "start fewer processes",
            parameter="size",
        )
