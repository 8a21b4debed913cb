"""What the transformer is told about one window, as tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class Conditions:
    """Everything one window of denoising depends on besides its noise.

    Attributes:
        prompt_embeds: (1, L, D) what the performance should be.
        negative_embeds: (1, L, D) what it should not be; the null prompt when nothing was said.
        audio_embeds: (1, T, N, D) sound round each latent frame.
        known_latents: (1, C, T, h, w), zeros where `known_mask` is 0.
        known_mask: (1, 4, T, h, w) 1 where the four frames of a latent frame are given.
        control_latents: (1, C + 4, T, h, w) of the reference video, or None.
    """

    prompt_embeds: torch.Tensor
    negative_embeds: torch.Tensor
    audio_embeds: torch.Tensor
    known_latents: torch.Tensor
    known_mask: torch.Tensor
    control_latents: torch.Tensor | None = None

    def without_text(self) -> Conditions:
        """Return the same conditions with the negative prompt in the prompt's place."""
        return replace(self, prompt_embeds=self.negative_embeds)

    def without_audio(self) -> Conditions:
        """Return the same conditions as if nothing were heard."""
        return replace(self, audio_embeds=torch.zeros_like(self.audio_embeds))

    def without_control(self) -> Conditions:
        """Return the same conditions without the reference video's lead."""
        return replace(self, control_latents=None)


def known_mask(num_latent_frames: int, num_known: int, height: int, width: int) -> torch.Tensor:
    """Return (1, 4, T, h, w): 1 for the first `num_known` latent frames, 0 for the others."""
    mask = torch.zeros(1, 4, num_latent_frames, height, width)
    mask[:, :, :num_known] = 1.0
    return mask
