"""The camera of a stream moves when it is told to, without a jump, and comes to rest."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.live.scene import BLEND_S, MOVE_S, SWAY_S, LiveScene
from skyreels_avatar.request.camera_spec import parse_camera

FPS = 25.0


@pytest.fixture
def scene(avatar, parts) -> LiveScene:
    with torch.no_grad():
        return LiveScene(avatar, parts, FPS, 0)


def _picture(scene: LiveScene, frame: int) -> np.ndarray:
    decoder, places = scene.at(frame)
    return decoder.reference.frames(places.start, places.stop)[0].astype(int)


def _pose(scene: LiveScene, frame: int) -> torch.Tensor:
    scene.at(frame)
    return scene._leg.poses[scene._leg.place(frame)]


def test_a_camera_at_rest_shows_the_picture_itself_for_hours(scene, avatar):
    for frame in (0, 10, 1_000_000):
        assert np.array_equal(_picture(scene, frame), avatar.picture)
    assert scene.apparent_motion(range(33)) is None


def test_a_move_begins_where_the_camera_is_and_stays_where_it_leads(scene, avatar):
    scene.film(parse_camera("push_in:60"), 100)
    assert np.array_equal(_picture(scene, 100), avatar.picture)
    end = 100 + round(MOVE_S * FPS)
    near = _picture(scene, end)
    assert np.abs(near - avatar.picture).mean() > 1
    assert np.array_equal(_picture(scene, end + 5000), near)


def test_a_change_in_the_middle_of_a_move_makes_no_jump_and_static_leads_home(scene, avatar):
    scene.film(parse_camera("push_in:80"), 0)
    before, step = _pose(scene, 60), (_pose(scene, 60) - _pose(scene, 59)).abs().max()
    scene.film(parse_camera("static"), 60)
    poses = torch.stack([_pose(scene, 60 + i) for i in range(50)])
    assert torch.allclose(poses[0], before, atol=1e-6)
    assert (poses[1:] - poses[:-1]).abs().max() < 6 * step
    home = 61 + round(BLEND_S * FPS)
    assert np.array_equal(_picture(scene, home + 1), avatar.picture)
    assert scene.apparent_motion(range(home, home + 33)) is None


def test_a_sway_never_ends_and_never_jumps(scene):
    scene.film(parse_camera("swing:50"), 0)
    poses = torch.stack([_pose(scene, frame) for frame in range(0, 3200)])
    steps = (poses[1:] - poses[:-1]).abs().amax((1, 2))
    assert steps.max() < 0.01 and steps[-100:].max() > 0
    around = round(SWAY_S * FPS)
    assert scene.at(around - 1, 4)[1] == range(around - 1, around + 3)
    motion, seen = scene.apparent_motion(range(2 * around - 10, 2 * around + 23))
    assert motion.shape == (33, 32) and seen.shape == (33,)
