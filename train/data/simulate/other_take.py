"""A reference video that already talks, and how a new performance goes on top of it.

For retalking the reference video shows the same person from the same place saying something else.
Its motion comes as control latents. The law to learn: the new voice alone moves the mouth, and what
the person in the video does already is not done a second time.
"""

from __future__ import annotations

import numpy as np

from skyreels_avatar.rig.coefficients import MOTION_INDEX

HEAD_KEPT = 0.2  # of the new head motion, on top of a head that moves
EXPRESSION_KEPT = 0.7
_LIDS_AND_GAZE = slice(MOTION_INDEX["blink_r"], MOTION_INDEX["gaze_y"] + 1)
_BROWS = slice(MOTION_INDEX["brow_r"], MOTION_INDEX["squint"] + 1)
_HEAD = slice(MOTION_INDEX["yaw"], MOTION_INDEX["sway"] + 1)
_EXPRESSION = slice(MOTION_INDEX["smile"], MOTION_INDEX["chin"] + 1)


def perform_over(motion: np.ndarray) -> np.ndarray:
    """Return (F, 32): what of a performance comes on top of a video that moves by itself.

    The mouth stays as it is: absolute, against the person at rest. Of the rest there is less head
    and expression, and lids and gaze are the video's own.
    """
    moved = motion.copy()
    moved[:, _LIDS_AND_GAZE] = 0
    moved[:, _BROWS] *= EXPRESSION_KEPT
    moved[:, _HEAD] *= HEAD_KEPT
    moved[:, _EXPRESSION] *= EXPRESSION_KEPT
    return moved
