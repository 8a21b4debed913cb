"""Stability of a face: jitter, shake, and the frames that count for drift."""

from __future__ import annotations

import numpy as np

from skyreels_avatar.faces.alignment import RIGID, align
from skyreels_avatar.faces.opening import face_heights

DRIFT_START_S = 5.0
LONG_S = 10.0  # from this length on, drift counts from second 5


def jitter(landmarks: np.ndarray) -> float:
    """Return the tremor of points that speech does not move, of the face height x 1000.

    Root mean square of the second difference in time, after a 3D similarity fit of every frame;
    it sees warping and flicker inside the face, not head motion.

    Args:
        landmarks: (F, 478, 3) px.
    """
    if len(landmarks) < 3:
        return 0.0
    aligned, _ = align(landmarks, landmarks.mean(0))
    return _tremor(aligned[:, RIGID, :2], face_heights(landmarks))


def shake(landmarks: np.ndarray) -> float:
    """Return the tremor of the whole head, of the face height x 1000: `jitter` of its middle."""
    if len(landmarks) < 3:
        return 0.0
    middle = landmarks[:, RIGID, :2].mean(1, keepdims=True)
    return _tremor(middle, face_heights(landmarks))


def drift_windows(num_frames: int, fps: float) -> tuple[slice, slice]:
    """Return the frames that count as beginning and end when drift is measured.

    From ten seconds on: second 4 to 6 and the last two. Shorter: the first and last second, or
    thirds of a clip shorter than three.
    """
    if num_frames >= LONG_S * fps:
        first, size = round((DRIFT_START_S - 1) * fps), round(2 * fps)
    else:
        first, size = 0, max(1, min(round(fps), num_frames // 3))
    return slice(first, first + size), slice(num_frames - size, num_frames)


def sample_frames(num_frames: int, fps: float, count: int = 48) -> np.ndarray:
    """Return sorted frame numbers spread over the clip, twelve of them in each drift window."""
    picks = [np.linspace(0, num_frames - 1, min(count, num_frames))]
    for window in drift_windows(num_frames, fps):
        picks.append(np.linspace(window.start, window.stop - 1, 12))
    return np.unique(np.round(np.concatenate(picks)).astype(int))


def _tremor(points: np.ndarray, heights: np.ndarray) -> float:
    """Return the RMS length of the second difference of (F, N, 2) points, of height x 1000."""
    bend = np.diff(points, 2, axis=0) / heights.mean()
    return float(1000 * np.sqrt((bend**2).sum(-1).mean()))
