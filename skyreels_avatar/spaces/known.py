"""What is known of a window before it is sampled, its masks, and the reference video beside it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from skyreels_avatar.shapes import TIME_FACTOR


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a window before it is sampled.

    Attributes:
        latents: (B, C, T, h, w), zeros where nothing is known.
        mask: (B, P, T, h, w), 1 where they are, a channel for each of the P frames of a latent
            frame.
        held: (B, C, T', h, w), the first latent frames, which are not sampled but held; None = all
            that are known.
        picture: (1, 3, H, W) in -1..1 for the image encoder; None = the picture of the shot.
    """

    latents: torch.Tensor
    mask: torch.Tensor
    held: torch.Tensor | None = None
    picture: torch.Tensor | None = None


def known_mask(
    num_latent_frames: int,
    num_known: int,
    height: int,
    width: int,
    time_factor: int = TIME_FACTOR,
) -> torch.Tensor:
    """Return (1, P, T, h, w): 1 for the first `num_known` latent frames, 0 for the others.

    It has a channel for each of the P frames of a latent frame.
    """
    mask = torch.zeros(1, time_factor, num_latent_frames, height, width)
    mask[:, :, :num_known] = 1.0
    return mask


def known_frames_mask(known: torch.Tensor, time_factor: int = TIME_FACTOR) -> torch.Tensor:
    """Return (B, P, T, 1, 1): channel c of latent frame t is frame P (t - 1) + 1 + c of a clip.

    The first latent frame holds the first frame alone, P times.

    Args:
        known: (B, F) bool, which frames are given, F = 1 + P (T - 1).
        time_factor: P, frames of a latent frame.
    """
    phases = torch.cat([known[:, :1].expand(-1, time_factor - 1), known], dim=1)
    phases = phases.unflatten(1, (-1, time_factor))
    return phases.transpose(1, 2).float()[..., None, None]


def control_latents(
    motion_latents: torch.Tensor, seen_share: torch.Tensor, time_factor: int = TIME_FACTOR
) -> torch.Tensor:
    """Return (1, C + P, T, h, w): latents of the reference video ++ how much of it is real.

    Args:
        motion_latents: (1, C, T, h, w), the `apparent_motion` of the window, packed.
        seen_share: (F,) of the window's frames, F = 1 + P (T - 1).
        time_factor: P, frames of a latent frame.
    """
    phases = torch.cat([seen_share[:1].expand(time_factor - 1), seen_share])
    phases = phases.unflatten(0, (-1, time_factor))  # (T, P)
    height, width = motion_latents.shape[-2:]
    phases = phases.T[None, :, :, None, None].expand(1, time_factor, -1, height, width)
    return torch.cat([motion_latents, phases.to(motion_latents)], dim=1)
