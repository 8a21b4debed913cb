"""How alike two pictures of one face are: laid over each other, blurred, compared by pixels.

It measures whether a generated face still looks like its picture (`ident` of `evaluate`), and does
not say who somebody is: one pair of different persons in four reaches 0.4. `identity.py` does that.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from skyreels_avatar.faces.alignment import RIGID, fit_similarity
from skyreels_avatar.faces.face import FACE_OVAL
from skyreels_avatar.faces.template import template

CROP_PX = 128
BLUR_PX = 2.0  # of CROP_PX: shapes and shades are compared, not pores or noise


@cache
def _canonical() -> tuple[np.ndarray, np.ndarray]:
    """Return the rigid points (17, 2) of the average face in the crop, and the face's mask."""
    points = template()[:, :2].astype(np.float64)
    low, high = points[FACE_OVAL].min(0), points[FACE_OVAL].max(0)
    scale = 0.92 * CROP_PX / (high - low).max()
    points = (points - (low + high) / 2) * scale + CROP_PX / 2
    mask = np.zeros((CROP_PX, CROP_PX), np.uint8)
    cv2.fillConvexPoly(mask, np.round(points[FACE_OVAL]).astype(np.int32), 1)
    return points[list(RIGID)], mask.astype(bool)


def aligned_pixels(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (N,) of length 1: the face turned upright, blurred, its mean taken off.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        landmarks: (478, 3) px in it.
    """
    target, mask = _canonical()
    source = landmarks[list(RIGID), :2][None]
    scale = fit_similarity(source, target)[0][0]
    if scale < 0.7:  # shrink first, or the warp would skip pixels
        width, height = (max(1, round(side * float(scale))) for side in pixels.shape[1::-1])
        source = source * (width / pixels.shape[1], height / pixels.shape[0])
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    scale, rotation, shift = (part[0] for part in fit_similarity(source, target))
    matrix = np.concatenate([scale * rotation, shift[:, None]], 1)
    crop = cv2.warpAffine(pixels, matrix, (CROP_PX, CROP_PX), borderMode=cv2.BORDER_REPLICATE)
    crop = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), BLUR_PX)
    values = crop[mask] - crop[mask].mean(0)
    values = values.ravel()
    return values / max(float(np.linalg.norm(values)), 1e-6)


def pixel_cosine(pixels: np.ndarray, reference: np.ndarray) -> float:
    """Return the cosine, -1 to 1, of two `aligned_pixels`s; 1 is the same picture."""
    return float(pixels @ reference)
