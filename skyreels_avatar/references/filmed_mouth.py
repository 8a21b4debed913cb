"""What the mouth of a filmed face does already, in rig coefficients, so that it can be undone."""

from __future__ import annotations

import numpy as np
import torch

from skyreels_avatar.faces.alignment import align
from skyreels_avatar.faces.opening import CHIN, face_heights, mouth_opening
from skyreels_avatar.rig.coefficients import GROUP_SIZE, MOTION_INDEX
from skyreels_avatar.rig.face_rig import FaceRig

RESTING = 0.2  # of the frames: those with the lips furthest shut show the mouth at rest
# Of the way of a chin, how much its landmark goes: renders of the head of ICT-FaceKit, whose jaw
# opens by 0.15 to 0.5, in yaws of 0 and 30 degrees.
CHIN_SEEN = 0.85
_ONE_WAY = [MOTION_INDEX[name] for name in ("pucker", "press", "tuck")]


def filmed_mouth(landmarks: np.ndarray, rest: int, rig: FaceRig) -> torch.Tensor:
    """Read the mouth of a face through a scene, in the pose of its head at rest.

    The network of the rig reads the lips, less what it reads of lips at rest; what is below 0 then
    of shapes that have no other side is its error. Of the jaw it sees half: the chin tells it.

    Args:
        landmarks: (F, 478, 3) px, one face; zeros where there is none.
        rest: the frame with the most neutral face.

    Returns:
        (F, 8) mouth coefficients, `coefficients.MOTION_GROUPS["mouth"]`.
    """
    if not landmarks.any():
        return torch.zeros(len(landmarks), GROUP_SIZE)
    aligned = align(landmarks, landmarks[rest])[0].astype(np.float32)
    still = torch.from_numpy(landmarks[rest].astype(np.float32))
    motion = rig.motion_of(torch.from_numpy(aligned).to(rig.device), still.to(rig.device))
    motion = motion[:, :GROUP_SIZE].cpu()
    dropped = aligned[:, CHIN, 1] / (CHIN_SEEN * face_heights(landmarks[rest : rest + 1])[0])
    motion[:, MOTION_INDEX["jaw_drop"]] = torch.from_numpy(dropped)
    gaps = mouth_opening(landmarks)
    resting = torch.from_numpy(gaps <= np.quantile(gaps, RESTING))
    motion -= motion[resting].median(0).values
    motion[:, _ONE_WAY] = motion[:, _ONE_WAY].clamp_min(0.0)
    motion[:, MOTION_INDEX["tongue"]] = 0.0  # no landmark shows it
    return motion
