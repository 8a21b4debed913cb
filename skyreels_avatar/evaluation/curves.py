"""What a report's plots show: a mouth, its sound and a head, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skyreels_avatar.evaluation.lip_sync import offset_distances, shipped_network
from skyreels_avatar.evaluation.sync import FLOOR_DB
from skyreels_avatar.faces.alignment import align, head_angles_deg

STRIP_FRAMES = 8
MARGIN = 0.35  # of the face's box, on every side of it


@dataclass(frozen=True)
class Curves:
    """Curves of one video, each (F,) unless it says otherwise.

    Attributes:
        fps: frames a second.
        opening: of the mouth, / face height. loudness: 0 to 1 over the loudest 40 dB; or None.
        head_deg: (F, 3) yaw, pitch and roll from the first frame's pose.
        distance: (31,) of lips and sound, the sound 15 frames earlier to 15 later; or None.
        strip: eight frame numbers. box: x, y, width and height round the face in all frames, px.
    """

    fps: float
    opening: np.ndarray
    loudness: np.ndarray | None
    head_deg: np.ndarray
    distance: np.ndarray | None
    strip: list[int]
    box: tuple[int, int, int, int]


def curves_of(
    landmarks: np.ndarray,
    fps: float,
    opening: np.ndarray,
    loudness_db: np.ndarray | None,
    lips: tuple[np.ndarray, np.ndarray] | None,
) -> Curves:
    """Return the curves of a tracked face.

    Args:
        landmarks: (F, 478, 3) px.
        lips: points and sound of `lip_sync`, where both are there and long enough.
    """
    loudness = None
    if loudness_db is not None:
        top = np.percentile(loudness_db, 95)
        loudness = ((loudness_db - top + FLOOR_DB) / FLOOR_DB).clip(0, 1.2)
    strip = np.linspace(0, len(landmarks) - 1, STRIP_FRAMES).round().astype(int).tolist()
    low, high = landmarks[..., :2].min((0, 1)), landmarks[..., :2].max((0, 1))
    side = float((high - low).max()) * (1 + 2 * MARGIN)
    middle = (low + high) / 2
    box = (*np.round(middle - side / 2).astype(int).tolist(), round(side), round(side))
    return Curves(
        fps=fps,
        opening=opening,
        loudness=loudness,
        head_deg=head_angles_deg(align(landmarks, landmarks[0])[1]),
        distance=None if lips is None else offset_distances(shipped_network(), *lips),
        strip=strip,
        box=box,
    )
