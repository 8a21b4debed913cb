"""The windows of a shot, sampled in the order in which they need each other."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch

from skyreels_avatar.loading.components import Components
from skyreels_avatar.models.fused_transformer import FusedTransformer, fused
from skyreels_avatar.pipeline.denoise import OnStep, Sampling, denoise
from skyreels_avatar.pipeline.encode import EncodedShot
from skyreels_avatar.pipeline.noise import segment_generator
from skyreels_avatar.planning.segments import Segment
from skyreels_avatar.progress import Reporter

_NUM_KEPT = 4  # a fill needs a key frame made two windows before it


class LatentCache(Protocol):
    """Keeps the latents of windows."""

    def latents(self, segment: Segment) -> torch.Tensor | None:
        """Return the sampled latents (1, C, T, h, w) of a window; None if they are not there."""

    def save_latents(self, segment: Segment, latents: torch.Tensor) -> None:
        """Keep the sampled latents (1, C, T, h, w) of a window."""


class WindowCache(LatentCache, Protocol):
    """Keeps the latents and the frames of windows for another run, as `WorkFolder` does."""

    def piece(self, segment: Segment) -> Path:
        """Return where the frames of a window are, or will be."""

    def check_files(self, made: Path | None = None) -> None:
        """Remove what was just made, and raise, if a file of the shot has changed meanwhile."""


class LatentsInMemory:
    """Keeps the latents of a shot while it is made; as rig coefficients they are small."""

    def __init__(self) -> None:
        self._kept: dict[int, torch.Tensor] = {}

    def latents(self, segment: Segment) -> torch.Tensor | None:
        """Return the sampled latents (1, C, T, h, w) of a window; None if they are not there."""
        return self._kept.get(segment.index)

    def save_latents(self, segment: Segment, latents: torch.Tensor) -> None:
        """Keep the sampled latents (1, C, T, h, w) of a window."""
        self._kept[segment.index] = latents


class WindowSampler:
    """Samples the latents of the windows of a shot, in any order; the latest are kept.

    Args:
        cache: where latents are found, and kept for another run; None keeps none.
        on_step: called after each step of denoising, as in `denoise`.
    """

    def __init__(
        self,
        components: Components,
        shot: EncodedShot,
        reporter: Reporter,
        cache: LatentCache | None = None,
        on_step: OnStep | None = None,
    ):
        self._components, self._shot, self._reporter = components, shot, reporter
        self._cache, self._on_step = cache, on_step
        self._fused: torch.nn.Module | FusedTransformer | None = None
        self._finished: dict[int, torch.Tensor] = {}
        self._last_use = {i: one.index for one in shot.plan.segments for i in one.needs}

    def latents(self, segment: Segment) -> torch.Tensor:
        """Return the finished latents (1, C, T, h, w) of a window: a pure function of the shot."""
        if self._shot.motion is not None:
            return self._shot.space.latents_of(self._shot.motion, segment)
        waiting = [segment]  # a chain of windows may be longer than Python's stack
        while waiting:
            window = waiting[-1]
            sampled = None if self._cache is None else self._cache.latents(window)
            missing = [index for index in window.needs if index not in self._finished]
            if sampled is None and missing and window.index not in self._finished:
                waiting += [self._shot.plan.segments[index] for index in missing]
                continue
            waiting.pop()
            if window.index not in self._finished:
                self._finished[window.index] = self._finish(window, sampled)
        latents = self._finished[segment.index]
        for index in list(self._finished)[:-_NUM_KEPT]:
            if self._last_use.get(index, 0) <= segment.index:  # a storyboard is needed to the end
                del self._finished[index]
        return latents

    def _finish(self, segment: Segment, sampled: torch.Tensor | None) -> torch.Tensor:
        if sampled is None:
            sampled = self._sample(segment)
            if self._cache is not None:
                self._cache.save_latents(segment, sampled)
        return self._shot.space.finish(sampled.to(self._components.device), segment)

    def _sample(self, segment: Segment) -> torch.Tensor:
        parts, shot = self._components, self._shot
        with self._reporter.measured("encode"):
            conditions = shot.conditions(segment, self._finished)
            conditions = conditions.to(parts.device, parts.dtype)
        with self._reporter.measured("denoise"):
            generator = segment_generator(shot.seed, segment.index, shot.noise_key)
            sampling = shot.sampling(segment)
            networks = self._transformer(sampling), parts.controlnet
            sampled = [
                denoise(*networks, one, sampling, shot.noise(one, generator), self._on_step).float()
                for one in conditions.persons()
            ]
            return torch.cat(sampled)

    def _transformer(self, sampling: Sampling) -> torch.nn.Module | FusedTransformer:
        """Return what samples: on a CPU in fewer operations, where they are for one person."""
        shot = self._shot
        if not sampling.one_pass or shot.persons or self._components.device.type != "cpu":
            return shot.transformer
        if self._fused is None:
            self._fused = fused(shot.transformer)
        return self._fused
