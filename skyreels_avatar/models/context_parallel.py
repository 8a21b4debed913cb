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


def split_tokens(transformer: torch.nn.Module, device: torch.device) -> None:
    """Split a transformer's tokens evenly over the processes of the group.

    Does what diffusers' `enable_parallelism` does, which divides by the number of accelerators
    and so cannot be used, nor tested, where there are none.

    Raises:
        InputError: heads, which are dealt out in attention, cannot be shared equally.
    """
    from diffusers import ContextParallelConfig
    from diffusers.hooks import apply_context_parallel
    from diffusers.models._modeling_parallel import ParallelConfig
    from torch.distributed.device_mesh import init_device_mesh

    rank, count = dist.get_rank(), dist.get_world_size()
    if count == 1:
        return
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
