"""How a camera move makes a head seem to move, and how the person answers.

The reference video of a moving camera shows the head turn, shift and grow although the person
keeps still. The law to learn: the person keeps looking into the camera; eyes take most of the
turn, the head follows with a share of it, late; in a close-up head motion is damped.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from train.data.simulate.articulation import FPS

HEAD_SHARE = 0.3  # of the turn, taken by the head
HEAD_LAG_S = 0.28
GAZE_PER_RADIAN = 0.38  # eye widths the iris moves per radian of the eyeball
CLOSE_UP_DAMPING = 0.9  # head motion is divided by 1 + this * log magnification
_HEAD = slice(MOTION_INDEX["yaw"], MOTION_INDEX["sway"] + 1)


def plan_apparent_motion(
    num_frames: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return (F, 32) apparent head motion (head group only) and (F,) share of pixels seen.

    A window sees a piece of a longer move: a ramp with eased ends for the planned moves, slow
    waves for a swinging camera.
    """
    apparent = np.zeros((num_frames, NUM_MOTION))
    progress = _progress(num_frames, rng)
    amount = rng.uniform(0.1, 1.0)
    kind = rng.choice(["push", "pan", "crane", "swing", "mixed"], p=[0.25, 0.25, 0.2, 0.15, 0.15])
    if kind in ("push", "mixed"):
        apparent[:, MOTION_INDEX["zoom"]] = rng.uniform(-0.45, 0.65) * amount * progress
        apparent[:, MOTION_INDEX["shift_y"]] = rng.uniform(-0.12, 0.12) * amount * progress
    if kind in ("pan", "mixed"):
        turn = rng.choice([-1, 1]) * amount * progress
        apparent[:, MOTION_INDEX["yaw"]] = rng.uniform(0.1, 0.45) * turn
        apparent[:, MOTION_INDEX["shift_x"]] = rng.uniform(-0.5, 0.5) * turn
    if kind == "crane":
        turn = rng.choice([-1, 1]) * amount * progress
        apparent[:, MOTION_INDEX["pitch"]] = rng.uniform(0.1, 0.35) * turn
        apparent[:, MOTION_INDEX["shift_y"]] = rng.uniform(-0.4, 0.4) * turn
    if kind == "swing":
        for name, size in (("yaw", 0.2), ("pitch", 0.12), ("roll", 0.03), ("shift_x", 0.2)):
            hz = rng.uniform(0.08, 0.3)
            wave = np.sin(2 * np.pi * (np.arange(num_frames) / FPS * hz + rng.random()))
            apparent[:, MOTION_INDEX[name]] = size * amount * wave * rng.uniform(0.4, 1)
    reach = np.abs(apparent[:, _HEAD]).sum(1)
    seen = 1 - np.clip(0.25 * reach * rng.uniform(0.2, 1), 0, 0.4)
    return apparent, seen


def follow_camera(motion: np.ndarray, apparent: np.ndarray) -> np.ndarray:
    """Return (F, 32): the performance, given that the head appears to move by `apparent`."""
    moved = motion.copy()
    zoom = np.maximum(apparent[:, MOTION_INDEX["zoom"]], -0.3)
    moved[:, _HEAD] /= (1 + CLOSE_UP_DAMPING * zoom)[:, None]
    for head, gaze, sign in (("yaw", "gaze_x", -1.0), ("pitch", "gaze_y", 1.0)):
        turn = apparent[:, MOTION_INDEX[head]]
        answer = -HEAD_SHARE * _late(turn)
        moved[:, MOTION_INDEX[head]] += answer
        moved[:, MOTION_INDEX[gaze]] += sign * GAZE_PER_RADIAN * (turn + answer)
    return moved


def _late(turn: np.ndarray) -> np.ndarray:
    """Return the turn delayed by the reaction time; what was before the window stands still."""
    lag = HEAD_LAG_S * FPS
    frames = np.arange(len(turn))
    slope = turn[1] - turn[0]
    before = turn[0] + slope * np.minimum(frames - lag, 0)  # the move went on before the window
    delayed = np.where(frames < lag, before, np.interp(frames - lag, frames, turn))
    return gaussian_filter1d(delayed, 2.0, mode="nearest")


def _progress(num_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Return (F,) 0..1: a piece of an eased ramp over two to twelve seconds."""
    length = rng.uniform(2, 12) * FPS
    start = rng.uniform(0, max(length - num_frames, 1)) if rng.random() < 0.6 else 0.0
    share = np.clip((start + np.arange(num_frames)) / length, 0, 1)
    ease = rng.uniform(0.05, 0.3)  # the speed rises and falls over this share of the move
    grid = np.linspace(0, 1, 200)
    travelled = np.minimum(np.minimum(grid / ease, (1 - grid) / ease), 1).cumsum()
    return np.interp(share, grid, travelled / travelled[-1])
