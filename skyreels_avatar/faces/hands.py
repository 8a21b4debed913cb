"""Hands near a face, as masks."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from skyreels_avatar.faces.networks import HandNetwork

LEAST_SCORE = 0.8
_FINGERS = [[first, first + 1, first + 2, first + 3] for first in (1, 5, 9, 13, 17)]
_PALM = [0, 1, 5, 9, 13, 17]
_THICK = 0.16  # radius of a finger, of the palm's width


@cache
def hand_network() -> HandNetwork:
    """Return the network, started at the first call."""
    return HandNetwork()


def find_hands(pixels: np.ndarray) -> list[np.ndarray]:
    """Return the points (21, 2), in pixels, of every hand that is surely one.

    Args:
        pixels: (N, N, 3) uint8, in which hands are not much smaller than faces.
    """
    return [points for points, score in hand_network()(pixels) if score >= LEAST_SCORE]


def hand_mask(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return (height, width) float32, 1 where a hand and the beginning of its arm are.

    Args:
        points: (21, 2) pixels.
    """
    wide = max(np.linalg.norm(points[5] - points[17]), 0.55 * np.linalg.norm(points[9] - points[0]))
    mask = np.zeros(size, np.uint8)
    thick = max(1, round(2 * _THICK * wide))

    def line(track: np.ndarray, width: int) -> None:
        cv2.polylines(mask, [np.round(track).astype(np.int32)], False, 1, width, cv2.LINE_8)

    for finger in _FINGERS:
        line(points[finger], thick)
    palm = cv2.convexHull(np.round(points[_PALM]).astype(np.int32))
    cv2.fillConvexPoly(mask, palm, 1)
    cv2.polylines(mask, [palm], True, 1, thick)
    line(np.stack([points[0], points[0] + 0.5 * (points[0] - points[9])]), round(0.8 * wide) + 1)
    return mask.astype(np.float32)
