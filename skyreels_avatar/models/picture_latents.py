"""The latent of a picture as its tokens, for transformers that are shown it as a latent frame."""

from __future__ import annotations

import threading

import torch
import torch.nn as nn

VAE_LOCK = threading.Lock()
"""Of all video VAEs: while one works, it remembers frames, and two threads would mix them up."""


class PictureLatents(nn.Module):
    """An image encoder that is the video VAE itself.

    Args:
        vae: of the tier, an `AutoencoderKLWan`.
    """

    def __init__(self, vae: nn.Module):
        super().__init__()
        self.vae = vae

    @torch.no_grad()
    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return normalized latents (B, h w, C) of pictures (B, 3, H, W) in -1..1."""
        config, weight = self.vae.config, next(self.vae.parameters())
        with VAE_LOCK:
            moments = self.vae.encode(pictures[:, :, None].to(weight)).latent_dist
        latents = moments.mode().float().cpu().flatten(2).transpose(1, 2)
        mean, std = torch.tensor(config.latents_mean), torch.tensor(config.latents_std)
        return (latents - mean) / std
