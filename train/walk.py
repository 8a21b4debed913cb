"""Step along a sampler with gradients where they are wanted, as the pipeline does without."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from skyreels_avatar.flow import add_noise, make_sigmas
from skyreels_avatar.loading.components import Components
from skyreels_avatar.models.condition_cache import ConditionCache
from train.objective import Prepared, predict


@dataclass(frozen=True)
class Walk:
    """How windows are sampled.

    Attributes:
        num_steps: of the sampler. guidance: (B, 2) scales of text and audio.
        leashed: the step whose velocity is held to that of the weights as they were; None = none.
    """

    num_steps: int
    guidance: torch.Tensor
    leashed: int | None = None

    def sigmas(self, parts: Components) -> torch.Tensor:
        """Return (num_steps + 1,) noise levels, 1 to 0, on the device of the guidance."""
        return make_sigmas(self.num_steps, parts.tier.shift_of(0)).to(self.guidance)


def velocity_at(
    parts: Components,
    prepared: Prepared,
    latents: torch.Tensor,
    walk: Walk,
    index: int,
    cache: ConditionCache | None = None,
) -> torch.Tensor:
    """Return the velocity (B, 32, T, 1, 4) that a step of the sampler takes."""
    sigma, end = walk.sigmas(parts)[index : index + 2]
    told = torch.cat([walk.guidance, (sigma - end).expand(len(latents), 1)], 1)
    return predict(parts, prepared, latents, sigma.expand(len(latents)), told, cache)


def keep_given(
    latents: torch.Tensor, prepared: Prepared, noise: torch.Tensor, end: torch.Tensor
) -> torch.Tensor:
    """Return latents at the noise level `end` in which what is known is what was given."""
    given = add_noise(prepared.known, noise, end)
    return torch.lerp(latents, given, prepared.mask[:, :1])
