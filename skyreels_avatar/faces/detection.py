"""From what a single-shot detector puts out to boxes: anchors, decoding, suppression.

Source: MediaPipe, ssd_anchors_calculator.cc, tensors_to_detections_calculator.cc and
non_max_suppression_calculator.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

Detection = tuple[np.ndarray, np.ndarray, float]  # box (4,) x y w h, keypoints (K, 2), score

_SAME = 0.3  # intersection over union above which two boxes show the same thing
_MOST_SURE = 100.0  # of a logit


@dataclass(frozen=True)
class Grid:
    """Where a detector looks: the anchors of its outputs.

    Attributes:
        size: pixels of the square input's side.
        strides: pixels between the anchors of each layer.
        per_cell: anchors of each layer at one place.
        num_keypoints: of each box.
    """

    size: int
    strides: tuple[int, ...]
    per_cell: int
    num_keypoints: int

    @cached_property
    def centers(self) -> np.ndarray:
        """Return (A, 2) float32 pixels x, y; layers of one stride share their places."""
        found = []
        for stride in dict.fromkeys(self.strides):
            along = (np.arange(self.size // stride, dtype=np.float32) + 0.5) * stride
            places = np.stack(np.meshgrid(along, along), -1).reshape(-1, 2)  # row after row
            found.append(np.repeat(places, self.per_cell * self.strides.count(stride), axis=0))
        return np.concatenate(found)


def decode(
    raw: np.ndarray, logits: np.ndarray, grid: Grid, min_score: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return boxes (N, 4) x y w h and keypoints (N, K, 2) in pixels of the input, and scores (N,).

    Args:
        raw: (A, 4 + 2 K) center, size and keypoints of each anchor, in pixels from its place.
        logits: (A,).
        min_score: what scores less is left out.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -_MOST_SURE, _MOST_SURE)))
    chosen = np.flatnonzero((scores >= min_score) & (raw[:, 2:4] >= 0).all(1))
    raw, places = raw[chosen].astype(np.float64), grid.centers[chosen]
    boxes = np.concatenate([raw[:, :2] + places - raw[:, 2:4] / 2, raw[:, 2:4]], 1)
    keypoints = raw[:, 4:].reshape(len(chosen), grid.num_keypoints, 2) + places[:, None]
    return boxes, keypoints, scores[chosen]


def suppress(boxes: np.ndarray, keypoints: np.ndarray, scores: np.ndarray) -> list[Detection]:
    """Return one detection for each set of boxes that overlap, best first.

    Its box and keypoints are the means of the set, weighted by score; its score is the best one.
    """
    left = np.argsort(-scores, kind="stable")
    found = []
    while len(left):
        best = left[0]
        same = overlaps(boxes[best], boxes[left]) > _SAME
        same[0] = True
        chosen = left[same]
        weights = scores[chosen] / scores[chosen].sum()
        box = (weights[:, None] * boxes[chosen]).sum(0)
        points = (weights[:, None, None] * keypoints[chosen]).sum(0)
        found.append((box, points, float(scores[best])))
        left = left[~same]
    return found


def overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return (N,) intersection over union of a box (4,) and others (N, 4), as x y w h."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    total = box[2] * box[3] + others[:, 2] * others[:, 3] - common
    return np.where(total > 0, common / np.maximum(total, 1e-12), 0.0)
