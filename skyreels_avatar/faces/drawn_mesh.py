"""A face mesh bent so that it lies where a drawing shows eyes, mouth and chin."""

from __future__ import annotations

import numpy as np

from skyreels_avatar.faces.drawn_parts import DrawnParts
from skyreels_avatar.faces.face import FACE_OVAL
from skyreels_avatar.faces.template import template
from skyreels_avatar.rig.geometry import (
    BROW_EDGES,
    EYES,
    INNER_LOWER,
    INNER_UPPER,
    IRISES,
    MOUTH_CORNERS,
    OUTER_LOWER,
    OUTER_UPPER,
)

_FIXED = (10, 168, 6, 234, 454, 127, 356, 162, 389, 21, 251)
_JAW = FACE_OVAL[11:26]  # from below one ear to below the other
_NOSE = (1, 2, 98, 327, 4, 5)
_FAR = 0.16  # of H: a mesh whose parts are farther off is replaced by an average one


def bend_mesh(landmarks: np.ndarray, parts: DrawnParts) -> np.ndarray:
    """Return (478, 3) landmarks bent so that eyes, mouth and chin lie at those of a drawing.

    Args:
        landmarks: (478, 3) pixels.
        parts: of the same face.
    """
    lips = parts.lips[:2].reshape(-1, 2).mean(0)
    eyes = parts.lids.reshape(2, -1, 2).mean(1)
    down = lips - eyes.mean(0)
    chin = parts.chin if parts.chin is not None else lips + 0.55 * down
    wanted = np.stack([*eyes, lips, chin])
    moved = landmarks.astype(np.float64)
    height = np.linalg.norm(moved[152, :2] - moved[10, :2])
    off = np.linalg.norm(_anchors(moved) - wanted, axis=1) / height
    if off[:3].max() > _FAR:
        moved = _average_at(wanted)
        height = np.linalg.norm(moved[152, :2] - moved[10, :2])
    targets = _targets(moved, parts, chin, height)
    index = np.array(sorted(targets))
    shift = np.stack([targets[i] for i in index]) - moved[index, :2]
    distance = np.linalg.norm(moved[:, None, :2] - moved[None, index, :2], axis=2) / height
    weight = (distance**2 + 1e-5) ** -1.5
    moved[:, :2] += (weight @ shift) / weight.sum(1, keepdims=True)
    moved[index, :2] = np.stack([targets[i] for i in index])
    return moved.astype(np.float32)


def _anchors(points: np.ndarray) -> np.ndarray:
    """Return (4, 2): middles of the eyes, of the lips, and the chin."""
    eyes = [points[[i for ring in eye[:2] for i in ring], :2].mean(0) for eye in EYES]
    return np.stack([*eyes, points[[13, 14, 61, 291], :2].mean(0), points[152, :2]])


def _average_at(anchors: np.ndarray) -> np.ndarray:
    """Return the average face with its eyes, mouth and chin at (4, 2)."""
    points = template().astype(np.float64)
    known = _anchors(points)
    down = anchors[2:].mean(0) - anchors[:2].mean(0)
    angle = np.arctan2(-down[0], down[1])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    there, here = anchors @ turn, known
    size = np.array([
        np.ptp(there[:2, 0]) / np.ptp(here[:2, 0]),
        (there[3, 1] - there[:2, 1].mean()) / (here[3, 1] - here[:2, 1].mean()),
    ])  # fmt: skip
    size[0] = np.clip(size[0], 0.8 * size[1], 1.5 * size[1])
    middle_there = np.array([there[:2, 0].mean(), there[:2, 1].mean()])
    middle_here = np.array([here[:2, 0].mean(), here[:2, 1].mean()])
    points[:, :2] = ((points[:, :2] - middle_here) * size + middle_there) @ turn.T
    points[:, 2] *= size.mean()
    return points


def _targets(
    points: np.ndarray, parts: DrawnParts, chin: np.ndarray, height: float
) -> dict[int, np.ndarray]:
    """Return where single points of the mesh go."""
    down = (points[152, :2] - points[10, :2]) / height
    targets = {i: points[i, :2].copy() for i in _FIXED}
    for eye, (outer, upper, lower, under) in enumerate(parts.lids):
        rings = EYES[eye]
        old_top = points[list(rings[0]), :2].mean(0)
        targets.update(zip(rings[0], upper))
        targets.update(zip(rings[1][1:-1], lower[1:-1]))
        fold = dict(zip(rings[2], outer))
        fold.update({rings[2][0]: upper[0], rings[2][-1]: upper[-1]})
        targets.update(fold)
        bag = dict(zip(rings[3], under))
        bag.update({rings[3][0]: upper[0], rings[3][-1]: upper[-1]})
        targets.update(bag)
        x, y, radius = parts.irises[eye]
        around = np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]]) * radius
        targets.update(zip(IRISES[eye], np.array([x, y]) + around))
        brow = [i for edge in BROW_EDGES[eye] for i in edge]
        lowest = max((points[i, :2] @ down for i in brow), default=0.0)
        top = min(float(one @ down) for one in outer)
        lift = min(0.0, top - 0.01 * height - lowest)
        aside = (outer.mean(0) - old_top) @ np.array([down[1], -down[0]])
        for i in brow:
            targets[i] = points[i, :2] + lift * down + aside * np.array([down[1], -down[0]])
    upper, lower, above, below = parts.lips
    targets.update(zip(INNER_UPPER, upper))
    targets.update(zip(INNER_LOWER[1:-1], lower[1:-1]))
    targets.update(zip(OUTER_UPPER, above))
    targets.update(zip(OUTER_LOWER, below))
    for index, inner in zip(MOUTH_CORNERS, (upper[0], upper[-1])):
        targets[index] = inner
    shift = chin - points[152, :2]
    side = points[[234, 454], :2].mean(0) @ down
    for i in _JAW:
        share = (points[i, :2] @ down - side) / (points[152, :2] @ down - side)
        targets[i] = points[i, :2] + np.clip(share, 0, 1) ** 2 * shift
    highest = min(float(one @ down) for one in upper) - 0.035 * height
    for i in _NOSE:
        over = max(0.0, float(points[i, :2] @ down) - highest)
        targets[i] = points[i, :2] - over * down
    return targets
