"""The network that reads rig coefficients from tracked landmarks."""

from __future__ import annotations

import torch
from torch import nn

from skyreels_avatar.rig.coefficients import NUM_MOTION
from skyreels_avatar.rig.geometry import FaceFrame

NUM_POINTS = 478
DISPLACEMENT_UNIT = 0.05  # of H: brings displacements to about unit range


class MotionEncoder(nn.Module):
    """Estimate 32 rig coefficients, in units of their scale, from landmarks.

    Args:
        dim: width of the hidden layers.
    """

    def __init__(self, dim: int = 384):
        super().__init__()
        self.shape = nn.Linear(NUM_POINTS * 2, dim)
        self.moved = nn.Linear(NUM_POINTS * 2, dim)
        self.hidden = nn.Sequential(
            nn.SiLU(), nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim), nn.SiLU()
        )
        self.out = nn.Linear(dim, NUM_MOTION)

    def forward(self, points: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
        """Return (F, 32) numbers.

        Args:
            points: (F, 478, 2) of the frames, in the face coordinates of the face at rest.
            rest: (F or 1, 478, 2) of the face at rest, in its own face coordinates.
        """
        moved = self.moved((points - rest).flatten(1) / DISPLACEMENT_UNIT)
        return self.out(self.hidden(moved + self.shape(rest.flatten(1))))


def in_rest_frame(
    landmarks: torch.Tensor, rest_landmarks: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return points (F, 478, 2) and rest (1, 478, 2) for `MotionEncoder`.

    Args:
        landmarks: (F, 478, 3) pixels, of pictures with one origin and scale.
        rest_landmarks: (478, 3) pixels of the same person at rest.
    """
    frame = FaceFrame.of(rest_landmarks[None])
    points = frame.from_pixels(landmarks[..., :2])
    return points, frame.points[..., :2]
