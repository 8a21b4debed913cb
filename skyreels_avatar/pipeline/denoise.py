"""From noise to latents: the sampler, a plain function of networks and tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from skyreels_avatar.flow import add_noise, make_sigmas, step
from skyreels_avatar.loading.tiers import Tier
from skyreels_avatar.models.acceleration import feature_cache, start_window
from skyreels_avatar.models.condition_cache import ConditionCache
from skyreels_avatar.pipeline.conditions import Conditions
from skyreels_avatar.request.sampling import SamplingParams


@dataclass(frozen=True)
class Sampling:
    """How a window is sampled; every number is resolved, none is None.

    A scale of 1 switches its guidance off and saves the pass it needs.

    Attributes:
        one_pass: a distilled transformer does the guidance itself.
        control_scale, control_start, control_end, batch_guidance: as in `Tier`.
        injection: what known latent frames get after each step, of `INJECTIONS`.
    """

    num_inference_steps: int
    guidance_scale: float = 1.0
    audio_guidance_scale: float = 1.0
    shift: float = 1.0
    one_pass: bool = False
    sigma_smallest: float | None = None
    control_scale: float = 1.0
    control_start: float = 0.0
    control_end: float = 1.0
    batch_guidance: bool = True
    injection: str = "noised"

    def control_at(self, index: int) -> float:
        """Return the scale of the ControlNet's residuals in a step, 0 where it is not asked."""
        share = index / self.num_inference_steps
        return self.control_scale if self.control_start <= share < self.control_end else 0.0

    @property
    def num_variants(self) -> int:
        """How many variants of the conditions guidance compares, at most."""
        scales = self.guidance_scale, self.audio_guidance_scale
        return 1 if self.one_pass else 1 + sum(scale != 1.0 for scale in scales)

    @classmethod
    def of(cls, asked: SamplingParams, tier: Tier, one_pass: bool = False) -> Sampling:
        """Return what the user asked for, and the tier's defaults for the rest."""

        def chosen(name: str) -> float:
            value = getattr(asked, name)
            return getattr(tier, name) if value is None else value

        return cls(
            int(chosen("num_inference_steps")),
            float(chosen("guidance_scale")),
            float(chosen("audio_guidance_scale")),
            tier.shift,
            one_pass,
            tier.sigma_smallest,
            tier.control_scale,
            tier.control_start,
            tier.control_end,
            tier.batch_guidance,
        )


def denoise(
    transformer: torch.nn.Module,
    controlnet: torch.nn.Module | None,
    conditions: Conditions,
    sampling: Sampling,
    noise: torch.Generator | torch.Tensor,
    on_step: Callable[[int], None] | None = None,
) -> torch.Tensor:
    """Return the clean latents (1, C, T, h, w) of one window, in the precision of the known ones.

    Known latent frames come back exactly as given, unless nothing is injected.

    Args:
        noise: (1, C, T, h, w), or what draws it.
    """
    known, mask = conditions.known_latents, conditions.known_mask[:, :1]
    if isinstance(noise, torch.Generator):
        noise = torch.randn(known.shape, generator=noise)
    noise = noise.to(known)
    sigmas = make_sigmas(sampling.num_inference_steps, sampling.shift, sampling.sigma_smallest)
    guidance = _Guidance(conditions, sampling)
    inject = INJECTIONS[sampling.injection]
    latents = torch.lerp(noise, inject(noise, known, noise, sigmas[0]), mask)
    start_window(transformer)
    for index in range(sampling.num_inference_steps):
        ends = sigmas[index], sigmas[index + 1]
        control = sampling.control_at(index)
        velocity = guidance.velocity(transformer, controlnet, latents, *ends, control)
        latents = step(latents, velocity, *ends)
        latents = torch.lerp(latents, inject(latents, known, noise, sigmas[index + 1]), mask)
        if on_step is not None:
            on_step(index + 1)
    return latents


def _keep_sampled(
    latents: torch.Tensor, known: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    return latents


def _add_noise(
    latents: torch.Tensor, known: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    return add_noise(known, noise, sigma)


def _keep_clean(
    latents: torch.Tensor, known: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    return known


INJECTIONS = {"none": _keep_sampled, "noised": _add_noise, "clean": _keep_clean}
"""What stands in known latent frames at the beginning and after each step, by its name in `Tier`.

Differs from SkyReels-V3 under "noised": each frame keeps the noise of its trajectory; the
published loop draws fresh noise after every step.
"""


class _Guidance:
    """Ask the network once per step for every variant of the conditions that guidance needs.

    Both on: v = v00 + a (v01 - v00) + t (v11 - v01), where the first digit says whether the
    prompt is heeded and the second whether the audio is. One on: v = off + scale (on - off) with
    the other condition always heeded. Source: SkyReels-V3 / InfiniteTalk three-way guidance.
    A distilled network is asked once and told the scales and the length of the step.
    The variants are a batch, or are asked for in turn, which takes the memory of one.
    """

    def __init__(self, conditions: Conditions, sampling: Sampling):
        text, audio = sampling.guidance_scale, sampling.audio_guidance_scale
        self.variants = [conditions]
        self.weights = [1.0]
        self.told = None
        if sampling.one_pass:
            self.told, text, audio = (text, audio), 1.0, 1.0
        same = torch.equal(conditions.prompt_embeds, conditions.negative_embeds)
        if text != 1.0 and not same:
            self.variants.append(conditions.without_text())
            self.weights = [text, 1.0 - text]
        if audio != 1.0:
            self.variants.append(self.variants[-1].without_audio())
            self.weights[-1] += audio - 1.0
            self.weights.append(1.0 - audio)
        self.conditions = conditions
        batches = [self.variants] if sampling.batch_guidance else [[v] for v in self.variants]
        self.passes = [_Pass(f"pass {i}", batch) for i, batch in enumerate(batches)]

    def velocity(
        self,
        transformer: torch.nn.Module,
        controlnet: torch.nn.Module | None,
        latents: torch.Tensor,
        sigma: torch.Tensor,
        sigma_next: torch.Tensor,
        control_scale: float = 1.0,
    ) -> torch.Tensor:
        """Return the guided velocity (1, C, T, h, w) of the step from `sigma` to `sigma_next`."""
        known = self.conditions
        hidden_states = torch.cat([latents, known.known_mask, known.known_latents], dim=1)
        timestep = (1000.0 * sigma).reshape(1).to(latents)
        told = None
        if self.told is not None:
            told = torch.tensor([[*self.told, float(sigma - sigma_next)]]).to(latents)
        velocities = []
        for one in self.passes:
            residuals = None
            if controlnet is not None and known.control_latents is not None and control_scale:
                seen = known.control_latents, timestep, control_scale, known.control_rays
                residuals = controlnet(hidden_states, *seen)
            with feature_cache(transformer, one.name):
                velocity = transformer(
                    hidden_states=_repeated(hidden_states, one.size),
                    timestep=_repeated(timestep, one.size),
                    encoder_hidden_states=one.prompt_embeds,
                    audio_embeds=one.audio_embeds,
                    encoder_hidden_states_image=_repeated(known.image_embeds, one.size),
                    control_residuals=residuals,
                    sampling=told,
                    person_masks=known.person_masks,
                    cache=one.cache,
                    return_dict=False,
                )
            velocities.append(velocity[0] if isinstance(velocity, tuple) else velocity)
        velocities = torch.cat(velocities)
        weights = torch.tensor(self.weights).to(velocities)
        return torch.einsum("b,b...->...", weights, velocities)[None]


class _Pass:
    """The conditions of variants that are asked for together, and what is kept over the steps."""

    def __init__(self, name: str, variants: list[Conditions]):
        self.name, self.size = name, len(variants)
        self.prompt_embeds = torch.cat([one.prompt_embeds for one in variants])
        self.audio_embeds = torch.cat([one.audio_embeds for one in variants])
        self.cache = ConditionCache()


def _repeated(values: torch.Tensor | None, count: int) -> torch.Tensor | None:
    return None if values is None else values.expand(count, *values.shape[1:])
