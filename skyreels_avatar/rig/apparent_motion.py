"""How a moving camera makes a still head seem to move, in the head's own coefficients."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.geometry import FaceFrame

# Furthest apparent motion that training shows; a small face in a wide pan would leave it.
_FURTHEST = {
    "yaw": 0.45,
    "pitch": 0.35,
    "roll": 0.1,
    "shift_x": 0.5,
    "shift_y": 0.4,
    "zoom": 0.65,
}


def apparent_motion(landmarks: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """Return (F, 32) rig coefficients: how the camera makes a still head seem to move.

    Only the head group is filled: yaw, pitch and roll, shift and zoom against the first frame,
    held at the furthest that the networks have seen. Training simulates the same numbers.

    Args:
        landmarks: (F, 478, 3) of the face of the reference video, in pixels.
        start: (478, 3) of the face in frame 0 of the shot.
    """
    now, first = FaceFrame.of(landmarks), FaceFrame.of(start[None])
    motion = landmarks.new_zeros(landmarks.shape[0], NUM_MOTION)

    def put(name: str, values: torch.Tensor) -> None:
        motion[:, MOTION_INDEX[name]] = values

    # A small turn moves a point across the face in proportion to its depth.
    rest = first.points
    depth = rest[..., 2] - rest[..., 2].mean(1, keepdim=True)
    moved = now.points[..., :2] - rest[..., :2]
    moved = moved - moved.mean(1, keepdim=True)
    turn = torch.einsum("fn,fnk->fk", depth.expand(moved.shape[:2]), moved)
    turn = turn / depth.square().sum(1).clamp_min(1e-6)[:, None]
    put("yaw", -turn[:, 0])
    put("pitch", turn[:, 1])
    cosine = (now.axes[:, 0] * first.axes[:, 0]).sum(-1)
    sine = first.axes[:, 0, 0] * now.axes[:, 0, 1] - first.axes[:, 0, 1] * now.axes[:, 0, 0]
    put("roll", torch.atan2(sine, cosine))
    shift = (now.origin - first.origin) / first.height_px[:, None]
    put("shift_x", shift[:, 0])
    put("shift_y", shift[:, 1])
    put("zoom", torch.log(now.height_px / first.height_px))
    return clamp_to_trained_range(motion)


def clamp_to_trained_range(motion: torch.Tensor) -> torch.Tensor:
    """Hold the head in (F, 32) rig coefficients at the furthest that the networks have seen."""
    held = motion.clone()
    for name, furthest in _FURTHEST.items():
        held[:, MOTION_INDEX[name]].clamp_(-furthest, furthest)
    return held
