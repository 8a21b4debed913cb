"""The pass of one shot: plan, encode, denoise, decode, stitch, in this order, once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import torch

from skyreels_avatar.components import Components
from skyreels_avatar.errors import Cancelled
from skyreels_avatar.media.video import VideoWriter
from skyreels_avatar.pipeline.conditions import (
    Conditions,
    apparent_motion,
    control_latents,
    known_mask,
)
from skyreels_avatar.pipeline.decode import Decoder, known_latents
from skyreels_avatar.pipeline.denoise import Sampling, denoise, segment_generator
from skyreels_avatar.pipeline.encode import OpenShot, build_reference
from skyreels_avatar.pipeline.parallel import one_ahead, one_core_per_thread
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
                chunks = shot.decoder.frames(latents, segment)
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

        known = None
        for segment in shot.plan.segments:
            with reporter.measured("encode"):
                conditions = shot.conditions(segment, known)
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
            num_known = 1 if known is None else self.components.tier.overlap
            latents = self.components.vae.joined(latents, num_known)
            known = known_latents(self.components.vae, latents, self.components.tier.overlap)
            yield segment, latents


class _EncodedShot:
    """Everything about a shot that its windows share, and the conditions of each window."""

    def __init__(self, components: Components, request: GenerationRequest, opened: OpenShot):
        shot, tier = request.shot, components.tier
        self.vae = components.vae
        self.plan = opened.plan
        self.seed = request.seed
        # What a distilled network knows to stay away from is the empty prompt, no other.
        one_pass = components.transformer.config.distilled and not shot.negative_prompt
        self.sampling = Sampling.of(request.sampling, tier, one_pass)
        self.sound = opened.sound
        self.prompt_embeds, self.negative_embeds = components.text_encoder(
            [shot.prompt, shot.negative_prompt]
        ).split(1)
        self.reference = build_reference(opened, shot.camera)
        landmarks = torch.from_numpy(opened.face.landmarks)
        picture, device = opened.portrait.as_tensor(), components.device
        look = self.vae.look_of(picture.to(device), landmarks.to(device), self.seed)
        self.decoder = Decoder(self.vae, self.reference, self.plan, look)
        self._start = self.reference.landmarks(0, 1)[0]
        self._photo = self.vae.encode_motion(
            self.vae.reference_motion(landmarks[None].to(device))[None]
        )

    def conditions(self, segment: Segment, known: torch.Tensor | None) -> Conditions:
        """Return what the transformer is told about a window.

        Args:
            known: (1, C, T', h, w) latents of the frames that the window before has made; None
                for the first window, which starts from the picture itself.
        """
        num_latents = latent_frames(segment.num_frames)
        frames = torch.arange(segment.first_frame, segment.stop)
        control = self._control(frames)
        height, width = control.shape[-2:]
        beginning = torch.zeros_like(control[:, :-4])
        known = self._photo if known is None else known
        num_known = known.shape[2]
        beginning[:, :, :num_known] = known
        return Conditions(
            prompt_embeds=self.prompt_embeds,
            negative_embeds=self.negative_embeds,
            audio_embeds=self.sound.window(segment, num_latents),
            known_latents=beginning,
            known_mask=known_mask(num_latents, num_known, height, width),
            control_latents=control,
        )

    def _control(self, motion_frames: torch.Tensor) -> torch.Tensor:
        """Return the control latents of frames of the motion clock, held at the shot's end."""
        at = torch.tensor([self.plan.video_position(int(frame)) for frame in motion_frames])
        first, last = int(at[0]), int(at[-1].ceil())
        landmarks = self.reference.landmarks(first, last + 1)
        seen = self.reference.seen_share(first, last + 1)
        low = at.floor().long()
        share = at - low
        low, high = low - first, (low - first + 1).clamp_max(last - first)
        seen = torch.lerp(seen[low], seen[high], share)
        landmarks = torch.lerp(landmarks[low], landmarks[high], share[:, None, None])
        motion = apparent_motion(landmarks, self._start)
        return control_latents(self.vae.encode_motion(motion[None].to(self.vae.device)), seen)
