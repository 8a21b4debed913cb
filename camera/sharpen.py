"""Sharpen enlarged pictures without a bright or dark line beside their edges."""

from __future__ import annotations

import cv2
import numpy as np

SIGMA_PX = 1.1
AMOUNT = 2.0
"""Of the detail that is added for every doubling of a picture."""
LEVELS = 8
"""Amounts come in steps of 1 / LEVELS: those of neighboring frames are often the same."""
NEIGHBORS = np.ones((3, 3), np.uint8)


def sharpening(magnification: np.ndarray) -> np.ndarray:
    """Return the amounts (F,) of `sharpened` that pictures enlarged so many times (F,) need."""
    amount = AMOUNT * np.log2(np.maximum(magnification, 1.0))
    return np.round(amount * LEVELS) / LEVELS


def sharpened(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Return a picture (H, W, C) uint8 with more of its detail, and no color that it had not there.

    Every pixel stays between the darkest and the brightest of its neighbors, so that edges become
    steeper and nothing rings.

    Args:
        amount: times the difference from a soft copy that is added; 0 leaves the picture.
    """
    if amount <= 0:
        return pixels
    soft = cv2.GaussianBlur(pixels, (5, 5), SIGMA_PX)
    sharp = cv2.addWeighted(pixels, 1 + amount, soft, -amount, 0)
    cv2.max(sharp, cv2.erode(pixels, NEIGHBORS), dst=sharp)
    return cv2.min(sharp, cv2.dilate(pixels, NEIGHBORS), dst=sharp)
