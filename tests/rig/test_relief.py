"""The relief of a head is that of its landmarks, and no steeper than it is said to be."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.fields import FaceShape
from skyreels_avatar.rig.geometry import RELIEF_POINTS
from skyreels_avatar.rig.relief import depth_at, steepness


def test_noses_and_sides_keep_their_depth(shape: FaceShape) -> None:
    """Averages left 68 % of the relief of a nose and 39 % of that of the sides."""
    places, wanted = shape.points[..., :2], shape.points[0, :, 2]
    depth = depth_at(places, shape.points)[0]
    for far in ((33, 263), (234, 454)):
        relief = wanted[list(far)].mean() - wanted[1]
        assert float(depth[list(far)].mean() - depth[1]) > 0.8 * float(relief) > 0.1


def test_behind_a_face_the_depth_does_not_go_on_growing(shape: FaceShape) -> None:
    around = torch.tensor([[[-0.9, -0.5], [0.9, -0.5], [0.0, -1.3], [0.9, 0.8]]])
    sides = float(shape.points[0, [234, 454], 2].mean())
    assert float(depth_at(around, shape.points).max()) <= sides + 0.1 + 1e-5


def test_the_slope_between_near_points_is_below_the_steepness(shape: FaceShape) -> None:
    places = shape.points[:, list(RELIEF_POINTS), :2]
    steep = float(steepness(shape.points))
    step = 1e-3
    for way in ((step, 0.0), (0.0, step)):
        ahead = depth_at(places + torch.tensor(way), shape.points)
        slope = (ahead - depth_at(places, shape.points)).abs().amax() / step
        assert 0.2 * steep < float(slope) < 1.05 * steep
