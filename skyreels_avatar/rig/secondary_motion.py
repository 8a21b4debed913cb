"""Secondary motion: hair follows the head as a damped spring.

What hangs beside a face is a damped spring whose upper end the head holds. The answer of such a
spring to the head's numbers of the last third of a second says where it is.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.fields import FaceShape
from skyreels_avatar.rig.geometry import smoothstep
from skyreels_avatar.rig.head import HeadTransform, transform_head

FRAMES_PER_S = 25.0  # of rig coefficients
SPRING_HZ = 2.6
SPRING_DAMPING = 0.4  # of the critical; a step of the head is overshot by a quarter
SPRING_FRAMES = 9  # of the past, this one included: as many as a window knows before its own
HEAD = slice(MOTION_INDEX["yaw"], MOTION_INDEX["zoom"] + 1)


def spring_response() -> torch.Tensor:
    """Return (9,) weights, of sum 1, of the head's numbers 0, 1, ... frames ago."""
    seconds = (torch.arange(SPRING_FRAMES) + 0.5) / FRAMES_PER_S
    rate = 2 * math.pi * SPRING_HZ
    damped = rate * math.sqrt(1 - SPRING_DAMPING**2)
    response = torch.exp(-SPRING_DAMPING * rate * seconds) * torch.sin(damped * seconds)
    return response / response.sum()


def delay_head(motion: torch.Tensor) -> torch.Tensor:
    """Return (B, F, 32) motion with the head delayed as hair is; at rest before its start.

    Args:
        motion: (B, F, 32) numbers of neighboring frames.
    """
    head = motion[..., HEAD].transpose(1, 2)
    past = F.pad(head, (SPRING_FRAMES - 1, 0), mode="replicate")
    weights = spring_response().flip(0).to(motion)
    swung = (past.unfold(2, SPRING_FRAMES, 1) * weights).sum(-1).transpose(1, 2)
    return torch.cat([motion[..., : HEAD.start], swung, motion[..., HEAD.stop :]], -1)


def hair_weight(points: torch.Tensor, shape: FaceShape) -> torch.Tensor:
    """Return (F, N) in 0..1: how far points, beside the face and below the eyes, hang freely."""
    x, y = points[..., 0], points[..., 1]
    beside = torch.maximum(shape.points[:, 234, :1] - x, x - shape.points[:, 454, :1])
    return smoothstep(0.05, 0.25, beside) * smoothstep(-0.45, 0.25, y)


def trailing_field(
    points: torch.Tensor,
    depth: torch.Tensor,
    weight: torch.Tensor,
    shape: FaceShape,
    turns: tuple[HeadTransform, HeadTransform],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which points (K,) hang, and (F, K, 2) what to add to `head_field` there.

    Args:
        points, depth, weight, shape: of `head_field`.
        turns: of the head, and of `delay_head`.
    """
    weight = weight * shape.at_rest(hair_weight, points)
    hanging = (weight > 0).any(0).nonzero()[:, 0]
    points, depth, weight = points[:, hanging], depth[:, hanging], weight[:, hanging]
    now, late = (transform_head(points, depth, weight, turn) for turn in turns)
    return hanging, late - now
