"""Heads turn as solid ones do."""

from __future__ import annotations

import math

import pytest
import torch

from skyreels_avatar.rig.fields import FaceShape
from skyreels_avatar.rig.forward_warp import move_points
from skyreels_avatar.rig.head import CAMERA_DISTANCE
from tests.rig.faces import motion_of


@pytest.mark.parametrize("degrees", [-8.0, 5.0])
def test_a_turned_head_shows_its_nose_where_a_solid_one_does(
    shape: FaceShape, degrees: float
) -> None:
    """The relief of heads was flattened: noses showed half of the turn that was asked for."""
    yaw = math.radians(degrees)
    points = shape.points[0]
    axis = points[[234, 454], 2].mean() + 0.05
    x, z = points[:, 0] - points[[234, 454], 0].mean(), points[:, 2] - axis
    x = x * (1 + z / CAMERA_DISTANCE)
    nearness = 1 + (x * math.sin(yaw) + z * math.cos(yaw)) / CAMERA_DISTANCE
    solid = (x * math.cos(yaw) - z * math.sin(yaw)) / nearness

    def nose_offset(columns: torch.Tensor) -> float:
        eyes = columns[[33, 263]]
        return float((columns[1] - eyes.mean()) / (eyes[1] - eyes[0]))

    rest = nose_offset(points[:, 0])
    wanted = nose_offset(solid) - rest
    shown = nose_offset(move_points(shape, motion_of(yaw=yaw))[0, :, 0]) - rest
    assert abs(wanted) > 0.008 * abs(degrees)
    assert shown == pytest.approx(wanted, rel=0.15)


def test_flat_faces_turn_about_as_visibly_as_others(shape: FaceShape) -> None:
    """The face mesh makes noses half as long in one picture as in another: some hardly turned."""
    shown = []
    for depth in (0.7, 0.85, 1.0):
        points = shape.points * torch.tensor([1.0, 1.0, depth])
        moved = move_points(FaceShape.of(points), motion_of(yaw=0.1)) - points[..., :2]
        shown.append(float(moved[0, 1, 0] - moved[0, [33, 263], 0].mean()))
    assert max(shown) < 1.2 * min(shown)


def test_a_side_view_turns_with_less_relief_than_a_frontal_one(shape: FaceShape) -> None:
    """Landmarks of the hidden half lie behind others, and its outlines bulged."""
    side = shape.points.clone()
    angle = math.radians(45)
    side[..., 0] = shape.points[..., 0] * math.cos(angle) - shape.points[..., 2] * math.sin(angle)
    side[..., 2] = shape.points[..., 0] * math.sin(angle) + shape.points[..., 2] * math.cos(angle)
    moves = []
    for points in (shape.points, side):
        turned = move_points(FaceShape.of(points), motion_of(yaw=0.1))
        moves.append(float((turned - points[..., :2])[0, 4, 0]))
    assert 0 < moves[1] < 0.6 * moves[0]


def test_a_head_that_is_turned_already_turns_further_by_less_than_back(shape: FaceShape) -> None:
    """The far eye of a woman in three-quarter view folded when she turned away."""
    side, angle = shape.points.clone(), math.radians(28)
    side[..., 0] = shape.points[..., 0] * math.cos(angle) - shape.points[..., 2] * math.sin(angle)
    side[..., 2] = shape.points[..., 0] * math.sin(angle) + shape.points[..., 2] * math.cos(angle)
    turned = FaceShape.of(side)
    ways = [
        float((move_points(turned, motion_of(yaw=yaw)) - side[..., :2])[0, 4, 0])
        for yaw in (-0.15, 0.15)
    ]
    assert ways[0] < 0 < ways[1] < -0.6 * ways[0]
