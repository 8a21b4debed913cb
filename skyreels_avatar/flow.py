"""The flow-matching convention, in one place.

`sigmas` fall from 1 (noise) to 0 (clean). `noisy = (1 - sigma) * clean + sigma * noise`, the
network predicts `velocity = noise - clean`, and a step adds `(sigma_next - sigma) * velocity`.
No sign is flipped anywhere else. Source: rectified flow (arXiv 2209.03003); the shift of the
schedule is that of SD3 (arXiv 2403.03206, section 5.3.2).
"""

from __future__ import annotations

import torch


def make_sigmas(
    num_inference_steps: int, shift: float = 1.0, smallest: float | None = None
) -> torch.Tensor:
    """Return (num_inference_steps + 1,) float32 sigmas from 1 to exactly 0.

    Args:
        num_inference_steps: how many times the network is asked.
        shift: > 1 spends more of the steps at high noise: s -> shift s / (1 + (shift - 1) s).
        smallest: where the network is asked last, before the shift; None = as far from 0 as the
            other steps are long. SkyReels-V3 uses 0.001: its last step does almost nothing.
    """
    if num_inference_steps < 1:
        raise ValueError(f"num_inference_steps must be at least 1, got {num_inference_steps}")
    if shift <= 0:
        raise ValueError(f"shift must be positive, got {shift}")
    if smallest is None:
        sigmas = torch.linspace(1.0, 0.0, num_inference_steps + 1, dtype=torch.float64)
    else:
        sigmas = torch.linspace(1.0, smallest, num_inference_steps, dtype=torch.float64)
        sigmas = torch.cat([sigmas, sigmas.new_zeros(1)])
    return (shift * sigmas / (1 + (shift - 1) * sigmas)).float()


def with_even_tail(sigmas: torch.Tensor, num_steps: int, start: float = 0.5) -> torch.Tensor:
    """Return sigmas that fall from `start` to 0 in steps of one length, above it as they are.

    Args:
        sigmas: from 1 to 0.
        num_steps: below `start`, at least 1.

    Source: LongCat-Video (MIT), which goes on from other clips so, for the sake of fine detail.
    """
    tail = torch.linspace(start, 0.0, num_steps + 1, dtype=torch.float64).to(sigmas)
    return torch.cat([sigmas[sigmas > start], tail])


def add_noise(clean: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Return the point at `sigma` on the straight line from clean to noise.

    Args:
        sigma: (B,) or scalar in [0, 1]; broadcast over the trailing axes of `clean`.
    """
    sigma = _expand(sigma, clean)
    return (1 - sigma) * clean + sigma * noise


def velocity(clean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Return what the network is trained to predict."""
    return noise - clean


def step(
    noisy: torch.Tensor, velocity: torch.Tensor, sigma: torch.Tensor, sigma_next: torch.Tensor
) -> torch.Tensor:
    """Return the Euler step from `sigma` to `sigma_next`."""
    return noisy + _expand(sigma_next - sigma, noisy) * velocity


def clean_from_velocity(
    noisy: torch.Tensor, velocity: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    """Return the clean latents that a velocity at `sigma` points to."""
    return noisy - _expand(sigma, noisy) * velocity


def _expand(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    value = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    return value.reshape(value.shape + (1,) * (like.dim() - value.dim()))
