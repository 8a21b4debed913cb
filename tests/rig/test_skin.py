"""What skin does is linear in its numbers, so that it may be made once and weighed by them."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.fields import FaceShape, MotionValues, face_field
from skyreels_avatar.rig.skin import SKIN_COEFFICIENTS, skin_moves
from tests.rig.faces import motion_of


def test_moves_of_several_numbers_are_the_sum_of_their_own(shape: FaceShape) -> None:
    points = torch.rand(1, 200, 2) - 0.5
    moves = skin_moves(points, shape.points[..., :2])
    assert moves.shape == (1, len(SKIN_COEFFICIENTS), 200, 2)
    amounts = dict(zip(SKIN_COEFFICIENTS, torch.linspace(-0.3, 0.6, 8).tolist()))
    expected = sum(amount * moves[:, i] for i, amount in enumerate(amounts.values()))
    found = face_field(points, shape, MotionValues(motion_of(**amounts)))
    assert torch.allclose(found, expected, atol=1e-6)
    assert len({MOTION_INDEX[name] for name in SKIN_COEFFICIENTS}) == 8


def test_corners_rise_cheeks_part_and_brows_draw_together(shape: FaceShape) -> None:
    points = shape.points[..., :2]
    moves = dict(zip(SKIN_COEFFICIENTS, skin_moves(points, points)[0]))
    assert moves["corner_r"][61, 1] < -0.9 and moves["corner_l"][291, 1] < -0.9
    assert moves["cheek"][50, 0] < 0 < moves["cheek"][280, 0]
    assert moves["furrow"][55, 0] > 0 > moves["furrow"][285, 0]


def test_what_is_kept_of_points_is_theirs_alone(shape: FaceShape) -> None:
    """Other points of the same number come, and none is taken for those before."""
    values = MotionValues(motion_of(brow_r=0.04, cheek=0.5))
    for _ in range(3):
        points = torch.rand(1, 50, 2) - 0.5
        fresh = skin_moves(points, shape.points[..., :2])
        expected = 0.04 * fresh[:, 5] + 0.5 * fresh[:, 2]
        assert torch.allclose(face_field(points, shape, values), expected, atol=1e-6)
