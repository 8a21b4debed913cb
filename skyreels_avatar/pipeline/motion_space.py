"""Latents that are motion numbers over the reference video: how a pass begins, goes on, ends."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from skyreels_avatar.models.vae import ReferenceMotionVAE
from skyreels_avatar.pipeline.conditions import control_latents, known_mask
from skyreels_avatar.pipeline.decode import Decoder, known_latents
from skyreels_avatar.pipeline.encode import OpenShot
from skyreels_avatar.pipeline.plan import Segment
from skyreels_avatar.pipeline.reference import ShotReference
from skyreels_avatar.shapes import latent_frames


class MotionSpace:
    """The latent space of a `ReferenceMotionVAE`, for one shot."""

    def __init__(
        self, vae: ReferenceMotionVAE, opened: OpenShot, reference: ShotReference, seed: int
    ):
        self._vae, self._reference, self._plan = vae, reference, opened.plan
        self._decoder = Decoder(vae, reference, opened.plan, reference.looks(seed, vae.device))
        self._photo = vae.encode_motion(reference.first_motion()[None].to(vae.device))

    def known(
        self, segment: Segment, handed: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the known latents (1, C, T, h, w) of a window and their mask (1, 4, T, h, w).

        Args:
            handed: what `hand_over` returned for the window before; None for the first one, which
                starts from the picture.
        """
        given = self._photo if handed is None else handed
        num_latents = latent_frames(segment.num_frames)
        known = torch.zeros(*given.shape[:2], num_latents, *given.shape[3:], device=given.device)
        known[:, :, : given.shape[2]] = given
        return known, known_mask(num_latents, given.shape[2], *given.shape[3:])

    def control(self, segment: Segment) -> torch.Tensor:
        """Return the control latents (1, C + 4, T, h, w), held at the shot's end."""
        frames = range(segment.first_frame, segment.stop)
        at = torch.tensor([self._plan.video_position(frame) for frame in frames])
        motion, seen = self._reference.apparent_motion(at)
        return control_latents(self._vae.encode_motion(motion[None].to(self._vae.device)), seen)

    def settled(self, latents: torch.Tensor, segment: Segment) -> torch.Tensor:
        """Return sampled latents without tremor, and without a jerk where the window begins."""
        num_known = max(1, segment.num_known_frames)
        return self._vae.joined(self._vae.steadied(latents, num_known), num_known)

    def hand_over(self, latents: torch.Tensor, overlap: int) -> torch.Tensor:
        """Return what the next window knows: latents of its first `overlap` frames."""
        return known_latents(self._vae, latents, overlap)

    def frames(self, latents: torch.Tensor, segment: Segment) -> Iterator[np.ndarray]:
        """Yield the pictures (F, H, W, 3) uint8 that this window is the first to make."""
        return self._decoder.frames(latents, segment)
