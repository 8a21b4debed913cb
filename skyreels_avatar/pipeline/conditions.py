"""What the transformer is told about one window, as tensors."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch

_OF_LATENTS = ("known_latents", "known_mask", "held_latents", "control_latents")


@dataclass(frozen=True)
class Conditions:
    """Everything one window of denoising depends on besides its noise.

    Attributes:
        prompt_embeds: (1, L, D) what the performance should be.
        negative_embeds: (1, L, D) what it should not be; the null prompt when nothing was said.
        audio_embeds: (1, T, N, D) sound round each latent frame.
        no_audio_embeds: (1, T, N, D) what stands for "nothing is heard", for guidance.
        known_latents: (1, C, T, h, w), zeros where `known_mask` is 0.
        known_mask: (1, 4, T, h, w) 1 where the four frames of a latent frame are given.
        held_latents: (1, C, T', h, w) of the first latent frames, which are not sampled but
            held, as the tier says; None = all that are known.
        control_latents: (1, C + 4, T, h, w) of the reference video, or None.
        control_rays: (1, 7, F, H, W) holes of the same frames and the ray of each pixel, or None.
        image_embeds: (1, L, D) what the picture shows, for networks that look at it, or None.
        person_masks: (P + 1, h', w') tokens of the first latent frame that show each of several
            persons and, last, the background; None = one person.
    """

    prompt_embeds: torch.Tensor
    negative_embeds: torch.Tensor
    audio_embeds: torch.Tensor
    no_audio_embeds: torch.Tensor
    known_latents: torch.Tensor
    known_mask: torch.Tensor
    held_latents: torch.Tensor | None = None
    control_latents: torch.Tensor | None = None
    control_rays: torch.Tensor | None = None
    image_embeds: torch.Tensor | None = None
    person_masks: torch.Tensor | None = None

    def to(self, device: torch.device, dtype: torch.dtype) -> Conditions:
        """Return the same conditions where the transformer works, and in its precision.

        What is of latents stays as it is: it is mixed with what is sampled, in float32.
        """

        def moved(name: str) -> torch.Tensor | None:
            value = getattr(self, name)
            if value is None:
                return None
            return value.to(device) if name in _OF_LATENTS else value.to(device, dtype)

        return Conditions(**{field.name: moved(field.name) for field in fields(self)})

    def held(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what is held and where: latents (1, C, T, h, w), mask (1, 1, T, h, w)."""
        if self.held_latents is None:
            return self.known_latents, self.known_mask[:, :1]
        count = self.held_latents.shape[2]
        latents, mask = torch.zeros_like(self.known_latents), torch.zeros_like(self.known_mask)
        latents[:, :, :count], mask[:, :, :count] = self.held_latents, 1
        return latents, mask[:, :1]

    def persons(self) -> list[Conditions]:
        """Return the conditions of each of several persons who share the words."""
        count = len(self.known_latents)
        if count == 1:
            return [self]
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return [
            Conditions(
                **{
                    name: value[i : i + 1] if value is not None and len(value) == count else value
                    for name, value in values.items()
                }
            )
            for i in range(count)
        ]

    def without_text(self) -> Conditions:
        """Return the same conditions with the negative prompt in the prompt's place."""
        return replace(self, prompt_embeds=self.negative_embeds)

    def without_audio(self) -> Conditions:
        """Return the same conditions as if nothing were heard.

        As trained: several persons hear one silence, which belongs to none of them.
        """
        shared = self.no_audio_embeds.shape[2] < self.audio_embeds.shape[2]
        masks = None if shared else self.person_masks
        return replace(self, audio_embeds=self.no_audio_embeds, person_masks=masks)
