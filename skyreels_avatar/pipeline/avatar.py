"""The pass of one shot: plan, encode, denoise, decode, stitch, in this order, once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import torch

from skyreels_avatar.components import Components
from skyreels_avatar.errors import Cancelled
from skyreels_avatar.media.video import VideoWriter
from skyreels_avatar.models.vae import ReferenceMotionVAE
from skyreels_avatar.pipeline.conditions import Conditions
from skyreels_avatar.pipeline.denoise import Sampling, denoise, segment_generator
from skyreels_avatar.pipeline.encode import OpenShot, build_reference
from skyreels_avatar.pipeline.motion_space import MotionSpace
from skyreels_avatar.pipeline.parallel import one_ahead, one_core_per_thread
from skyreels_avatar.pipeline.persons import PersonMasks, person_mattes
from skyreels_avatar.pipeline.pixel_space import PixelSpace
from skyreels_avatar.pipeline.plan import Segment
from skyreels_avatar.pipeline.progress import Reporter
from skyreels_avatar.pipeline.reference import ShotReference
from skyreels_avatar.pipeline.stitch import stitch
from skyreels_avatar.script import GenerationRequest
from skyreels_avatar.shapes import latent_frames


class AvatarPipeline:
    """Makes a picture talk with the networks of one tier.

    Args:
        components: the networks and their defaults.
    """

    def __init__(self, components: Components):
        self.components = components

    @torch.no_grad()
    def __call__(
        self,
        request: GenerationRequest,
        opened: OpenShot,
        writer: VideoWriter,
        reporter: Reporter,
    ) -> ShotReference:
        """Write all pictures of a shot, and return the reference video they were made from.

        Raises:
            Cancelled: the caller's progress callback returned False.
        """
        with reporter.stage("encode"):
            shot = _EncodedShot(self.components, request, opened)
        reporter.start_pace(opened.plan.num_frames)
        with one_core_per_thread():
            stitch(self._frames(shot, reporter), writer, opened.plan, reporter)
        return shot.reference

    def _frames(self, shot: _EncodedShot, reporter: Reporter) -> Iterator[np.ndarray]:
        """Yield the pictures (F, H, W, 3) of all windows in order.

        While a window is decoded and written, the next one is denoised.
        """
        stopped = threading.Event()
        windows = self._denoised(shot, reporter, stopped)
        try:
            for segment, latents in one_ahead(windows, lambda: reporter.report("denoise")):
                chunks = shot.space.frames(latents, segment)
                while True:
                    with reporter.stage("decode"):
                        pixels = next(chunks, None)
                    if pixels is None:
                        break
                    yield pixels
        finally:
            stopped.set()

    def _denoised(
        self, shot: _EncodedShot, reporter: Reporter, stopped: threading.Event
    ) -> Iterator[tuple[Segment, torch.Tensor]]:
        """Yield every window with its latents (1, C, T, h, w)."""

        def check(_: int) -> None:
            if stopped.is_set():
                raise Cancelled("stopped during denoise")

        handed = None
        for segment in shot.plan.segments:
            with reporter.measured("encode"):
                conditions = shot.conditions(segment, handed)
                conditions = conditions.to(self.components.device, self.components.dtype)
            with reporter.measured("denoise"):
                latents = denoise(
                    self.components.transformer,
                    self.components.controlnet,
                    conditions,
                    shot.sampling,
                    segment_generator(shot.seed, segment.index),
                    on_step=check,
                ).float()
            latents = shot.space.settled(latents, segment)
            handed = shot.space.hand_over(latents, self.components.tier.overlap)
            yield segment, latents


class _EncodedShot:
    """Everything about a shot that its windows share, and the conditions of each window."""

    def __init__(self, components: Components, request: GenerationRequest, opened: OpenShot):
        shot, tier = request.shot, components.tier
        self.plan = opened.plan
        self.seed = request.seed
        # What a distilled network knows to stay away from is the empty prompt, no other.
        one_pass = components.transformer.config.distilled and not shot.negative_prompt
        self.sampling = Sampling.of(request.sampling, tier, one_pass)
        self.sound = opened.sound
        self.prompt_embeds, self.negative_embeds = components.text_encoder(
            [shot.prompt, shot.negative_prompt]
        ).split(1)
        self.image_embeds = None
        if components.image_encoder is not None:
            picture = 2 * opened.portrait.as_tensor()[None] - 1
            self.image_embeds = components.image_encoder(picture)
        self.reference = build_reference(opened, shot.camera)
        self.persons = None
        if opened.beside:
            mattes = person_mattes(opened.portrait.pixels, opened.faces)
            self.persons = PersonMasks(mattes, opened.faces, self.reference)
        self.space = open_space(components.vae, opened, self.reference, self.seed)

    def conditions(self, segment: Segment, handed: torch.Tensor | None) -> Conditions:
        """Return what the transformer is told about a window.

        Args:
            handed: what the window before hands over; None for the first window.
        """
        known, mask = self.space.known(segment, handed)
        starts = round(self.plan.video_position(segment.first_frame))
        return Conditions(
            prompt_embeds=self.prompt_embeds,
            negative_embeds=self.negative_embeds,
            audio_embeds=self.sound.window(segment, latent_frames(segment.num_frames)),
            known_latents=known,
            known_mask=mask,
            control_latents=self.space.control(segment),
            image_embeds=self.image_embeds,
            person_masks=None if self.persons is None else self.persons.at(starts),
        )


def open_space(
    vae: torch.nn.Module, opened: OpenShot, reference: ShotReference, seed: int
) -> MotionSpace | PixelSpace:
    """Return how a shot is put into the latent space of a VAE and taken out of it."""
    kind = MotionSpace if isinstance(vae, ReferenceMotionVAE) else PixelSpace
    return kind(vae, opened, reference, seed)
