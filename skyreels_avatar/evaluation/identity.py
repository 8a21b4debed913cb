"""Does it still look like the reference, and as sharp: likeness and sharpness of a face."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from skyreels_avatar.evaluation.alignment import RIGID, fit_similarity
from skyreels_avatar.faces.template import template

CROP_PX = 128
BLUR_PX = 2.0  # of CROP_PX: likeness is in the shapes and shades, not in pores or noise
# fmt: off
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
# fmt: on


@cache
def _canonical() -> tuple[np.ndarray, np.ndarray]:
    """Return the rigid points (17, 2) of the average face in the crop, and the face's mask."""
    points = template()[:, :2].astype(np.float64)
    low, high = points[list(OVAL)].min(0), points[list(OVAL)].max(0)
    scale = 0.92 * CROP_PX / (high - low).max()
    points = (points - (low + high) / 2) * scale + CROP_PX / 2
    mask = np.zeros((CROP_PX, CROP_PX), np.uint8)
    cv2.fillConvexPoly(mask, np.round(points[list(OVAL)]).astype(np.int32), 1)
    return points[list(RIGID)], mask.astype(bool)


def face_signature(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
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


def likeness(signature: np.ndarray, reference: np.ndarray) -> float:
    """Return the cosine, -1 to 1, of two `face_signature`s; 1 is the same picture."""
    return float(signature @ reference)


def face_sharpness(pixels: np.ndarray, landmarks: np.ndarray, height_px: float) -> float:
    """Return the variance of the Laplacian in the face, the face brought to a height first.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        landmarks: (478, 3) px in it.
        height_px: to compare two pictures, the smaller of their face heights.
    """
    oval = landmarks[list(OVAL), :2]
    low = np.maximum(np.floor(oval.min(0)).astype(int) - 4, 0)
    high = np.minimum(np.ceil(oval.max(0)).astype(int) + 4, pixels.shape[1::-1])
    if (high - low < 8).any():
        return 0.0
    crop = cv2.cvtColor(pixels[low[1] : high[1], low[0] : high[0]], cv2.COLOR_RGB2GRAY)
    scale = height_px / max(float(np.linalg.norm(oval[0] - landmarks[152, :2])), 1e-6)
    size = np.maximum(np.round((high - low) * scale), 3).astype(int)
    if scale < 0.98:
        crop = cv2.resize(crop, tuple(int(side) for side in size), interpolation=cv2.INTER_AREA)
    scale_xy = np.array(crop.shape[1::-1]) / (high - low)
    mask = np.zeros(crop.shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(((oval - low) * scale_xy).astype(np.int32)), 1)
    values = cv2.Laplacian(crop.astype(np.float32), cv2.CV_32F)[mask.astype(bool)]
    return float(values.var()) if values.size else 0.0


def face_colour(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (3,): the mean CIE Lab colour of the face, L 0..100."""
    oval = landmarks[list(OVAL), :2]
    height, width = pixels.shape[:2]
    low = np.clip(np.floor(oval.min(0)), 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil(oval.max(0)) + 1, low + 1, (width, height)).astype(int)
    crop = pixels[low[1] : high[1], low[0] : high[0]].astype(np.float32) / 255
    mask = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull((oval - low).astype(np.int32)), 1)
    return cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)[mask.astype(bool)].mean(0)
