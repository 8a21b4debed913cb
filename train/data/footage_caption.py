"""Say in words what a piece of footage shows, by rules: the prompts that fine-tuning reads.

The words are among those of the prompts that the text encoder learnt (`simulate/captions.py`).
"""

from __future__ import annotations

import numpy as np

from skyreels_avatar.evaluation.performance import num_swings
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.data.simulate.articulation import FPS

NOD_DEG = 2.0
NODS_A_SECOND, SHAKES_A_SECOND = 0.7, 0.6
SMILES, FROWNS = 0.45, 0.45  # mean of the coefficient over the piece
LOOKS, LOOKS_DOWN = 0.08, 0.07  # of the eye width, median
STILL_DEG, LIVELY_DEG = 0.10, 0.55  # a frame, mean speed of the head


def describe(motion: np.ndarray) -> str:
    """Return a prompt for (F, 32) rig coefficients: "a person is talking, smiles, nods"."""
    yaw, pitch, roll = (np.degrees(_column(motion, name)) for name in ("yaw", "pitch", "roll"))
    duration_s = len(motion) / FPS
    gaze_x, gaze_y = (float(np.median(_column(motion, name))) for name in ("gaze_x", "gaze_y"))
    speed = float(np.linalg.norm(np.diff([yaw, pitch, roll], axis=1), axis=0).mean())
    seen = [
        words
        for words, shows in (
            ("smiles", _column(motion, "smile").mean() > SMILES),
            ("frowns", _column(motion, "frown").mean() > FROWNS),
            ("nods", num_swings(-pitch, NOD_DEG) / duration_s > NODS_A_SECOND),
            ("shakes the head", num_swings(yaw, NOD_DEG) / duration_s > SHAKES_A_SECOND),
            ("looks left", gaze_x < -LOOKS),
            ("looks right", gaze_x > LOOKS),
            ("looks down", gaze_y > LOOKS_DOWN),
            ("keeps the head still", speed < STILL_DEG),
            ("lively", speed > LIVELY_DEG),
        )
        if shows
    ]
    return ", ".join(["a person is talking", *seen])


def _column(motion: np.ndarray, name: str) -> np.ndarray:
    return motion[:, MOTION_INDEX[name]].astype(np.float64)
