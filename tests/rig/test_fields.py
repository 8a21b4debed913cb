"""Fields move a face as asked and never fold it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from skyreels_avatar.rig.coefficients import NUM_MOTION
from skyreels_avatar.rig.fields import (
    LOWER,
    UPPER,
    FaceShape,
    LipOutline,
    MotionValues,
    added_smile,
    face_field,
    mouth_field,
)
from skyreels_avatar.rig.forward_warp import move_points
from skyreels_avatar.rig.geometry import (
    BROW_EDGES,
    EYES,
    INNER_LOWER,
    INNER_UPPER,
    lip_gap,
)
from skyreels_avatar.rig.head import head_depth, head_field, head_weight
from skyreels_avatar.rig.skin import held_brows
from skyreels_avatar.rig.warp import FIELD_BOX
from tests.rig.faces import motion_of, random_motion


def test_the_lips_open_by_the_gap_that_was_asked(shape: FaceShape) -> None:
    for gap in (0.0, 0.02, 0.06, 0.1):
        moved = move_points(shape, motion_of(lip_gap=gap, jaw_drop=0.7 * gap))
        assert abs(float(lip_gap(moved)) - gap) < 0.12 * gap + 0.006


def test_lips_stay_lips_in_a_wide_mouth(shape: FaceShape) -> None:
    """The lower lip was squeezed to a thin rim under a wide opening."""
    wide = motion_of(lip_gap=0.12, jaw_drop=0.09, upper_raise=0.02)
    rest, opened = (move_points(shape, motion)[0] for motion in (motion_of(), wide))
    for outer, inner, least in ((0, 13, 0.70), (17, 14, 0.85)):
        thickness = [float((points[outer] - points[inner]).norm()) for points in (rest, opened)]
        assert least < thickness[1] / thickness[0] < 1.15


@pytest.mark.parametrize("layer", [UPPER, LOWER])
def test_no_field_folds_over(shape: FaceShape, layer: int) -> None:
    """The map of each layer keeps its orientation, so that it can be inverted."""
    left, top, right, bottom = FIELD_BOX
    y, x = torch.meshgrid(
        torch.linspace(top, bottom, 126), torch.linspace(left, right, 116), indexing="ij"
    )
    points = torch.stack([x, y], -1).reshape(1, -1, 2)
    values = MotionValues(random_motion(16, seed=7))
    moved = points + mouth_field(points, shape, values)[:, layer]
    moved = moved + face_field(points, shape, values)
    depth, weight = head_depth(points, shape), head_weight(points, shape)
    moved = moved + head_field(moved, depth, weight, shape, values)
    grid = moved.unflatten(1, (126, 116))
    across = grid[:, :-1, 1:] - grid[:, :-1, :-1]
    down = grid[:, 1:, :-1] - grid[:, :-1, :-1]
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    cell = (right - left) / 115 * (bottom - top) / 125
    # each layer counts on its own side of the lips only
    own = (y < 0.02) if layer == UPPER else (y > -0.02)
    assert float((area / cell)[:, own[:-1, :-1]].min()) > 0.05


def test_a_grin_cannot_grin_once_more(shape: FaceShape) -> None:
    """A prompt's smile on top of a photo's grin tore the corners of the mouth to the ears."""
    asked = torch.cat([motion_of(smile=value) for value in (-0.6, 0.0, 0.4, 2.0)])
    calm = replace(shape, smile=torch.zeros(1))
    added = added_smile(calm, MotionValues(asked))[:, 0]
    assert added[1] == 0 and added[2] > 0.35 and 1.4 < added[3] < 1.75
    grins = added_smile(replace(shape, smile=torch.ones(1)), MotionValues(asked))[:, 0]
    assert grins[3] <= 0.35 and (grins.diff() > 0).all()


def test_a_straight_face_has_no_smile_to_take_back(shape: FaceShape) -> None:
    """Surprise takes the photo's smile back; straight lips turned down and it looked like fear."""
    asked = MotionValues(torch.cat([motion_of(smile=value) for value in (-0.6, -0.05, 0.0)]))
    calm, grin = (replace(shape, smile=torch.tensor([smile])) for smile in (0.0, 1.0))
    assert added_smile(calm, asked)[:, 0].tolist() == pytest.approx([-0.1, -0.05, 0.0])
    assert added_smile(grin, asked)[:, 0].tolist() == pytest.approx([-0.6, -0.05, 0.0])


def test_a_raised_brow_stays_as_thick_as_it_was_and_the_lid_where_it_was(shape: FaceShape) -> None:
    moved = move_points(shape, motion_of(brow_r=0.045, brow_l=0.03))
    rise = (shape.points[..., :2] - moved)[0, :, 1]
    held = held_brows(torch.tensor([[0.045, 0.03]]), shape.points[..., :2])[0].tolist()
    assert held[0] > 0.039 and held[1] > 0.029
    for edges, raised, eye in zip(BROW_EDGES, held, EYES):
        for edge in edges:
            assert torch.allclose(rise[list(edge)], torch.tensor(raised), atol=0.02 * raised)
        assert rise[list(eye[0])].abs().max() < 0.15 * raised
    hairline = shape.points[0, 10, :2] - torch.tensor([0.0, 0.05])
    values = MotionValues(motion_of(brow_r=0.045, brow_l=0.045))
    assert float(face_field(hairline[None, None], shape, values).abs().max()) < 0.005


def test_a_jaw_that_hangs_in_the_picture_rises_when_it_shuts(shape: FaceShape) -> None:
    """The chin stayed as low as in the photo of a wide-open mouth, below shut lips."""
    points = shape.points.clone()
    points[:, list(INNER_LOWER[1:-1]), 1] += 0.1
    hanging = FaceShape.of(points)
    shut = move_points(hanging, torch.zeros(1, NUM_MOTION))
    chin = float(shut[0, 152, 1] - points[0, 152, 1])
    assert chin == pytest.approx(-float(hanging.jaw[0]), rel=0.15)
    assert 0.02 < float(hanging.jaw[0]) < 0.06
    assert float(shape.jaw[0]) == 0  # and that of a shut mouth stays


def test_a_mouth_that_is_open_in_the_picture_shuts_all_along(shape: FaceShape) -> None:
    """A slit of teeth was left between its curves wherever no landmark lies, and on p, b and m.

    Each of these has a little of a bite and of a raised tongue.
    """
    points = shape.points.clone()
    arch = 0.06 * torch.sin(torch.linspace(0, torch.pi, 11)).clamp_min(0) ** 0.6
    points[:, list(INNER_UPPER), 1] -= 0.4 * arch
    points[:, list(INNER_LOWER), 1] += 0.6 * arch
    opened = FaceShape.of(points)
    for part in (0.0, 0.1):
        lips = LipOutline.of(opened, MotionValues(motion_of(lip_gap=0.0, tuck=part, tongue=part)))
        assert float((lips.lower - lips.upper)[..., 1].max()) < 3e-4
    bitten = LipOutline.of(opened, MotionValues(motion_of(lip_gap=0.0, tuck=1.0)))
    assert float((bitten.lower - bitten.upper)[..., 1].max()) > 0.01
