"""From noise to latents: the sampler, a plain function of networks and tensors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch

from skyreels_avatar.flow import add_noise, make_sigmas, step, with_even_tail
from skyreels_avatar.loading.tiers import Tier
from skyreels_avatar.models.acceleration import feature_cache, start_window
from skyreels_avatar.models.condition_cache import ConditionCache
from skyreels_avatar.pipeline.conditions import Conditions
from skyreels_avatar.pipeline.projected_guidance import ProjectedGuidance
from skyreels_avatar.request.sampling import SamplingParams

OnStep = Callable[[int, float, torch.Tensor], "torch.Tensor | None"]
"""Of a step: its number from 0, its time of 1000, and the latents after it."""


@dataclass(frozen=True)
class Sampling:
    """How a window is sampled; every number is resolved, none is None.

    A scale of 1 switches its guidance off and saves the pass it needs.

    Attributes:
        one_pass: a distilled transformer does the guidance itself.
        control_scale, control_start, control_end, batch_guidance, projected_guidance: as in `Tier`.
        injection: what known latent frames get after each step, of `INJECTIONS`.
        tail_steps: as in `Tier`, for this window.
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
    projected_guidance: float = 0.0
    tail_steps: int = 0

    def sigmas(self) -> torch.Tensor:
        """Return the noise levels between the steps, from 1 to 0."""
        sigmas = make_sigmas(self.num_inference_steps, self.shift, self.sigma_smallest)
        return with_even_tail(sigmas, self.tail_steps) if self.tail_steps else sigmas

    def control_at(self, share: float) -> float:
        """Return the scale of the ControlNet's residuals in a step, 0 where it is not asked.

        Args:
            share: of the steps that are before it.
        """
        return self.control_scale if self.control_start <= share < self.control_end else 0.0

    @property
    def num_variants(self) -> int:
        """How many variants of the conditions guidance compares, at most."""
        scales = self.guidance_scale, self.audio_guidance_scale
        return 1 if self.one_pass else 1 + sum(scale != 1.0 for scale in scales)

    @classmethod
    def of(
        cls,
        asked: SamplingParams,
        tier: Tier,
        one_pass: bool = False,
        num_pixels: int = 0,
        published_shift: float | None = None,
    ) -> Sampling:
        """Return what the user asked for, and the tier's defaults for frames of so many pixels.

        Args:
            published_shift: of the transformer, where the tier says none.
        """

        def chosen(name: str) -> float:
            value = getattr(asked, name)
            return getattr(tier, name) if value is None else value

        return cls(
            int(chosen("num_inference_steps")),
            float(chosen("guidance_scale")),
            float(chosen("audio_guidance_scale")),
            tier.shift_of(num_pixels, published_shift),
            one_pass,
            tier.sigma_smallest,
            tier.control_scale,
            tier.control_start,
            tier.control_end,
            tier.batch_guidance,
            projected_guidance=tier.projected_guidance,
        )


def denoise(
    transformer: torch.nn.Module,
    controlnet: torch.nn.Module | None,
    conditions: Conditions,
    sampling: Sampling,
    noise: torch.Generator | torch.Tensor,
    on_step: OnStep | None = None,
) -> torch.Tensor:
    """Return the clean latents (1, C, T, h, w) of one window, in the precision of the known ones.

    Held latent frames come back exactly as given, unless nothing is injected.

    Args:
        noise: (1, C, T, h, w), or what draws it.
        on_step: called after each step; may raise to stop, and may return other latents.
    """
    held, mask = conditions.held()
    generator = noise if isinstance(noise, torch.Generator) else None
    if generator is not None:
        noise = torch.randn(held.shape, generator=generator)
    noise = noise.to(held)
    sigmas = sampling.sigmas()
    num_steps = len(sigmas) - 1
    guidance = _Guidance(conditions, sampling)
    injection = INJECTIONS[sampling.injection](held, mask, noise, generator)
    latents = injection(noise, sigmas[0])
    start_window(transformer)
    for index in range(num_steps):
        ends = sigmas[index], sigmas[index + 1]
        control = sampling.control_at(index / num_steps)
        velocity = guidance.velocity(transformer, controlnet, latents, *ends, control)
        latents = step(latents, velocity, *ends)
        latents = injection(latents, sigmas[index + 1])
        if on_step is not None:
            changed = on_step(index, float(1000 * sigmas[index]), latents)
            latents = latents if changed is None else changed.to(latents)
    return latents


class _Injection:
    """Leave the latents of a step as they are.

    Args:
        held: (1, C, T, h, w) latents that are known, and mask (1, 1, T, h, w), where they are.
        noise: that the window started from.
    """

    def __init__(
        self,
        held: torch.Tensor,
        mask: torch.Tensor,
        noise: torch.Tensor,
        generator: torch.Generator | None,
    ):
        self._held, self._mask, self._noise, self._generator = held, mask, noise, generator

    def __call__(self, latents: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """Return latents with what is held put into them, at the noise of `sigma`."""
        return latents


class _Clean(_Injection):
    """Put what is held into the latents as it is."""

    def __call__(self, latents: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return torch.lerp(latents, self._held, self._mask)


class _Noised(_Injection):
    """Put what is held into the latents, with the noise that the window started from."""

    def __call__(self, latents: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return torch.lerp(latents, add_noise(self._held, self._noise, sigma), self._mask)


class _Renoised(_Injection):
    """The same with fresh noise in every step, drawn for the held latent frames alone."""

    def __call__(self, latents: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        count = int(self._mask[0, 0].amax((1, 2)).sum())  # they are the first ones
        held = self._held[:, :, :count]
        fresh = torch.randn(held.shape, generator=self._generator).to(held)
        return torch.cat([add_noise(held, fresh, sigma), latents[:, :, count:]], dim=2)


INJECTIONS = {"none": _Injection, "clean": _Clean, "noised": _Noised, "renoised": _Renoised}
"""What is put into held latent frames at the beginning and after each step, by its name in `Tier`.
"""


class _Guidance:
    """Ask the network once per step for every variant of the conditions that guidance needs.

    Both on: v = v00 + a (v01 - v00) + t (v11 - v01), where the first digit says whether the
    prompt is heeded and the second whether the audio is. One on: v = off + scale (on - off) with
    the other condition always heeded. Source: SkyReels-V3 / InfiniteTalk three-way guidance.
    A distilled network is asked once and told the scales and the length of the step.
    The variants are a batch, or are asked for in turn, which takes the memory of one.
    Each variant leaves out one more condition, so that v = v_0 + sum (scale_i - 1) (v_i - v_(i+1)).
    """

    def __init__(self, conditions: Conditions, sampling: Sampling):
        text, audio = sampling.guidance_scale, sampling.audio_guidance_scale
        self.variants, scales = [conditions], []
        self.told = None
        if sampling.one_pass:
            self.told, text, audio = (text, audio), 1.0, 1.0
        same = torch.equal(conditions.prompt_embeds, conditions.negative_embeds)
        if text != 1.0 and not same:
            self.variants.append(conditions.without_text())
            scales.append(text)
        if audio != 1.0:
            self.variants.append(self.variants[-1].without_audio())
            scales.append(audio)
        self.scales = [scale - 1.0 for scale in scales]
        norm = sampling.projected_guidance
        self.projected = [ProjectedGuidance(norm) for _ in scales] if norm else None
        self.conditions = conditions
        batches = (
            _batches(self.variants)
            if sampling.batch_guidance
            else [[variant] for variant in self.variants]
        )
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
                    person_masks=one.person_masks,
                    cache=one.cache,
                    return_dict=False,
                )
            velocities.append(velocity[0] if isinstance(velocity, tuple) else velocity)
        return self._mixed(torch.cat(velocities))[None]

    def _mixed(self, velocities: torch.Tensor) -> torch.Tensor:
        """Return the guided velocity (C, T, h, w) of those of all variants (B, C, T, h, w)."""
        if self.projected is None:
            weights = [1.0, *(0.0 for _ in self.scales)]
            for i, scale in enumerate(self.scales):
                weights[i] += scale
                weights[i + 1] -= scale
            return torch.einsum("b,b...->...", torch.tensor(weights).to(velocities), velocities)
        guided = velocities[0].clone()
        for i, (scale, project) in enumerate(zip(self.scales, self.projected)):
            guided += scale * project(velocities[i] - velocities[i + 1], velocities[0])
        return guided


class _Pass:
    """The conditions of variants that are asked for together, and what is kept over the steps."""

    def __init__(self, name: str, variants: list[Conditions]):
        self.name, self.size = name, len(variants)
        self.prompt_embeds = torch.cat([one.prompt_embeds for one in variants])
        self.audio_embeds = torch.cat([one.audio_embeds for one in variants])
        self.person_masks = variants[0].person_masks
        self.cache = ConditionCache()


def _batches(variants: list[Conditions]) -> list[list[Conditions]]:
    """Return variants with neighbors together that hear as many tokens."""
    groups = itertools.groupby(variants, key=lambda one: one.audio_embeds.shape)
    return [list(group) for _, group in groups]


def _repeated(values: torch.Tensor | None, count: int) -> torch.Tensor | None:
    return None if values is None else values.expand(count, *values.shape[1:])
