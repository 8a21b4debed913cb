"""Whether a face wears glasses.

Thin rims differ from skin by less than wrinkles do; what tells them apart is where edges run, and
in which direction. A logistic regression on histograms of oriented gradients (Dalal and Triggs,
CVPR 2005) round the eyes, trained by `python -m train glasses`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

BAND_PX = (96, 48)  # width, height
_BAND_WIDTH = 0.84  # of H
_EYE_ROW = 0.4  # of the band's height
_EYE_CORNERS = (33, 263)
_CELL_PX, _BINS = 6, 8
_LEAST_ENERGY, _LARGEST_SHARE = 4.0, 0.6
WEIGHTS_FILE = Path(__file__).with_name("glasses.npz")


def eye_band(pixels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return (48, 96, 3) uint8, both eyes and the temples beside them, upright.

    Args:
        pixels: (h, w, 3) uint8.
        points: (478, 2) landmarks in pixels.
    """
    right, left = points[list(_EYE_CORNERS)].astype(np.float64)
    along = (left - right) / max(float(np.linalg.norm(left - right)), 1e-6)
    height = max(float(np.linalg.norm(points[152] - points[10])), 1.0)
    scale = BAND_PX[0] / (_BAND_WIDTH * height)
    turn = np.array([along, [-along[1], along[0]]]) * scale
    middle = np.array([BAND_PX[0] / 2, _EYE_ROW * BAND_PX[1]])
    shift = middle - turn @ ((right + left) / 2)
    if scale < 0.7:
        pixels = cv2.GaussianBlur(pixels, (0, 0), 0.4 / scale)
    matrix = np.concatenate([turn, shift[:, None]], 1)
    return cv2.warpAffine(pixels, matrix, BAND_PX, borderMode=cv2.BORDER_REPLICATE)


def edge_histograms(band: np.ndarray) -> np.ndarray:
    """Return (1024,) shares of the edges of a band that run in each direction in each cell."""
    light = cv2.cvtColor(band, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = (cv2.Sobel(light, cv2.CV_32F, *axis, ksize=1) for axis in ((1, 0), (0, 1)))
    direction, strength = np.arctan2(down, across) / np.pi * _BINS, np.hypot(across, down)
    half = _BINS / 2
    bins = [
        strength * (1 - np.abs((direction - one + half) % _BINS - half)).clip(0)
        for one in range(_BINS)
    ]
    size = BAND_PX[0] // _CELL_PX, BAND_PX[1] // _CELL_PX
    cells = cv2.resize(np.stack(bins, -1), size, interpolation=cv2.INTER_AREA)
    energy = cv2.GaussianBlur((cells**2).sum(-1), (0, 0), 1.0) + _LEAST_ENERGY
    return (cells / np.sqrt(energy)[..., None]).clip(0, _LARGEST_SHARE).ravel()


def wears_glasses(pixels: np.ndarray, points: np.ndarray) -> bool:
    """Tell whether glasses, dark ones too, stand before the eyes: see `eye_band`."""
    weights, least = _weights()
    return bool(edge_histograms(eye_band(pixels, points)) @ weights > least)


@cache
def _weights() -> tuple[np.ndarray, float]:
    """Return (1024,) weights, and the score from which on a face wears glasses."""
    with np.load(WEIGHTS_FILE) as stored:
        return stored["weights"].astype(np.float32), float(stored["least"])
