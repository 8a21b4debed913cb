"""Performances that come from a file in place of the networks, and those that go into one."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import torch

from skyreels_avatar.planning.segments import ShotPlan
from skyreels_avatar.request.motion_track import MotionTrack
from skyreels_avatar.rig.arkit import from_arkit, to_arkit

logger = logging.getLogger(__name__)

_SHORTER_S = 0.1  # than the sound, and worth a word


def read_motion(path: Path, plan: ShotPlan) -> torch.Tensor:
    """Return the rig coefficients (F, 32) of a motion file at the motion frames of a shot.

    Where the file ends before the shot its last frame is held.

    Raises:
        InputError: the file cannot be used.
    """
    track = MotionTrack.load(path)
    given_s, wanted_s = track.num_frames / track.fps, plan.num_motion_frames / plan.motion_fps
    if given_s < wanted_s - _SHORTER_S:
        logger.warning(
            "%s lasts %.2f s and the sound %.2f s; its last frame is held", path, given_s, wanted_s
        )
    track = track.resampled(plan.num_motion_frames, plan.motion_fps)
    return torch.from_numpy(from_arkit(track.weights)).float()


def write_motion(path: Path, motion: Iterable[torch.Tensor], plan: ShotPlan) -> None:
    """Write rig coefficients, (F, 32) of one window after the other, into a motion file."""
    coefficients = torch.cat(list(motion))[: plan.num_motion_frames].double().cpu().numpy()
    MotionTrack(plan.motion_fps, to_arkit(coefficients)).save(path)
