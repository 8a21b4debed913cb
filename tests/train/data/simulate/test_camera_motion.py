import numpy as np
import pytest

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.data.simulate.camera_motion import (
    GAZE_PER_RADIAN,
    HEAD_SHARE,
    follow_camera,
    plan_apparent_motion,
)


def test_a_camera_at_rest_changes_nothing():
    motion = np.random.default_rng(0).normal(size=(49, 32))
    assert np.array_equal(follow_camera(motion, np.zeros((49, 32))), motion)


@pytest.mark.parametrize("head, gaze, sign", [("yaw", "gaze_x", -1), ("pitch", "gaze_y", 1)])
def test_head_and_eyes_together_keep_eye_contact(head, gaze, sign):
    apparent = np.zeros((49, 32))
    apparent[:, MOTION_INDEX[head]] = 0.3
    answered = follow_camera(np.zeros((49, 32)), apparent)
    turned = answered[-1, MOTION_INDEX[head]]
    looked = sign * answered[-1, MOTION_INDEX[gaze]] / GAZE_PER_RADIAN
    assert turned == pytest.approx(-HEAD_SHARE * 0.3, rel=0.02)
    assert looked == pytest.approx(0.3 + turned, rel=0.02)


def test_a_close_up_damps_the_head():
    motion = np.zeros((49, 32))
    motion[:, MOTION_INDEX["roll"]] = 0.1
    apparent = np.zeros((49, 32))
    apparent[:, MOTION_INDEX["zoom"]] = np.linspace(0, 0.6, 49)
    damped = follow_camera(motion, apparent)[:, MOTION_INDEX["roll"]]
    assert damped[0] == pytest.approx(0.1) and (np.diff(damped) < 0).all() and damped[-1] < 0.07


def test_planned_moves_only_touch_the_head_group_and_say_what_is_seen():
    rng = np.random.default_rng(0)
    for _ in range(50):
        apparent, seen = plan_apparent_motion(49, rng)
        assert not apparent[:, :16].any() and not apparent[:, 24:].any()
        assert ((seen >= 0.5) & (seen <= 1)).all()
        assert np.abs(np.diff(apparent, axis=0)).max() < 0.05
