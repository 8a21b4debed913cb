"""What skin does is linear in its numbers, so that it may be made once and weighed by them."""

from __future__ import annotations

import dataclasses

import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.fields import FaceShape, MotionValues, face_field
from skyreels_avatar.rig.geometry import BROW_EDGES
from skyreels_avatar.rig.skin import SKIN_COEFFICIENTS, brow_tilts, held_brows, skin_moves
from tests.rig.faces import motion_of


def test_moves_of_several_numbers_are_the_sum_of_their_own(shape: FaceShape) -> None:
    points = torch.rand(1, 200, 2) - 0.5
    moves = skin_moves(points, shape.points[..., :2])
    assert moves.shape == (1, len(SKIN_COEFFICIENTS) + 2, 200, 2)
    amounts = dict(zip(SKIN_COEFFICIENTS, torch.linspace(-0.3, 0.6, 8).tolist()))
    brows = torch.tensor([[amounts[name] for name in ("brow_r", "brow_l", "furrow")]])
    every = [*amounts.values(), *brow_tilts(brows)[0].tolist()]
    held = held_brows(brows[:, :2], shape.points[..., :2])[0].tolist()
    every[5:7] = held
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


def test_grief_does_not_draw_out_the_skin_beside_the_nose(shape: FaceShape) -> None:
    """Of sad people the shade beside the nose became two dark folds up to the brows."""
    values = MotionValues(motion_of(brow_r=0.035, brow_l=0.035, furrow=0.8))
    inner = -face_field(shape.points[..., :2], shape, values)[0, [55, 285], 1]
    assert 0.02 < float(inner.mean()) < 0.045


def test_brows_close_to_their_lids_rise_less(shape: FaceShape) -> None:
    """Under low brows there was not enough skin to unfold: a raise tore it to pieces."""
    at = shape.points[..., :2].clone()
    lids = at[:, [159, 386], 1].mean()
    raised = torch.tensor([[0.005, 0.01], [0.09, 0.09], [-0.02, -0.025], [-0.09, -0.2]])
    low = at.clone()
    for edges in BROW_EDGES:
        low[:, [*edges[0], *edges[1]], 1] = lids - 0.02
    high = low.clone()
    for edges in BROW_EDGES:
        high[:, [*edges[0], *edges[1]], 1] = lids - 0.15
    near, far = held_brows(raised, low), held_brows(raised, high)
    torch.testing.assert_close(near[[0, 2]], raised[[0, 2]], atol=1e-4, rtol=1e-3)
    assert (near[1] < 0.051).all() and (far[1] > 0.08).all()
    assert (near[3] > -0.046).all()  # over eyes they do not come


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
        brows = held_brows(torch.tensor([[0.04, 0.0]]), shape.points[..., :2])
        expected = brows[0, 0] * fresh[:, 5] + 0.5 * fresh[:, 2]
        assert torch.allclose(face_field(points, shape, values), expected, atol=1e-6)


def test_brows_move_above_the_rims_of_glasses_and_leave_them(shape: FaceShape) -> None:
    """Whatever glasses left free of them, brows stayed, or bent the rims."""
    free, rims = 0.05, torch.tensor([[0.05, 0.05]])
    clear = dataclasses.replace(shape, rims=rims)
    lower = shape.points[0, list(BROW_EDGES[0][1]), :2]
    for raised, least in ((0.03, 0.025), (-0.02, 0.012)):
        values = MotionValues(motion_of(brow_r=raised, brow_l=raised))
        moved = face_field(lower[None], clear, values)[0, :, 1].abs()
        assert float(moved.min()) > least
        below = lower + torch.tensor([0.0, free])
        assert float(face_field(below[None], clear, values).abs().max()) < 1e-4
    column = lower[2] + torch.linspace(0, free, 50)[:, None] * torch.tensor([0.0, 1.0])
    down = MotionValues(motion_of(brow_r=-0.1))
    rows = (column + face_field(column[None], clear, down)[0])[:, 1]
    assert bool((rows.diff() > 0).all())  # no fold
