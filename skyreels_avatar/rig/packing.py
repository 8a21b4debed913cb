"""Rig coefficients as latents: four frames to a latent frame, four groups along the width."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.coefficients import GROUP_SIZE, NUM_GROUPS

TIME_FACTOR = 4


def pack(motion: torch.Tensor) -> torch.Tensor:
    """Pack (B, F, 32) normalized coefficients, F = 1 + 4k, into latents (B, 32, T, 1, 4).

    The first frame has a latent frame of its own.
    """
    batch, num_frames, _ = motion.shape
    if (num_frames - 1) % TIME_FACTOR:
        raise ValueError(f"a clip has 1 + {TIME_FACTOR}k frames, got {num_frames}")
    motion = torch.cat([motion[:, :1].expand(-1, TIME_FACTOR - 1, -1), motion], 1)
    packed = motion.reshape(batch, -1, TIME_FACTOR, NUM_GROUPS, GROUP_SIZE)  # B T 4 G 8
    packed = packed.permute(0, 2, 4, 1, 3).flatten(1, 2)  # B 4*8 T G
    return packed[:, :, :, None]


def unpack(latents: torch.Tensor) -> torch.Tensor:
    """Unpack latents (B, 32, T, 1, 4) into (B, F, 32): the inverse of `pack`."""
    packed = latents[:, :, :, 0].unflatten(1, (TIME_FACTOR, GROUP_SIZE))  # B 4 8 T G
    motion = packed.permute(0, 3, 1, 4, 2).flatten(3).flatten(1, 2)  # B 4T 32
    return torch.cat([motion[:, :TIME_FACTOR].mean(1, keepdim=True), motion[:, 4:]], 1)


def shifted(latents: torch.Tensor, which: slice, by: float) -> torch.Tensor:
    """Return latents (B, 32, T, 1, 4) with `by` added to some coefficients, all of one group."""
    group, first = divmod(which.start, GROUP_SIZE)
    moved = latents.clone().unflatten(1, (TIME_FACTOR, GROUP_SIZE))
    moved[:, :, first : first + which.stop - which.start, ..., group] += by
    return moved.flatten(1, 2)


def with_scaled_mean(latents: torch.Tensor, which: int, by: float) -> torch.Tensor:
    """Return latents (B, 32, T, 1, 4) with the mean of a coefficient's four frames scaled."""
    group, place = divmod(which, GROUP_SIZE)
    scaled = latents.clone().unflatten(1, (TIME_FACTOR, GROUP_SIZE))
    frames = scaled[:, :, place, ..., group]
    frames += (by - 1) * frames.mean(1, keepdim=True)
    return scaled.flatten(1, 2)
