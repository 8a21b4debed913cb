"""The far end of the lips of a turned head."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.rig.far_lips import (
    STEEPEST,
    far_reach,
    joined_beyond,
    turned_away,
    without_upright_ends,
)
from skyreels_avatar.rig.fields import FaceShape, LipOutline, MotionValues, lip_moves
from skyreels_avatar.rig.geometry import INNER_LOWER, INNER_UPPER, OUTER_LOWER, FaceFrame
from tests.rig.faces import motion_of, turned_by


def shape_turned_by(angle: float, landmarks: torch.Tensor) -> FaceShape:
    return FaceShape.of(FaceFrame.of(turned_by(angle, landmarks)[None]).points)


def test_a_frontal_mouth_ends_in_its_corners(shape: FaceShape) -> None:
    assert float(far_reach(shape.points, shape.lip_x).abs().max()) == 0
    outline = LipOutline.of(shape, MotionValues(motion_of(lip_gap=0.1)))
    torch.testing.assert_close(outline.tips, outline.upper[:, [0, -1]], atol=2e-3, rtol=0)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_lips_part_beyond_the_far_end_alone_and_not_beyond_the_face(landmarks, side) -> None:
    shape, far = shape_turned_by(side * 0.8, landmarks), 1 if side > 0 else 0
    away, reach = turned_away(shape.points)[0], far_reach(shape.points, shape.lip_x)[0]
    assert float(away[far]) == 1 and float(away[1 - far]) == 0
    assert float(reach[far]) > 0.005 and float(reach[1 - far]) == 0
    end = float(shape.lip_x[0, -far]) + side * float(reach[far])
    outer = float((side * shape.points[0, list(OUTER_LOWER), 0]).max())
    assert side * end <= outer + 0.03
    outline = LipOutline.of(shape, MotionValues(motion_of(lip_gap=0.1, jaw_drop=0.07)))
    gaps = (outline.lower - outline.upper)[0, [0, -1], 1]
    assert float(gaps[far]) > 0.03 and float(gaps[1 - far]) < 0.01


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_upright_ends_of_open_lips_become_level(landmarks, side) -> None:
    """Far edges of open mouths were dotted, and lips that shut left a spike."""
    points = FaceFrame.of(turned_by(side * 0.8, landmarks)[None]).points
    up, low = points[:, list(INNER_UPPER)], points[:, list(INNER_LOWER)]
    x, middle = (up[..., 0] + low[..., 0]) / 2, (up[..., 1] + low[..., 1]) / 2
    height = 0.03 * torch.tensor([0.0, *[1.0] * 9, 0.0])
    upper, lower = without_upright_ends(points, x, middle - height, middle + height)
    far, near = (-1, 0) if side > 0 else (0, -1)
    assert float((lower - upper)[0, far]) > 0.02
    assert float((lower - upper)[0, near]) < 1e-6
    way = (x[0, far] - x[0, far - int(side)]).abs()
    rise = (upper[0, far] - upper[0, far - int(side)]).abs()
    assert float(rise) <= STEEPEST * float(way) + 1e-6


def test_a_frontal_mouth_keeps_its_edges(shape: FaceShape) -> None:
    edges = shape.upper_y, shape.lower_y
    assert without_upright_ends(shape.points, shape.lip_x, *edges) == edges


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_what_lies_behind_the_far_end_of_open_lips_stays(landmarks, side) -> None:
    """Edges that end apart moved the background beside them, which parted in a line of steps."""
    points = FaceFrame.of(turned_by(side * 0.8, landmarks)[None]).points.clone()
    points[:, list(INNER_UPPER), 1] -= 0.03
    points[:, list(INNER_LOWER), 1] += 0.03
    shape = FaceShape.of(points)
    far = 1 if side > 0 else 0
    end = float((side * shape.lip_x).max() + far_reach(points, shape.lip_x)[0, far])
    assert float((shape.lower_y - shape.upper_y)[0, -far]) > 0.03
    for gap in (0.0, 0.12):
        beside = side * torch.tensor([[end + 0.08, end + 0.15, end + 0.3]])
        upper, lower = lip_moves(shape, MotionValues(motion_of(lip_gap=gap)), beside)
        assert float(torch.cat([upper, lower]).abs().max()) < 0.002
    rows = joined_beyond(beside, shape.lip_x, shape.upper_y, shape.lower_y)
    torch.testing.assert_close(*rows, atol=2e-3, rtol=0)
