"""How heads, gazes and brows move, against speakers: distances of distributions.

Each clip is cut into windows of two seconds, each window gives some readings, and the distribution
of each reading is compared with that of speakers (`real_motion.json`, which holds numbers of all
windows and nobody's own; `python -m train speakers` makes it). The distance is that of Wasserstein
in standard deviations of speakers, on a logarithmic scale where a reading is an amount: half as
much is as far as twice as much.

Half of the table's weight is that of filmed people, who are calm readers and presenters, half that
of lively talking clips, most of them generated: against calm people alone, a lively man who was
filmed was as far off as a frozen picture. Blinks have no distance: in clips of seconds people who
blink often are further from the usual than a picture that never does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from skyreels_avatar.evaluation.performance import BLINK_SHARE, BROWS, EYES
from skyreels_avatar.faces.alignment import align, head_angles_deg
from skyreels_avatar.faces.template import template

TABLE = Path(__file__).with_name("real_motion.json")
FPS = 25.0
WINDOW, HOP = 50, 25  # frames
GROUPS: dict[str, tuple[str, ...]] = {
    "head": ("yaw_deg", "pitch_deg", "roll_deg", "head_deg_per_s"),
    "gaze": ("gaze_x", "gaze_y", "gaze_per_s"),
    "brow": ("brow", "brow_per_s"),
}
READINGS = (*(name for names in GROUPS.values() for name in names), "shut_share")
# What a reading is at least taken for, about what landmarks tremble: amounts are compared by their
# logarithms.
FLOORS: dict[str, float] = {
    "yaw_deg": 0.2, "pitch_deg": 0.2, "roll_deg": 0.1, "head_deg_per_s": 0.5,
    "gaze_x": 0.005, "gaze_y": 0.005, "gaze_per_s": 0.02, "brow": 0.001, "brow_per_s": 0.003,
}  # fmt: skip
_LEVELS = (np.arange(40) + 0.5) / 40  # of the quantiles that are kept


@dataclass(frozen=True)
class MotionDistance:
    """Distances from speakers, 0 = the same distribution; None below two seconds.

    Attributes:
        head_distance: how far and how fast the head turns. gaze_distance: the irises in the eyes.
        brow_distance: the brows.
    """

    head_distance: float | None
    gaze_distance: float | None
    brow_distance: float | None


def motion_windows(landmarks: np.ndarray, fps: float) -> dict[str, np.ndarray]:
    """Return (W,) of each reading, a value for each window of two seconds.

    Angles are degrees, gazes shares of the eye width, brows shares of the face height; all but
    speeds and `shut_share` are ranges, the 95th less the 5th percentile.

    Args:
        landmarks: (F, 478, 3) px, one face through F frames.
    """
    face = template()
    aligned, rotation = align(landmarks, face)
    lids, gaze = _eyes(aligned)
    shut = lids < BLINK_SHARE * np.median(lids)
    for axis in range(2):  # the iris of a closed eye is a guess
        seen = np.flatnonzero(~shut)
        gaze[:, axis] = np.interp(np.arange(len(gaze)), seen, gaze[seen, axis])
    height = np.linalg.norm(face[10, :2] - face[152, :2])
    brow = -aligned[:, BROWS[0] + BROWS[1], 1].mean(1) / height
    curves = np.concatenate([head_angles_deg(rotation), gaze, brow[:, None]], 1)
    times = np.arange(max(1, round(len(curves) / fps * FPS))) / FPS
    known = np.arange(len(curves)) / fps
    curves = np.stack([np.interp(times, known, curve) for curve in curves.T], -1)
    curves = _smoothed(curves)
    shut = np.interp(times, known, shut.astype(float)) > 0.5
    firsts = range(0, len(curves) - WINDOW + 1, HOP)
    rows = [window_readings(curves[f : f + WINDOW], shut[f : f + WINDOW]) for f in firsts]
    return {name: np.array([row[name] for row in rows]) for name in READINGS}


def window_readings(curves: np.ndarray, shut: np.ndarray) -> dict[str, float]:
    """Return the readings of one window.

    Args:
        curves: (F, 6) at 25 fps: yaw, pitch and roll in degrees, gaze across and down in eye
            widths, brows in face heights.
        shut: (F,) bool, whether the eyes are shut.
    """
    names = ("yaw_deg", "pitch_deg", "roll_deg", "gaze_x", "gaze_y", "brow")
    low, high = np.percentile(curves, [5, 95], axis=0)
    steps = FPS * np.abs(np.diff(curves, axis=0))
    return {
        **dict(zip(names, (high - low).tolist())),
        "head_deg_per_s": float(np.linalg.norm(steps[:, :3], axis=1).mean()),
        "gaze_per_s": float(np.linalg.norm(steps[:, 3:5], axis=1).mean()),
        "brow_per_s": float(steps[:, 5].mean()),
        "shut_share": float(shut.mean()),
    }


def motion_distance(
    windows: Mapping[str, np.ndarray], table: Mapping | None = None
) -> MotionDistance:
    """Return how far the windows of a clip, or of many, are from speakers.

    Args:
        windows: of `motion_windows`, joined over clips.
        table: as `shipped_table`; None = the one that ships.
    """
    readings = (table or shipped_table())["readings"]
    values = {}
    for group, names in GROUPS.items():
        apart = [
            np.abs(quantiles(scaled(name, windows[name])) - readings[name]["quantiles"]).mean()
            / readings[name]["spread"]
            for name in names
            if len(windows[name])
        ]
        values[f"{group}_distance"] = float(np.mean(apart)) if apart else None
    return MotionDistance(**values)


def scaled(name: str, values: np.ndarray) -> np.ndarray:
    """Return a reading on the scale on which it is compared."""
    values = np.asarray(values, np.float64)
    return np.log(np.maximum(values, FLOORS[name])) if name in FLOORS else values


def quantiles(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return 40 quantiles, 1/80 to 79/80, of values that count by their weights."""
    order = np.argsort(values, kind="stable")
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    levels = np.cumsum(weights[order]) - 0.5 * weights[order]
    return np.interp(_LEVELS, levels / weights.sum(), np.asarray(values)[order])


@cache
def shipped_table() -> dict:
    """Return the table of speakers that ships."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    for reading in table["readings"].values():
        reading["quantiles"] = np.array(reading["quantiles"])
    return table


def _eyes(aligned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return lid gap / eye width (F,) and where irises are in the eyes (F, 2), means of both."""
    lids, gaze = [], []
    for corners, upper, lower, iris in EYES:
        corner = aligned[:, corners, :2]
        width = np.linalg.norm(corner[:, 1] - corner[:, 0], axis=-1)
        gaze.append((aligned[:, iris, :2] - corner.mean(1)) / width[:, None])
        lids.append((aligned[:, lower, 1] - aligned[:, upper, 1]).mean(1) / width)
    return np.mean(lids, 0), np.mean(gaze, 0)


def _smoothed(curves: np.ndarray) -> np.ndarray:
    """Average three frames, since landmarks tremble."""
    padded = np.pad(curves, ((1, 1), (0, 0)), mode="edge")
    return (padded[:-2] + padded[1:-1] + padded[2:]) / 3
