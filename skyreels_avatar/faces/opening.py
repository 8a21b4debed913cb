"""How large a face is and how far its mouth is open, from its points."""

from __future__ import annotations

import numpy as np

LIP_PAIRS = ((13, 14), (82, 87), (312, 317))  # inner lip: upper and lower points
TOP, CHIN = 10, 152  # face height is the distance of these two


def face_heights(landmarks: np.ndarray) -> np.ndarray:
    """Return (F,) px: the distance of points 10 and 152 in (F, 478, 3) landmarks."""
    return np.linalg.norm(landmarks[:, TOP, :2] - landmarks[:, CHIN, :2], axis=-1)


def mouth_opening(landmarks: np.ndarray) -> np.ndarray:
    """Return (F,): the mean inner-lip gap over the face height."""
    gaps = [
        np.linalg.norm(landmarks[:, upper, :2] - landmarks[:, lower, :2], axis=-1)
        for upper, lower in LIP_PAIRS
    ]
    return np.mean(gaps, axis=0) / np.maximum(face_heights(landmarks), 1e-6)
