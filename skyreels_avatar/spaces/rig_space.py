"""The latent space of the rig: rig coefficients relative to the reference video."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from skyreels_avatar.parallel import ordered_map
from skyreels_avatar.planning.segments import Segment, ShotPlan
from skyreels_avatar.references.reference import Reference
from skyreels_avatar.rig.face_rig import FaceRig
from skyreels_avatar.rig.torso import BREATH
from skyreels_avatar.spaces.known import Known, control_latents, known_mask
from skyreels_avatar.spaces.rig_decoder import Decoder, known_latents


class RigSpace:
    """The latent space of a `FaceRig`, for one shot."""

    roles = frozenset({"window", "keyframe", "fill"})
    moves_reference = takes_footage = separates_persons = True

    def __init__(
        self,
        vae: FaceRig,
        plan: ShotPlan,
        reference: Reference,
        seed: int,
        shoulders: torch.Tensor | None = None,
        gains: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ):
        self._vae, self._reference, self._plan, self._gains = vae, reference, plan, gains
        looks = reference.looks(seed, vae.device)
        self.decoder = Decoder(vae, reference, plan, looks, shoulders)
        self._photo = vae.pack(reference.first_motion()[None].to(vae.device))

    @staticmethod
    def open(
        vae: FaceRig,
        plan: ShotPlan,
        references: Sequence[Reference],
        seed: int,
        shoulders: torch.Tensor | None = None,
        gains: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> RigSpace | RigGroupSpace:
        """Return the space of one person, or of several."""
        spaces = [
            RigSpace(vae, plan, one, seed + i, shoulders, gains) for i, one in enumerate(references)
        ]
        return spaces[0] if len(spaces) == 1 else RigGroupSpace(spaces)

    def known(self, segment: Segment, needed: Sequence[tuple[Segment, torch.Tensor]]) -> Known:
        """Return what is known of a window, see `LatentSpace`."""
        if segment.role != "window":
            return self._known_ends(segment, needed)
        given = self._photo
        if needed:
            given = known_latents(self._vae, needed[0][1], segment.num_known_frames)
        num_latents = self._plan.num_latent_frames(segment)
        known = torch.zeros(*given.shape[:2], num_latents, *given.shape[3:], device=given.device)
        known[:, :, : given.shape[2]] = given
        factor = self._plan.time_factor
        return Known(known, known_mask(num_latents, given.shape[2], *given.shape[3:], factor))

    def _known_ends(self, segment: Segment, ends: Sequence[tuple[Segment, torch.Tensor]]) -> Known:
        """Return what is known of a key frame or a fill."""
        num_latents = self._plan.num_latent_frames(segment)
        photo = self._photo
        known = torch.zeros(*photo.shape[:2], num_latents, *photo.shape[3:], device=photo.device)
        mask = known_mask(num_latents, 0, *photo.shape[3:], self._plan.time_factor)
        if segment.role == "keyframe":
            return Known(known, mask)
        ends, first = list(ends), photo
        if segment.num_known_frames:
            start = segment.first_frame
            first = self._cut(*ends.pop(0), start, start + segment.num_known_frames)
        known[:, :, : first.shape[2]] = first
        mask[:, :, : first.shape[2]] = 1
        if segment.num_last_frames:
            # Latents after the first hold four frames each: one more is packed, and left out.
            start = segment.stop - segment.num_last_frames - 1
            last = self._cut(*ends.pop(0), start, segment.stop)[:, :, 1:]
            known[:, :, -last.shape[2] :] = last
            mask[:, :, -last.shape[2] :] = 1
        return Known(known, mask)

    def _cut(self, segment: Segment, latents: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Return some frames of the shot out of the latents of a window, packed as latents."""
        motion = self._vae.unpack(latents)
        return self._vae.pack(motion[:, start - segment.first_frame : stop - segment.first_frame])

    def control(self, segment: Segment) -> torch.Tensor:
        """Return the control latents (1, C + 4, T, h, w), held at the shot's end."""
        frames = range(segment.first_frame, segment.stop)
        at = torch.tensor([self._plan.video_position(frame) for frame in frames])
        motion, seen = self._reference.apparent_motion(at)
        latents = self._vae.pack(motion[None].to(self._vae.device))
        return control_latents(latents, seen, self._plan.time_factor)

    def control_rays(self, segment: Segment) -> None:
        """Return None: the mask is in the control latents."""

    def finish(self, latents: torch.Tensor, segment: Segment) -> torch.Tensor:
        """Smooth sampled latents, and blend them with the known frames at the start."""
        if segment.role == "keyframe":
            return self._vae.smooth(latents, 0, gains=self._gains)
        num_known, num_last = max(1, segment.num_known_frames), segment.num_last_frames
        smoothed = self._vae.smooth(latents, num_known, num_last, self._gains)
        return self._vae.blend_at_joins(smoothed, num_known, num_last)

    def motion(self, latents: torch.Tensor, segment: Segment) -> torch.Tensor:
        """Return rig coefficients (F, 32) of the frames that this window is the first to make."""
        start, stop = (frame - segment.first_frame for frame in segment.keep)
        motion = self._vae.unpack(latents)[0, start:stop]
        if self.decoder.shoulders is not None:
            motion[:, BREATH] += self.decoder.shoulders[slice(*segment.keep)].to(motion)
        return motion

    def latents_of(self, motion: torch.Tensor, segment: Segment) -> torch.Tensor:
        """Return the latents (1, C, T, h, w) of a window that shows a performance."""
        frames = torch.arange(segment.first_frame, segment.stop).clamp_max(len(motion) - 1)
        return self._vae.pack(motion[frames][None].to(self._vae.device))

    def frames(self, latents: torch.Tensor, segment: Segment) -> Iterator[np.ndarray]:
        """Yield the pictures (F, H, W, 3) uint8 that this window is the first to make."""
        return self.decoder.frames(latents, segment)


class RigGroupSpace:
    """The latent spaces of several persons in the same pictures, stacked along the batch.

    Args:
        spaces: of each person; who comes later is drawn over who comes earlier.
    """

    roles = RigSpace.roles
    moves_reference = takes_footage = separates_persons = True

    def __init__(self, spaces: Sequence[RigSpace]):
        self._spaces = spaces

    def known(self, segment: Segment, needed: Sequence[tuple[Segment, torch.Tensor]]) -> Known:
        """Return what is known of a window of all persons: see `RigSpace`."""
        known = [
            space.known(segment, [(window, latents[i : i + 1]) for window, latents in needed])
            for i, space in enumerate(self._spaces)
        ]
        return Known(*(torch.cat([getattr(k, n) for k in known]) for n in ("latents", "mask")))

    def control(self, segment: Segment) -> torch.Tensor:
        """Return the control latents (P, C + 4, T, h, w)."""
        return torch.cat([space.control(segment) for space in self._spaces])

    def control_rays(self, segment: Segment) -> None:
        """Return None: the mask is in the control latents."""

    def finish(self, latents: torch.Tensor, segment: Segment) -> torch.Tensor:
        """Smooth sampled latents (P, C, T, h, w): see `RigSpace`."""
        pairs = zip(self._spaces, latents.split(1))
        return torch.cat([space.finish(one, segment) for space, one in pairs])

    def frames(self, latents: torch.Tensor, segment: Segment) -> Iterator[np.ndarray]:
        """Yield the pictures (F, H, W, 3) uint8 that this window is the first to make."""
        decoders, shares = [space.decoder for space in self._spaces], latents.split(1)
        reference = decoders[0].reference
        start, stop = decoders[0].plan.video_range(segment)
        cuts = {start, stop}
        for decoder in decoders:
            cuts |= {cut for chunk in decoder.reference.chunks(start, stop) for cut in chunk}

        def drawn(span: tuple[int, int]) -> np.ndarray:
            pixels = reference.frames(*span)
            for decoder, share in zip(decoders, shares):
                decoder.draw(pixels, share, segment, span[0])
            return pixels

        return ordered_map(drawn, itertools.pairwise(sorted(cuts)))
