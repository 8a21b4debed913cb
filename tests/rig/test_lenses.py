"""Lenses stay as round as they are when the head turns."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.rig.fields import FaceShape, MotionValues
from skyreels_avatar.rig.geometry import EYES, FaceFrame
from skyreels_avatar.rig.head import HeadTransform, head_depth, transform_head
from tests.rig.faces import motion_of

LANDMARKS = torch.from_numpy(synthetic_landmarks((70.0, 60.0, 180.0, 220.0)))[None]
BARE = FaceShape.of(FaceFrame.of(LANDMARKS).points)
WORN = replace(BARE, glasses=True)
YAW = 0.28


def turned(points: torch.Tensor, shape: FaceShape, yaw: float = YAW) -> torch.Tensor:
    values = MotionValues(motion_of(yaw=yaw))
    depth, weight = head_depth(points, shape), torch.ones_like(points[..., 0])
    moved = transform_head(points, depth, weight, HeadTransform.of(shape, values))
    return points + moved


def rim(eye: int, radius: float) -> torch.Tensor:
    """Return (1, 48, 2) of a circle round an eye."""
    upper, lower, *_ = EYES[eye]
    middle = BARE.points[:, [*upper, *lower], :2].mean(1, keepdim=True)
    angles = torch.arange(48) * (2 * math.pi / 48)
    return middle + radius * torch.stack([angles.cos(), angles.sin()], -1)


def bend(points: torch.Tensor, seen: torch.Tensor) -> float:
    """Return how far a shape is from what a plane would show, in H."""
    known = torch.cat([points[0], torch.ones(len(points[0]), 1)], 1)
    fitted = known @ torch.linalg.lstsq(known, seen[0]).solution
    return float((seen[0] - fitted).norm(dim=-1).max())


def test_round_lenses_do_not_become_drops():
    for eye in (0, 1):
        circle = rim(eye, 0.13)
        bent, flat = (bend(circle, turned(circle, shape)) for shape in (BARE, WORN))
        assert flat < 0.6 * bent, (eye, bent, flat)


def test_eyes_behind_lenses_look_where_they_did():
    for eye in (0, 1):
        middle = rim(eye, 1e-3)
        assert float((turned(middle, WORN) - turned(middle, BARE)).norm(dim=-1).max()) < 0.02


def test_nothing_folds_round_lenses():
    x = torch.linspace(-0.42, 0.42, 169)
    for y in torch.linspace(-0.3, 0.2, 26):
        row = torch.stack([x, y.expand_as(x)], -1)[None]
        for yaw in (-YAW, YAW):
            steps, bare = (turned(row, one, yaw)[0, :, 0].diff().min() for one in (WORN, BARE))
            assert float(steps) > min(0.0, float(bare)), (float(y), yaw)
