"""Interpolate known values smoothly into unknown pixels: colors, depth, corrections."""

from __future__ import annotations

import cv2
import numpy as np

SMOOTH_SHARE = 0.03
"""Texture is what is finer than this share of the picture's long side; the rest is color."""

COLOR_PX = 192
"""Long side at which colors spread: they are smooth, so a small copy gives the same result."""

RELAXATIONS = 12


def spread(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Interpolate values into unknown pixels, like a membrane fixed at the known ones.

    Args:
        values: (H, W, C) float32, anything where unknown.
        known: (H, W) bool.

    Returns:
        (H, W, C) float32, equal to `values` where known.
    """
    height, width = known.shape
    if known.all():
        return values
    if min(height, width) <= 2 or not known.any():
        weight = known[..., None].astype(np.float32)
        mean = (values * weight).sum((0, 1)) / max(1.0, float(weight.sum()))
        return np.where(known[..., None], values, mean).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    weight = known.astype(np.float32)
    coarse_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    coarse = resize(values * weight[..., None], half, cv2.INTER_AREA)
    coarse = coarse / np.maximum(coarse_weight, 1e-6)[..., None]
    coarse = spread(coarse, coarse_weight > 1e-3)
    filled = np.where(known[..., None], values, resize(coarse, (width, height), cv2.INTER_LINEAR))
    filled = filled.astype(np.float32)
    kernel = np.float32([[0.05, 0.2, 0.05], [0.2, 0.0, 0.2], [0.05, 0.2, 0.05]])
    for _ in range(RELAXATIONS):
        relaxed = cv2.filter2D(filled, -1, kernel, borderType=cv2.BORDER_REPLICATE)
        filled = np.where(known[..., None], values, relaxed.reshape(filled.shape))
    return filled


def smooth_color(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the mean color round each known pixel, spread into the unknown, (H, W, 3)."""
    shape = picture.shape[:2]
    sigma = max(1.0, SMOOTH_SHARE * max(shape))
    weight = known.astype(np.float32)
    total = cv2.GaussianBlur(picture * weight[..., None], (0, 0), sigma)
    color = total / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-4)[..., None]
    scale = min(1.0, COLOR_PX / max(shape))
    small = (max(2, round(shape[1] * scale)), max(2, round(shape[0] * scale)))
    small_weight = cv2.resize(weight, small, interpolation=cv2.INTER_AREA)
    coarse = resize(color * weight[..., None], small, cv2.INTER_AREA)
    coarse = spread(coarse / np.maximum(small_weight, 1e-6)[..., None], small_weight > 0.5)
    return resize(coarse, (shape[1], shape[0]), cv2.INTER_CUBIC)


def resize(values: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    """Resize (H, W, C) to (width, height), keeping the channel axis also for one channel."""
    resized = cv2.resize(values, size, interpolation=interpolation)
    return resized.reshape(size[1], size[0], values.shape[2])
