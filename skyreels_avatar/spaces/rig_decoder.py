"""Decode latents: warp the talking region of the reference video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch

from skyreels_avatar.parallel import ordered_map
from skyreels_avatar.planning.segments import Segment, ShotPlan
from skyreels_avatar.references.reference import Reference
from skyreels_avatar.rig.coefficients import NUM_MOTION
from skyreels_avatar.rig.face_rig import FaceRig
from skyreels_avatar.rig.mouth import MouthLook
from skyreels_avatar.rig.reference_clip import ReferenceClip, as_pixels
from skyreels_avatar.rig.renderer import render
from skyreels_avatar.rig.torso import BREATH, delay_torso


@dataclass(frozen=True, eq=False)
class Decoder:
    """Decodes the windows of one shot.

    Attributes:
        looks: the inside of this person's mouth, one for each scene.
        shoulders: (F,) how far they are raised beside what latents say, / H, at the motion frames
            of the shot; None = not at all.
    """

    vae: FaceRig
    reference: Reference
    plan: ShotPlan
    looks: Sequence[MouthLook]
    shoulders: torch.Tensor | None = None

    def frames(self, latents: torch.Tensor, segment: Segment) -> Iterator[np.ndarray]:
        """Return the pictures of a window, (F, H, W, 3) uint8, a few at a time.

        Only what this window is the first to make is decoded. Outside the talking region the
        pictures are the reference's own bytes.
        """
        start, stop = self.plan.video_range(segment)
        chunks = self.reference.chunks(start, stop)
        return ordered_map(lambda chunk: self._decode(latents, segment, *chunk), chunks)

    def _decode(self, latents: torch.Tensor, segment: Segment, first: int, last: int) -> np.ndarray:
        pixels = self.canvas(first, last)
        self.draw(pixels, latents, segment, first)
        return pixels

    def canvas(self, first: int, last: int) -> np.ndarray:
        """Return pictures (F, H, W, 3) to draw into: the reference's, where some of them stays."""
        if self.reference.draws_all(self.reference.box(self.reference.landmarks(first, last))):
            return np.empty((last - first, *self.reference.size, 3), np.uint8)
        return self.reference.frames(first, last)

    def draw(self, pixels: np.ndarray, latents: torch.Tensor, segment: Segment, first: int) -> None:
        """Draw the talking face into pictures (F, H, W, 3) from frame `first` on, in place."""
        frames = range(first, first + len(pixels))
        positions = [self.plan.position(i) - segment.first_frame for i in frames]
        self.draw_at(pixels, latents, positions, first)

    def draw_at(
        self, pixels: np.ndarray, latents: torch.Tensor, positions: Sequence[float], first: int
    ) -> None:
        """Draw the face at some frames of latents into pictures from frame `first` on, in place."""
        last = first + len(pixels)
        if not self.reference.changes(first, last):
            return
        landmarks = self.reference.landmarks(first, last)
        left, top, right, bottom = self.reference.box(landmarks)
        inside = pixels[:, top:bottom, left:right]
        occluder = self.reference.occluder(first, last, (left, top, right, bottom))
        face = inside
        if occluder is not None:
            face = self.reference.without_occluder(inside, occluder, landmarks.numpy())
        landmarks = landmarks - torch.tensor([left, top, 0.0])
        device = latents.device
        positions = torch.tensor(positions).to(device)
        motion, trail, torso = self.vae.motion_at(latents, positions)
        motion = self.reference.relative_motion(motion, first, last)
        if self.reference.has_own_motion:  # who moves already has hair that follows
            trail = None
        face, landmarks = self.reference.narrow_mouths(face, landmarks, motion, first)
        detail = self.reference.detail(first, last, (left, top, right, bottom))
        if detail is None:
            frames = as_pixels(face)
        else:  # which is looked at in their place: their size is all that counts
            frames = torch.empty(len(face), 4, *face.shape[1:3], dtype=torch.uint8)
        rest = self.reference.rest_points(first, last)
        clip = ReferenceClip(
            frames.to(device),
            landmarks.to(device),
            positions,
            self.looks[self.reference.scene_at(first)],
            None if detail is None else detail.to(device),
            self.reference.region,
            self.reference.has_own_motion,
            self.reference.edges(first, last).to(device),
            None if rest is None else rest.to(device),
        )
        if not self.reference.moves_torso:
            torso = None
        elif self.shoulders is not None:
            torso[:, BREATH] += self._raised(first, last).to(torso)
        behind = self.reference.behind(first, last, (left, top, right, bottom))
        talking, matte = render(motion, clip, trail, torso)
        talking = talking.cpu().permute(0, 2, 3, 1).contiguous().numpy()
        if self.reference.draws_all((left, top, right, bottom)):
            matte = [None] * len(inside)
        else:
            matte = matte[:, 0].to(torch.uint8).cpu().numpy()
        before = [part for part in (occluder, behind) if part is not None]
        for index, (drawn, above, where) in enumerate(zip(inside, talking, matte)):
            below = drawn.copy() if before else None
            cv2.copyTo(cv2.cvtColor(above, cv2.COLOR_RGBA2RGB), where, drawn)
            for kept in before:
                _composite_occluder(drawn, below, kept[index])

    @cached_property
    def _late_shoulders(self) -> np.ndarray:
        """`shoulders`, as late as the rest of the torso."""
        motion = torch.zeros(1, len(self.shoulders), NUM_MOTION)
        motion[0, :, BREATH] = self.shoulders
        return delay_torso(motion)[0, :, BREATH].numpy()

    def _raised(self, first: int, last: int) -> torch.Tensor:
        """Return (F,) `shoulders` at frames of the video."""
        at = [self.plan.position(index) for index in range(first, last)]
        known = self._late_shoulders
        return torch.from_numpy(np.interp(at, np.arange(len(known)), known)).float()


def _composite_occluder(drawn: np.ndarray, seen: np.ndarray, occluder: np.ndarray) -> None:
    """Composite the occluder of one picture (h, w, 3) over another, in place."""
    x, y, width, height = cv2.boundingRect((occluder > 0).astype(np.uint8))
    if width:
        box = slice(y, y + height), slice(x, x + width)
        share = np.ascontiguousarray(occluder[box])
        parts = np.ascontiguousarray(seen[box]), np.ascontiguousarray(drawn[box])
        drawn[box] = cv2.blendLinear(*parts, share, 1 - share)


def known_latents(vae: FaceRig, latents: torch.Tensor, num_frames: int) -> torch.Tensor:
    """Return the latents of the last frames of a window as the beginning of the next one.

    The first frame of a window is packed alone, so the packing shifts; nothing is lost by it.
    """
    return vae.pack(vae.unpack(latents)[:, -num_frames:])
