"""What is measured of a camera stage: how much of what a moving camera asks is done."""

import numpy as np
import pytest

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.data.simulate.camera_motion import follow_camera, plan_apparent_motion
from train.stages.camera import answers


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_answer_is_the_share_of_what_is_asked(share):
    rng = np.random.default_rng(0)
    apparent = np.stack([plan_apparent_motion(49, rng)[0] for _ in range(16)])
    asked = np.stack([follow_camera(np.zeros((49, 32)), one) for one in apparent])
    assert np.abs(asked[..., MOTION_INDEX["gaze_x"]]).max() > 0.01
    done = answers(share * asked, apparent)
    assert done == pytest.approx(
        {"gaze_x_answer": share, "gaze_y_answer": share, "yaw_answer": share}
    )
