"""What skin does is linear in its numbers, so that it may be made once and weighed by them."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.fields import FaceShape, MotionValues, face_field
from skyreels_avatar.rig.skin import SKIN_COEFFICIENTS, brow_tilts, skin_moves
from tests.rig.faces import motion_of


def test_moves_of_several_numbers_are_the_sum_of_their_own(shape: FaceShape) -> None:
    points = torch.rand(1, 200, 2) - 0.5
    moves = skin_moves(points, shape.points[..., :2])
    assert moves.shape == (1, len(SKIN_COEFFICIENTS) + 2, 200, 2)
    amounts = dict(zip(SKIN_COEFFICIENTS, torch.linspace(-0.3, 0.6, 8).tolist()))
    brows = torch.tensor([[amounts[name] for name in ("brow_r", "brow_l", "furrow")]])
    every = [*amounts.values(), *brow_tilts(brows)[0].tolist()]
    expected = sum(amount * moves[:, i] for i, amount in enumerate(every))
    found = face_field(points, shape, MotionValues(motion_of(**amounts)))
    assert torch.allclose(found, expected, atol=1e-6)
    assert len({MOTION_INDEX[name] for name in SKIN_COEFFICIENTS}) == 8


def test_corners_rise_cheeks_part_and_brows_draw_together(shape: FaceShape) -> None:
    points = shape.points[..., :2]
    moves = dict(zip(SKIN_COEFFICIENTS, skin_moves(points, points)[0]))
    assert moves["corner_r"][61, 1] < -0.9 and moves["corner_l"][291, 1] < -0.9
    assert moves["cheek"][50, 0] < 0 < moves["cheek"][280, 0]
    assert moves["furrow"][55, 0] > 0 > moves["furrow"][285, 0]


def test_brows_tilt_only_when_they_are_raised_and_drawn_together(shape: FaceShape) -> None:
    points = shape.points[..., :2]

    def rises(**numbers: float) -> tuple[float, float]:
        moved = -face_field(points, shape, MotionValues(motion_of(**numbers)))[0, :, 1]
        return float(moved[[107, 336]].mean()), float(moved[[70, 300]].mean())

    inner, outer = rises(brow_r=0.016, brow_l=0.016)
    assert abs(inner - outer) < 0.002
    inner, outer = rises(brow_r=0.016, brow_l=0.016, furrow=0.85)
    assert inner > 0.02 and outer < 0.005
    inner, outer = rises(brow_r=-0.02, brow_l=-0.02, furrow=1.0)
    assert inner < -0.02 and outer < -0.015 and inner < outer


def test_a_forehead_follows_its_brows_up_to_the_hairline(shape: FaceShape) -> None:
    """Raised brows were pushed into a still forehead and looked like slugs."""
    brow = shape.points[0, [105, 334], :2]
    values = MotionValues(motion_of(brow_r=0.03, brow_l=0.03))
    rises = [
        float(-face_field((brow - torch.tensor([0.0, up]))[None], shape, values)[..., 1].mean())
        for up in (0.02, 0.06, 0.10, 0.17)
    ]
    assert rises[0] > 0.025 and 0.012 < rises[1] < 0.025 and 0.004 < rises[2] < 0.014
    assert rises[3] < 0.001


def test_what_is_kept_of_points_is_theirs_alone(shape: FaceShape) -> None:
    """Other points of the same number come, and none is taken for those before."""
    values = MotionValues(motion_of(brow_r=0.04, cheek=0.5))
    for _ in range(3):
        points = torch.rand(1, 50, 2) - 0.5
        fresh = skin_moves(points, shape.points[..., :2])
        expected = 0.04 * fresh[:, 5] + 0.5 * fresh[:, 2]
        assert torch.allclose(face_field(points, shape, values), expected, atol=1e-6)
