"""The camera's path through a shot."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from skyreels_avatar.camera import MOVES, CameraMove, plan_path
from skyreels_avatar.camera.geometry import invert, rotation_angle_deg

MOVING = [name for name in MOVES if name != "static"]


def extent(path) -> np.ndarray:
    """Return how far the camera is from its start at each frame: shift + turn (F,)."""
    poses = invert(path.extrinsics.double())
    turns = [rotation_angle_deg(p[:3, :3]) for p in poses]
    return poses[:, :3, 3].norm(dim=1).numpy() + np.radians(turns)


@pytest.mark.parametrize("name", MOVES)
def test_zero_strength_is_exactly_static(name: str, scene):
    still = plan_path(CameraMove("static"), scene, 30, 25)
    path = plan_path(CameraMove(name, 0.0), scene, 30, 25)
    assert torch.equal(path.extrinsics, still.extrinsics)
    assert path.is_static()


@pytest.mark.parametrize("name", MOVING)
def test_every_move_starts_at_the_picture(name: str, scene):
    path = plan_path(CameraMove(name), scene, 50, 25)
    assert torch.equal(path.extrinsics[0], torch.eye(4))
    assert not path.is_static()


@pytest.mark.parametrize("name", MOVING)
def test_motion_is_linear_in_strength(name: str, scene):
    strengths = np.array([0.25, 0.5, 0.75, 1.0])
    reach = [extent(plan_path(CameraMove(name, s), scene, 25, 25)).max() for s in strengths]
    slope = np.polyfit(strengths, np.array(reach) / reach[-1], 1)[0]
    # A crane's tilt is an arc tangent of its rise; everything else is linear to rounding.
    assert slope == pytest.approx(1.0, abs=0.03)
    assert np.corrcoef(strengths, reach)[0, 1] ** 2 > 0.999


def test_extrinsics_are_rigid(scene):
    path = plan_path(CameraMove("swing"), scene, 60, 25)
    rotations = path.extrinsics[:, :3, :3]
    identity = torch.eye(3).expand_as(rotations)
    torch.testing.assert_close(rotations @ rotations.transpose(1, 2), identity, atol=1e-5, rtol=0)


def test_a_combination_runs_one_move_after_the_other_without_a_jump(scene):
    moves = [(0.0, CameraMove("push_in", 0.4)), (2.0, CameraMove("pan_left", 0.3))]
    path = plan_path(moves, scene, 101, 25)
    alone = plan_path(CameraMove("push_in", 0.4), scene, 50, 25)
    first_turn = rotation_angle_deg(path.extrinsics[40, :3, :3])
    last_turn = rotation_angle_deg(path.extrinsics[-1, :3, :3])
    assert first_turn < 1e-4 < 1 < last_turn
    pushed = invert(path.extrinsics)[-1, 2, 3]
    torch.testing.assert_close(pushed, invert(alone.extrinsics)[-1, 2, 3])
    steps = (path.extrinsics.diff(dim=0)).flatten(1).norm(dim=1)
    assert steps.diff().abs().max() < 0.25 * steps.max()


def test_moves_with_one_time_run_together(scene):
    moves = [(0.0, CameraMove("push_in", 0.5)), (0.0, CameraMove("swing", 0.5, seed=1))]
    path = plan_path(moves, scene, 50, 25)
    assert extent(path)[25] > 0
    assert rotation_angle_deg(path.extrinsics[25, :3, :3]) > 0.05
    assert invert(path.extrinsics)[-1, 2, 3] > 0.05


def test_a_swing_in_the_middle_comes_to_rest(scene):
    moves = [(0.0, CameraMove("swing", 0.8)), (2.0, CameraMove("static"))]
    path = plan_path(moves, scene, 100, 25)
    assert not path.is_static()
    torch.testing.assert_close(path.extrinsics[-20:], torch.eye(4).expand(20, 4, 4))


def test_a_combination_that_leaves_the_picture_is_reduced_with_a_warning(scene, caplog):
    moves = [(0.0, CameraMove("pan_left")), (1.0, CameraMove("pan_left"))]
    with caplog.at_level(logging.WARNING):
        path = plan_path(moves, scene, 50, 25)
    once = plan_path(CameraMove("pan_left"), scene, 50, 25)
    assert "reduced" in caplog.text
    assert extent(path).max() < 1.6 * extent(once).max()


@pytest.mark.parametrize(
    ("moves", "num_frames", "fps", "message"),
    [
        (CameraMove("static"), 0, 25, "num_frames"),
        (CameraMove("static"), 10, 0, "fps"),
        ([], 10, 25, "at least one move"),
        ([(1.0, CameraMove()), (0.5, CameraMove())], 50, 25, "order of time"),
        ([(0.0, CameraMove()), (9.0, CameraMove())], 50, 25, "end of the shot"),
    ],
)
def test_impossible_plans_are_refused(moves, num_frames, fps, message, scene):
    with pytest.raises(ValueError, match=message):
        plan_path(moves, scene, num_frames, fps)


def test_a_single_frame_is_the_picture(scene):
    assert plan_path(CameraMove("push_in"), scene, 1, 25).is_static()
