"""The average neutral face, for pictures in which the mesh network sees none."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np


@cache
def template() -> np.ndarray:
    """Return (478, 3) float32 points of the average face, its box from (0, 0) to (1, height)."""
    with np.load(Path(__file__).with_name("template.npz")) as stored:
        points = stored["landmarks"].astype(np.float32) / stored["scale"]
    points.setflags(write=False)
    return points


def synthetic_landmarks(box: tuple[float, float, float, float]) -> np.ndarray:
    """Return (478, 3) float32: the average face placed in a box (x, y, width, height), px.

    The face keeps its proportions: it fills the box along the tighter side, centered.
    """
    points = template()
    size = points[:, :2].max(0) - points[:, :2].min(0)
    scale = min(box[2] / size[0], box[3] / size[1])
    placed = points * scale
    middle = (placed[:, :2].min(0) + placed[:, :2].max(0)) / 2
    placed[:, :2] += np.array([box[0] + box[2] / 2, box[1] + box[3] / 2]) - middle
    return placed.astype(np.float32)
