"""Expression and head motion relative to the reference picture: smile, brows, lids, gaze, pose.

Every frame's mesh is laid on the reference by a 3D similarity fit of the points that expression
does not move, so that head motion and camera are out; then points are compared. A length is a
share of the reference's face height H (points 10 to 152) times 100. Values are relative: 0 means
"as in the reference", which is also what a prompt without expression should give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skyreels_avatar.faces.alignment import align, head_angles_deg
from skyreels_avatar.faces.opening import face_heights

CORNERS = (61, 291)  # mouth corners, left and right in the picture
BROWS = ((70, 63, 105, 66, 107), (300, 293, 334, 296, 336))
INNER_BROWS = (55, 285)
EYES = (  # outer or left corner, other corner, upper lid, lower lid, iris
    ((33, 133), (159, 158, 160), (145, 153, 144), 468),
    ((362, 263), (386, 385, 387), (374, 380, 373), 473),
)
BLINK_SHARE = 0.5  # lids closer than this share of their usual gap count as a blink
NOD_DEG = 2.0


@dataclass(frozen=True)
class Performance:
    """Mean expression and head motion of a clip, relative to the reference picture.

    Attributes:
        smile: mean way of both mouth corners up and outwards (45 degrees), % of H.
        corner_lift: its upward part, % of H; negative when corners hang.
        mouth_width: change of the distance of the corners, % of H.
        brow_raise: mean way of the brows upwards, % of H.
        brow_furrow: by how much the inner brows came together, % of H.
        eye_open: lid gap over eye width against the reference, 1 = the same (median).
        blinks_per_min: closings of both lids below half of the usual gap.
        gaze_x, gaze_y: mean way of the irises, % of eye width; + right in the picture, + down.
        yaw_deg, pitch_deg, roll_deg: mean head turn; + right in the picture, + up, + clockwise.
        yaw_range_deg, pitch_range_deg, roll_range_deg: 95th minus 5th percentile.
        nods_per_s: downward swings of the head of at least 2 degrees, a second.
        shakes_per_s: swings to the right of at least 2 degrees, a second.
    """

    smile: float
    corner_lift: float
    mouth_width: float
    brow_raise: float
    brow_furrow: float
    eye_open: float
    blinks_per_min: float
    gaze_x: float
    gaze_y: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    yaw_range_deg: float
    pitch_range_deg: float
    roll_range_deg: float
    nods_per_s: float
    shakes_per_s: float


def performance_of(landmarks: np.ndarray, reference: np.ndarray, fps: float) -> Performance:
    """Return what a tracked face does relative to the reference picture.

    Args:
        landmarks: (F, 478, 3) px, one face through F frames.
        reference: (478, 3) px, the face in the reference picture.
        fps: frames a second.
    """
    aligned, rotation = align(landmarks, reference)
    height = float(face_heights(reference[None])[0])
    way = 100 * (aligned - reference) / height  # % of H
    yaw, pitch, roll = _smoothed(head_angles_deg(rotation)).T
    right = np.array([-1.0, 1.0])
    outward = (way[:, CORNERS, 0] * right).mean(1)
    lift = -way[:, CORNERS, 1].mean(1)
    gaze_x, gaze_y, lids, usual = _eyes(aligned, reference)
    duration_s = len(landmarks) / fps
    return Performance(
        smile=_mean((outward + lift) / np.sqrt(2)),
        corner_lift=_mean(lift),
        mouth_width=_mean(2 * outward),
        brow_raise=_mean(-way[:, BROWS[0] + BROWS[1], 1].mean(1)),
        brow_furrow=_mean(-(way[:, INNER_BROWS, 0] * right).sum(1)),
        eye_open=float(np.median(lids) / max(usual, 1e-6)),
        blinks_per_min=60 * _num_blinks(lids) / duration_s,
        gaze_x=_mean(gaze_x),
        gaze_y=_mean(gaze_y),
        yaw_deg=_mean(yaw),
        pitch_deg=_mean(pitch),
        roll_deg=_mean(roll),
        yaw_range_deg=_range(yaw),
        pitch_range_deg=_range(pitch),
        roll_range_deg=_range(roll),
        nods_per_s=num_swings(-pitch, NOD_DEG) / duration_s,
        shakes_per_s=num_swings(yaw, NOD_DEG) / duration_s,
    )


def num_swings(angles_deg: np.ndarray, least_deg: float) -> int:
    """Count rises of at least `least_deg` that a fall of as much separates."""
    count, rising, low, high = 0, False, angles_deg[0], angles_deg[0]
    for angle in angles_deg:
        if rising:
            high = max(high, angle)
            if angle < high - least_deg:
                rising, low = False, angle
        else:
            low = min(low, angle)
            if angle > low + least_deg:
                rising, high, count = True, angle, count + 1
    return count


def _eyes(
    aligned: np.ndarray, reference: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return gaze x, gaze y (F,) in % of eye width, lid gap / width (F,), the reference's gap."""

    def measure(points: np.ndarray) -> np.ndarray:
        both = []
        for corners, upper, lower, iris in EYES:
            corner = points[:, corners, :2]
            width = np.linalg.norm(corner[:, 1] - corner[:, 0], axis=-1)
            way = (points[:, iris, :2] - corner.mean(1)) / width[:, None]
            gap = (points[:, lower, 1] - points[:, upper, 1]).mean(1) / width
            both.append(np.stack([100 * way[:, 0], 100 * way[:, 1], gap], -1))
        return np.mean(both, 0)  # (F, 3)

    rest = measure(reference[None])[0]
    gaze_x, gaze_y, lids = measure(aligned).T
    seen = lids > BLINK_SHARE * np.median(lids)  # the iris of a closed eye is a guess
    return gaze_x[seen] - rest[0], gaze_y[seen] - rest[1], lids, float(rest[2])


def _num_blinks(lids: np.ndarray) -> int:
    shut = lids < BLINK_SHARE * np.median(lids)
    return int((shut[1:] & ~shut[:-1]).sum())


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Average three frames: a single frame's pose carries about 0.3 degrees of noise."""
    padded = np.pad(values, ((1, 1), (0, 0)), mode="edge")
    return (padded[:-2] + padded[1:-1] + padded[2:]) / 3


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values))


def _range(values: np.ndarray) -> float:
    return float(np.percentile(values, 95) - np.percentile(values, 5))
