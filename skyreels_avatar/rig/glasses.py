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

from skyreels_avatar.rig.geometry import BROW_EDGES, EYES

BAND_PX = (96, 48)  # width, height
_BAND_WIDTH = 0.84  # of H
_EYE_ROW = 0.4  # of the band's height
_EYE_CORNERS = (33, 263)
_CELL_PX, _BINS = 6, 8
_LEAST_ENERGY, _LARGEST_SHARE = 4.0, 0.6
RIM = 20.0  # difference of colors, four rows apart, at the edge of a rim
_SKIN = 10.0  # less than this it is between two rows of skin
_OWN_EDGE = 0.025  # of H: below its landmarks a brow can reach this much further
_COLUMNS, _MOST = 9, 0.7  # columns below a brow, and the share of them that cross a rim
_CLEAR = 0.03  # of H: less skin than this between a brow and a rim holds the brow
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
    return bool(both_ways(eye_band(pixels, points)) @ weights > least)


def both_ways(band: np.ndarray) -> np.ndarray:
    """Return (1024,) mean `edge_histograms` of a band and of its mirror image."""
    return (edge_histograms(band) + edge_histograms(np.ascontiguousarray(band[:, ::-1]))) / 2


def rims_below_brows(steps: np.ndarray, points: np.ndarray) -> np.ndarray | None:
    """Return (2,) height in H of the clear skin between each brow and the rim of glasses below it.

    None if either rim crosses its brow, lies above it, or is not seen.

    Args:
        steps: (h, w) differences of colors, CIE Lab, between the rows around each pixel.
        points: (478, 2) landmarks in pixels of an upright face.
    """
    height = max(float(np.linalg.norm(points[152] - points[10])), 1.0)
    heights = []
    for (_, brow), (lid, *_) in zip(BROW_EDGES, EYES):
        start, end = points[list(brow)], points[list(lid)]
        start, end = start[start[:, 0].argsort()], end[end[:, 0].argsort()]
        at = np.linspace(*start[[0, -1], 0], _COLUMNS)
        found = [
            _skin_above_rim(steps[:, int(x)], round(float(first)), round(float(last)), height)
            for x, first, last in zip(at, np.interp(at, *start.T), np.interp(at, *end.T))
            if 0 <= x < steps.shape[1]
        ]
        clear = sorted(one for one in found if one is not None)
        if len(clear) < _MOST * _COLUMNS or clear[1] < _CLEAR:
            return None
        heights.append(clear[1])
    return np.float32(heights)


def _skin_above_rim(steps: np.ndarray, brow: int, lid: int, height: float) -> float | None:
    """Return the height in H of the skin below a brow in one column; None where no rim follows."""
    column = steps[max(brow, 0) : max(lid, 0)]
    own = int(_OWN_EDGE * height)
    skin = np.flatnonzero(column[:own] < _SKIN)
    if not len(skin) or not (column[skin[0] :] > RIM).any():
        return None
    first = skin[0]
    return float(first + np.flatnonzero(column[first:] >= _SKIN)[0]) / height


@cache
def _weights() -> tuple[np.ndarray, float]:
    """Return (1024,) weights, and the score from which on a face wears glasses."""
    with np.load(WEIGHTS_FILE) as stored:
        return stored["weights"].astype(np.float32), float(stored["least"])
