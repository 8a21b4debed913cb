"""The face rig: named coefficients say how a talking head differs from its reference video.

Latents are 32 rig coefficients a frame, four frames to a latent frame (`packing`). They are read
from tracked landmarks by a small network and rendered by backward warps over the reference
(`renderer`). In a tier the rig takes the place of the video VAE.

Source: the idea of motion latents relative to a content frame is that of LIA (arXiv 2203.09043),
LivePortrait (arXiv 2407.03168) and Reducio (arXiv 2411.13552); the fields are our own.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin

from skyreels_avatar.rig import packing, smoothing
from skyreels_avatar.rig.coefficients import MOTION_INDEX, MOTION_SCALE, NUM_MOTION
from skyreels_avatar.rig.eye_finder import EyeFinder, correct_eyes
from skyreels_avatar.rig.geometry import FaceFrame, lip_gap
from skyreels_avatar.rig.iris_finder import correct_irises
from skyreels_avatar.rig.motion_encoder import MotionEncoder, in_rest_frame
from skyreels_avatar.rig.reference_clip import ReferenceClip
from skyreels_avatar.rig.renderer import render
from skyreels_avatar.rig.secondary_motion import delay_head
from skyreels_avatar.rig.smoothing import LIDS
from skyreels_avatar.rig.torso import delay_torso

# The transformer was trained on windows whose noise decides about their blinks: a blink begins in
# the latent frames where the noise of both lids is highest, one in twenty. A rate that is half as
# high again, one spread, needs noise that is higher by this (measured: 10, 17 and 26 a minute).
_BLINK_SHIFT = 0.07
# Eyes leave the camera where the mean of the four frames' noise of the gaze is furthest from zero;
# what is further by this, a spread, is so often enough for half as much of the time away.
_GLANCE_GAIN = 0.05
_GAZE_X = MOTION_INDEX["gaze_x"]
_SMILE = slice(MOTION_INDEX["smile"], MOTION_INDEX["smile"] + 1)


class FaceRig(ModelMixin, ConfigMixin):
    """Read rig coefficients from tracked faces, pack them into latents and render latents."""

    former_names = ("ReferenceMotionVAE",)  # in the headers of earlier weight files

    @register_to_config
    def __init__(self, encoder_dim: int = 384):
        super().__init__()
        self.encoder = MotionEncoder(encoder_dim)
        self.eye_finder = EyeFinder()
        self.register_buffer("motion_mean", torch.zeros(NUM_MOTION))
        self.register_buffer("motion_std", torch.tensor(MOTION_SCALE))

    def pack(self, motion: torch.Tensor) -> torch.Tensor:
        """Pack (B, F, 32) rig coefficients, F = 1 + 4k, into latents (B, 32, T, 1, 4)."""
        return packing.pack((motion - self.motion_mean) / self.motion_std)

    def unpack(self, latents: torch.Tensor) -> torch.Tensor:
        """Unpack latents (B, 32, T, 1, 4) into (B, F, 32): the inverse of `pack`."""
        return packing.unpack(latents) * self.motion_std + self.motion_mean

    def lean_noise(
        self, noise: torch.Tensor, spreads: float, glances: float = 0.0, smile: float = 0.0
    ) -> torch.Tensor:
        """Return noise of a window in which eyes blink and look away more often, or less.

        Args:
            noise: (B, 32, T, 1, 4), normal.
            spreads: how often they blink, in units of the spread of the logarithm of people's
                rates.
            glances: how much of the time they look away, in the same units.
            smile: added to the noise of smiles: 0.25 and 0.5 raise their mean from 0.07 to 0.17
                and 0.37 and leave the mouth as it is.
        """
        noise = packing.shifted(noise, LIDS, _BLINK_SHIFT * spreads)
        noise = packing.shifted(noise, _SMILE, smile)
        return packing.with_scaled_mean(noise, _GAZE_X, math.exp(_GLANCE_GAIN * glances))

    def blend_at_joins(
        self, latents: torch.Tensor, num_known: int, num_last: int = 0
    ) -> torch.Tensor:
        """Return latents whose slow movements continue the known frames: see `smoothing`."""
        return self.pack(smoothing.blend_at_joins(self.unpack(latents), num_known, num_last))

    def smooth(
        self,
        latents: torch.Tensor,
        num_known: int,
        num_last: int = 0,
        gains: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> torch.Tensor:
        """Return latents without the sampler's tremor: see `smoothing`."""
        return self.pack(smoothing.smooth(self.unpack(latents), num_known, num_last, gains))

    def encode(self, landmarks: torch.Tensor, rest_landmarks: torch.Tensor) -> torch.Tensor:
        """Return latents (1, 32, T, 1, 4) of a tracked face in F = 1 + 4k pictures.

        Args:
            landmarks: (F, 478, 3) pixels.
            rest_landmarks: (478, 3) pixels of the same face in the reference.
        """
        return self.pack(self.motion_of(landmarks, rest_landmarks)[None])

    def motion_of(self, landmarks: torch.Tensor, rest_landmarks: torch.Tensor) -> torch.Tensor:
        """Return (F, 32) rig coefficients of a tracked face, any number of frames: see `encode`."""
        points, rest = in_rest_frame(landmarks, rest_landmarks)
        motion = self.encoder(points, rest) * self.motion_std
        motion[:, 0] = lip_gap(FaceFrame.of(landmarks).points)
        return motion

    def correct_eyes(self, pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Return (478, 3) landmarks whose lids and irises lie where (H, W, 3) pixels show them."""
        return correct_irises(pixels, correct_eyes(self.eye_finder, pixels, landmarks))

    def decode(
        self, latents: torch.Tensor, clip: ReferenceClip
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Render latents (1, 32, T, 1, 4) over a clip of the reference video: see `render`."""
        motion, trail, torso = self.motion_at(latents, clip.positions)
        return render(motion, clip, trail, torso)

    def motion_at(
        self, latents: torch.Tensor, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return rig coefficients at (F,) frames of latents (1, 32, T, 1, 4).

        Returns:
            (F, 32), and the same with the head where hair that trails behind it would be, and
            as the torso follows it.
        """
        motion = smoothing.complete_blinks(self.unpack(latents))
        at = positions.clamp(0, motion.shape[1] - 1)
        low = at.floor().long().clamp_max(max(motion.shape[1] - 2, 0))
        high = (low + 1).clamp_max(motion.shape[1] - 1)
        share = (at - low)[:, None]
        every = torch.cat([motion, delay_head(motion), delay_torso(motion)])
        here, late, torso = (1 - share) * every[:, low] + share * every[:, high]
        return here, late, torso
