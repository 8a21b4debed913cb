"""Masks of latent frames that are known, and the latents of the reference video beside them."""

from __future__ import annotations

import torch


def known_mask(num_latent_frames: int, num_known: int, height: int, width: int) -> torch.Tensor:
    """Return (1, 4, T, h, w): 1 for the first `num_known` latent frames, 0 for the others."""
    mask = torch.zeros(1, 4, num_latent_frames, height, width)
    mask[:, :, :num_known] = 1.0
    return mask


def known_frames_mask(known: torch.Tensor) -> torch.Tensor:
    """Return (B, 4, T, 1, 1): channel c of latent frame t is frame 4 (t - 1) + 1 + c of a clip.

    The first latent frame holds the first frame alone, four times.

    Args:
        known: (B, F) bool, which frames are given, F = 1 + 4 (T - 1).
    """
    phases = torch.cat([known[:, :1].expand(-1, 3), known], dim=1).unflatten(1, (-1, 4))
    return phases.transpose(1, 2).float()[..., None, None]


def control_latents(motion_latents: torch.Tensor, seen_share: torch.Tensor) -> torch.Tensor:
    """Return (1, C + 4, T, h, w): latents of the reference video ++ how much of it is real.

    Args:
        motion_latents: (1, C, T, h, w), the `apparent_motion` of the window, packed.
        seen_share: (F,) of the window's frames, F = 1 + 4 (T - 1).
    """
    phases = torch.cat([seen_share[:1].expand(3), seen_share]).unflatten(0, (-1, 4))  # (T, 4)
    height, width = motion_latents.shape[-2:]
    phases = phases.T[None, :, :, None, None].expand(1, 4, -1, height, width)
    return torch.cat([motion_latents, phases.to(motion_latents)], dim=1)
