"""Lids close over the eyeball, with skin."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.drawn_eyes import undo_drawn_eye
from skyreels_avatar.rig.eyes import BLINKING, blinking_spans, lid_place, own_side, undo_eye
from skyreels_avatar.rig.fields import (
    FaceShape,
    MotionValues,
)
from skyreels_avatar.rig.geometry import EYES
from skyreels_avatar.rig.renderer import render
from skyreels_avatar.rig.warp import PosedFace
from tests.rig.faces import clip_of, difference, motion_of, random_motion


def test_a_lid_unfolds_above_the_lashes_and_stays_below_the_brow(shape: FaceShape) -> None:
    upper, fold = shape.points[:, EYES[0][0][4], :2], shape.points[:, EYES[0][2][4], :2]
    lashes = upper + torch.tensor([0.0, -0.004])
    brow = 0.2 * upper + 0.8 * fold
    shut = MotionValues(motion_of(blink_r=1.0))
    down = torch.linspace(-0.02, 0.12, 400)[:, None] * torch.tensor([0.0, 1.0])
    column = (fold + down)[None]
    looked = undo_eye(column, 0, shape, shut)[0]

    def lands(point: torch.Tensor) -> float:
        """Return how far a point of the open eye has come down."""
        near = (looked - point).norm(dim=-1).argmin()
        return float(column[0, near, 1] - point[0, 1])

    assert lands(lashes) > 0.03
    assert abs(lands(brow)) < 0.2 * lands(lashes)


def test_the_lid_of_a_large_drawn_eye_is_lined_with_skin(shape: FaceShape) -> None:
    upper, lower = list(EYES[0][0][1:-1]), list(EYES[0][1][1:-1])
    points = shape.points.clone()
    points[:, upper, 1] -= 0.08
    points[:, lower, 1] += 0.08
    points[:, list(EYES[0][2]), 1] -= 0.08
    points[:, list(EYES[0][3]), 1] += 0.08
    large = dataclasses.replace(shape, points=points)
    top, bottom = points[0, upper[3], :2], points[0, lower[3], :2]
    column = torch.lerp(top, bottom, torch.linspace(0.05, 0.45, 40)[:, None])[None]
    room = torch.tensor(1.0)
    shut = undo_drawn_eye(column, 0, large, MotionValues(motion_of(blink_r=1.0)), room)[0]
    assert bool((shut[:, 1] > bottom[1]).all())  # skin from below, no row of the open eye
    opened = undo_drawn_eye(column, 0, large, MotionValues(motion_of()), room)
    torch.testing.assert_close(opened, column)


@pytest.mark.parametrize("undo", [undo_eye, undo_drawn_eye])
def test_the_narrow_far_eye_of_a_profile_that_does_not_move_stays(undo, shape: FaceShape) -> None:
    """Its axes were shorter than 1, so that pixels near it came from up to 28 pixels away."""
    points, eye = shape.points.clone(), sorted({i for ring in EYES[1] for i in ring})
    middle = points[:, eye, 0].mean()
    points[:, eye, 0] = middle + 0.04 * (points[:, eye, 0] - middle)
    narrow = FaceShape.of(points)
    first, last = (points[0, EYES[1][0][end], :2] for end in (0, -1))
    assert float((last - first).norm()) < 0.02
    x, y = torch.meshgrid(
        torch.linspace(-0.1, 0.1, 30), torch.linspace(-0.1, 0.1, 30), indexing="ij"
    )
    near = (first + torch.stack([x, y], -1).reshape(-1, 2))[None]
    looked = undo(near, 1, narrow, MotionValues(motion_of()))
    torch.testing.assert_close(looked, near, atol=1e-5, rtol=0)


def test_smiles_reach_the_eyes(shape: FaceShape) -> None:
    """Cheeks rose, and the lower lids that they push up stayed: happy people looked it by half."""
    lower, upper = (shape.points[:, ring[4], :2] for ring in (EYES[0][1], EYES[0][0]))
    column = torch.lerp(upper, lower, torch.linspace(0.5, 1.0, 200)[:, None])
    heights = []
    for cheek in (0.0, 0.8):
        looked = undo_eye(column[None], 0, shape, MotionValues(motion_of(cheek=cheek)))[0]
        heights.append(float((looked[:, 1] < lower[0, 1] - 1e-4).float().mean()))
    assert heights[0] > 0.99 and 0.5 < heights[1] < 0.8


def test_only_frames_that_blink_are_drawn_finer(landmarks: torch.Tensor) -> None:
    motion = motion_of().repeat(6, 1)
    motion[2:4, MOTION_INDEX["blink_l"]] = 2 * BLINKING
    face = PosedFace.of(clip_of(landmarks, 6), motion)
    assert blinking_spans(face, 0) == [(slice(0, 6), False)]
    assert blinking_spans(face, 1) == [
        (slice(0, 2), False), (slice(2, 4), True), (slice(4, 6), False),
    ]  # fmt: skip


def test_frames_drawn_together_are_those_drawn_alone(landmarks: torch.Tensor) -> None:
    """A blink in one of them once made the eyes of all softer."""
    motion = random_motion(3, seed=4)
    motion[:, MOTION_INDEX["blink_r"]] = torch.tensor([0.0, 0.7, 0.0])
    motion[:, MOTION_INDEX["blink_l"]] = torch.tensor([0.0, 0.5, 0.6])
    together, _ = render(motion, clip_of(landmarks, 3))
    for index in range(3):
        alone, _ = render(motion[index : index + 1], clip_of(landmarks, 1))
        assert float((difference(together[index], alone[0]) > 0.02).float().mean()) < 1e-5


def test_the_corners_of_an_eye_lie_at_the_ends_of_its_lid(landmarks: torch.Tensor) -> None:
    face = PosedFace.of(clip_of(landmarks, 1), motion_of())
    for eye, (upper, *_) in enumerate(EYES):
        corners = landmarks[[upper[0], upper[-1]], :2].T[None, :, None]
        found = lid_place(corners, eye, face)
        expected = torch.tensor([[[[-1.0, 0.0], [1.0, 0.0]]]])
        # The lines of the lids are tables of 64 columns: between them corners are off by 0.002.
        torch.testing.assert_close(found, expected, atol=5e-3, rtol=0)
        below = corners + torch.tensor([0.0, 3.0])[None, :, None, None]
        assert float(lid_place(below, eye, face)[..., 1].min()) > 0


def test_a_shut_lid_goes_from_its_fold_to_the_bag_under_the_eye(landmarks: torch.Tensor) -> None:
    face = PosedFace.of(clip_of(landmarks, 1), motion_of(blink_r=1.0, blink_l=1.0))
    for eye, (_, lower, fold, bag) in enumerate(EYES):
        lines = torch.stack([landmarks[[ring[4] for ring in (fold, lower, bag)], :2].T], 0)
        down = lid_place(lines[..., None], eye, face)[0, :, 0, 1]
        assert float(down[0]) == pytest.approx(-1.0, abs=0.15)
        assert abs(float(down[1])) < 0.15 and float(down[2]) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("undo", [undo_eye, undo_drawn_eye])
def test_eyes_that_are_wide_open_keep_their_pupils_and_their_gaze(undo, shape: FaceShape) -> None:
    """Irises of surprised eyes grew as tall as the opening, and their gaze lost its height."""
    upper, lower = (shape.points[:, ring[4], :2] for ring in EYES[0][:2])
    rows = torch.lerp(upper, lower, torch.linspace(-0.4, 1.0, 200)[:, None])[None]
    wide = undo(rows, 0, shape, MotionValues(motion_of(squint=-1.0)))[0]
    height = float((lower - upper)[0, 1])
    moved = (wide - rows[0])[:, 1].abs() / height
    place = torch.linspace(-0.4, 1.0, 200)
    assert float(moved[(place > 0.45) & (place < 0.98)].max()) < 0.02  # the lower half of a pupil
    assert float(moved[(place > -0.1) & (place < 0.1)].min()) > 0.05  # while the lid is raised
    if undo is undo_eye:
        middle = rows[:, (place > 0.45) & (place < 0.55)]
        still, down = (
            undo(middle, 0, shape, MotionValues(motion_of(squint=-1.0, gaze_y=gaze)))[..., 1]
            for gaze in (0.0, 0.1)
        )
        assert float((still - down).min()) > 0


def test_a_head_that_turns_while_it_blinks_shuts_both_eyes_whole(landmarks: torch.Tensor) -> None:
    """The box round one eye in all frames reached over the other one and drew its corner open."""
    motion = motion_of(blink_r=1.0, blink_l=1.0).repeat(3, 1)
    motion[:, MOTION_INDEX["yaw"]] = torch.tensor([-0.3, 0.0, 0.3])
    motion[:, MOTION_INDEX["shift_x"]] = torch.tensor([-0.1, 0.0, 0.1])
    together, _ = render(motion, clip_of(landmarks, 3))
    for index in range(3):
        alone, _ = render(motion[index : index + 1], clip_of(landmarks, 1))
        assert float((difference(together[index], alone[0]) > 0.02).float().mean()) < 1e-5


@pytest.mark.parametrize("eye", [0, 1])
def test_every_pixel_is_on_the_side_of_one_eye(eye: int, landmarks: torch.Tensor) -> None:
    face = PosedFace.of(clip_of(landmarks, 1), motion_of())
    for other, rings in enumerate(EYES):
        points = landmarks[sorted({i for ring in rings for i in ring}), :2].T[None, :, None]
        assert bool((own_side(points, eye, face) == (eye == other)).all())


@pytest.mark.parametrize("undo", [undo_eye, undo_drawn_eye])
def test_what_lies_round_an_eye_that_a_profile_hides_stays(undo, shape: FaceShape) -> None:
    """The corners nearly met: all round them looked at one point, a block of one color."""
    points = shape.points.clone()
    rings = sorted({i for ring in EYES[0] for i in ring})
    middle = points[:, rings, 0].mean()
    points[:, rings, 0] = middle + 0.02 * (points[:, rings, 0] - middle)
    hidden = dataclasses.replace(shape, points=points)
    corner = points[:, 33, :2]
    random = torch.Generator().manual_seed(0)
    around = corner[:, None] + 0.3 * (torch.rand(1, 200, 2, generator=random) - 0.5)
    looked = undo(around, 0, hidden, MotionValues(motion_of()))
    torch.testing.assert_close(looked, around, atol=1e-4, rtol=0)
    looked = undo(around, 0, hidden, MotionValues(motion_of(blink_r=1.0, gaze_x=0.1)))
    assert float((looked - around).norm(dim=-1).median()) < 0.01
