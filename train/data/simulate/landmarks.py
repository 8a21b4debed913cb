"""Landmarks of a face that performs given rig coefficients, as a tracker would see them."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.coefficients import MOTION_NAMES, MOTION_RANGE, NUM_MOTION
from skyreels_avatar.rig.fields import FaceShape, MotionValues
from skyreels_avatar.rig.forward_warp import move_points
from skyreels_avatar.rig.geometry import EYES, IRISES


def move_lids(shape: FaceShape, values: MotionValues) -> torch.Tensor:
    """Return (F, 478, 2) displacement of lids and irises: the forward twin of `undo_eye`."""
    points = shape.points[..., :2]
    move = points.new_zeros(values.motion.shape[0], *points.shape[1:])
    for eye, (upper, lower, _, _) in enumerate(EYES):
        blink = (values.blink_r if eye == 0 else values.blink_l).clamp(0.0, 1.0)
        opened = points[:, list(lower[1:-1])] - points[:, list(upper[1:-1])]
        raised = 0.30 * values.squint.clamp(0.0, 1.0) * (1 - blink) + 0.12 * blink
        wide = 0.16 * (-values.squint).clamp(0.0, 1.0) * (1 - blink)
        move[:, list(lower[1:-1])] -= raised[..., None] * opened
        share = blink * 0.97 * (1 - raised) - wide
        move[:, list(upper[1:-1])] += share[..., None] * opened
        width = (points[:, upper[-1]] - points[:, upper[0]]).norm(dim=-1, keepdim=True)
        gaze = torch.cat([values.gaze_x, values.gaze_y], -1) * width
        move[:, list(IRISES[eye])] += gaze[:, None]
    return move


def simulate_landmarks(
    points: torch.Tensor, motion: torch.Tensor, generator: torch.Generator, noise: float = 0.002
) -> torch.Tensor:
    """Return (F, 478, 2) tracked points in the face coordinates of the faces at rest.

    Args:
        points: (F, 478, 3) faces at rest in their own face coordinates.
        motion: (F, 32).
        noise: standard deviation of the tracker's error, of H; half of it is shared by all points.
    """
    shape = FaceShape.of(points)
    moved = move_points(shape, motion) + move_lids(shape, MotionValues(motion))
    own = torch.randn(moved.shape, generator=generator)
    common = torch.randn(moved.shape[0], 1, 2, generator=generator)
    return moved + noise * (0.87 * own + 0.5 * common)


def random_motion(number: int, generator: torch.Generator) -> torch.Tensor:
    """Return (number, 32) unrelated rig coefficients: many near rest, some at their extremes."""
    low = torch.tensor([MOTION_RANGE[name][0] for name in MOTION_NAMES])
    high = torch.tensor([MOTION_RANGE[name][1] for name in MOTION_NAMES])
    uniform = torch.rand(number, NUM_MOTION, generator=generator)
    active = torch.rand(number, NUM_MOTION, generator=generator) < 0.4
    motion = torch.where(active, low + (high - low) * uniform, torch.zeros(()))
    both_lids = torch.rand(number, 1, generator=generator) < 0.8
    blink = MOTION_NAMES.index("blink_r")
    motion[:, blink + 1] = torch.where(both_lids[:, 0], motion[:, blink], motion[:, blink + 1])
    return motion
