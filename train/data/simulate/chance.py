"""Chance: what decides when eyes blink and look away is read from the noise of the window.

A blink is short and rare. Where noise and blinks are drawn apart, a network has to find out over
many steps of sampling which of a hundred places gets one; few steps, few blinks (4 a minute of 15).
Drawn together, a window's noise says where they are: each pair stays what it was by itself, normal
noise and eyes that blink as people do, but the way from one to the other is short and straight.
Source: data-dependent couplings of stochastic interpolants (arXiv 2310.03725).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skyreels_avatar.rig.coefficients import GROUP_SIZE, MOTION_INDEX, NUM_GROUPS
from skyreels_avatar.rig.packing import TIME_FACTOR

_EYES, _LIDS = divmod(MOTION_INDEX["blink_r"], GROUP_SIZE)
_GAZE_X = MOTION_INDEX["gaze_x"] % GROUP_SIZE
_GAZE_Y = MOTION_INDEX["gaze_y"] % GROUP_SIZE
_CONTRAST = np.array([1.0, 1.0, -1.0, -1.0]) / 2  # of the phases: independent of their sum


@dataclass(frozen=True)
class Chance:
    """Independent normal numbers (T,) of the latent frames of a window.

    Attributes:
        blink: whether a blink begins here, if high.
        phase: 0 to 3, with which of the four frames it begins.
        kind: low = a half blink, high = a double one.
        side: whether the eyes leave the camera here, and to which side.
        rise, hold: how far they look down then, and for how long.
    """

    blink: np.ndarray
    phase: np.ndarray
    kind: np.ndarray
    side: np.ndarray
    rise: np.ndarray
    hold: np.ndarray

    @classmethod
    def of(cls, noise: np.ndarray) -> Chance:
        """Return what packed noise (32, T, 1, 4) decides."""
        eyes = noise.reshape(TIME_FACTOR, GROUP_SIZE, -1, NUM_GROUPS)[..., _EYES]
        right, left = eyes[:, _LIDS], eyes[:, _LIDS + 1]  # (4, T) each
        both = (right + left) / np.sqrt(2)
        return cls(
            blink=both.sum(0) / 2,
            phase=both.argmax(0),
            kind=(right - left).sum(0) / np.sqrt(8),
            side=eyes[:, _GAZE_X].sum(0) / 2,
            rise=eyes[:, _GAZE_Y].sum(0) / 2,
            hold=_CONTRAST @ eyes[:, _GAZE_X],
        )

    def start(self, latent: int) -> int:
        """Return the frame in which a blink of a latent frame begins; negative before the first."""
        return TIME_FACTOR * (latent - 1) + 1 + int(self.phase[latent])


def draw_noise(num_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Return normal noise (32, T, 1, 4) of a window of F = 1 + 4 (T - 1) frames, as it is packed.

    Args:
        num_frames: another number is rounded up.
    """
    num_latents = 1 + -(-(num_frames - 1) // TIME_FACTOR)
    return rng.standard_normal((TIME_FACTOR * GROUP_SIZE, num_latents, 1, NUM_GROUPS))
