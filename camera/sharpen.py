"""Sharpen enlarged pictures without a bright or dark line beside their edges."""

from __future__ import annotations

import cv2
import numpy as np

SIGMA_PX = 1.1
AMOUNT = 3.25
"""Of the detail that is added for every doubling of a picture."""
FLAT = 2
"""So many levels of 255 nearer to a pixel than its neighbors are is the bound of its color: where
less than this varies (noise of smooth skin, edges of JPEG blocks) nothing is added."""
LEVELS = 5
"""Amounts come in steps of 1 / LEVELS: those of neighboring frames are often the same."""
NEIGHBORS = np.ones((3, 3), np.uint8)


def sharpening(magnification: np.ndarray) -> np.ndarray:
    """Return the amounts (F,) of `sharpened` that pictures enlarged so many times (F,) need."""
    amount = AMOUNT * np.log2(np.maximum(magnification, 1.0))
    return np.round(amount * LEVELS) / LEVELS


def sharpened(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Return a picture (H, W, C) uint8 with more of its detail, and no color that it had not there.

    Every pixel stays between the darkest and the brightest of its neighbors, less `FLAT` levels, so
    that edges become steeper, nothing rings and noise does not grow.

    Args:
        amount: times the difference from a soft copy that is added; 0 leaves the picture.
    """
    if amount <= 0:
        return pixels
    soft = cv2.GaussianBlur(pixels, (5, 5), SIGMA_PX)
    sharp = cv2.addWeighted(pixels, 1 + amount, soft, -amount, 0)
    level = np.full(4, FLAT, np.float64)
    darkest, brightest = cv2.erode(pixels, NEIGHBORS), cv2.dilate(pixels, NEIGHBORS)
    cv2.min(cv2.add(darkest, level, dst=darkest), pixels, dst=darkest)
    cv2.max(cv2.subtract(brightest, level, dst=brightest), pixels, dst=brightest)
    cv2.max(sharp, darkest, dst=sharp)
    return cv2.min(sharp, brightest, dst=sharp)
