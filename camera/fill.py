"""Invent what the camera uncovers: behind the person and beyond the picture's border.

No network: colours spread smoothly into the gap and carry the texture that stands mirrored beyond
its edge. That is plausible for walls, skies, foliage and blurred rooms, and it never smears the
person into the background, because the gap is cut wider than the person.
"""

from __future__ import annotations

import cv2
import numpy as np

SMOOTH_SHARE = 0.03
"""Texture is what is finer than this share of the picture's long side; the rest is colour."""

COLOUR_PX = 192
"""Long side at which colours spread: they are smooth, so a small copy gives the same result."""

RELAXATIONS = 12
BORDER_BLUR = 0.06
"""Blur (sigma) beyond the border per pixel of distance: what was never seen goes out of focus."""


def spread(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Continue values smoothly into the unknown, like a membrane held at the known pixels.

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
    coarse = _resize(values * weight[..., None], half, cv2.INTER_AREA)
    coarse = coarse / np.maximum(coarse_weight, 1e-6)[..., None]
    coarse = spread(coarse, coarse_weight > 1e-3)
    filled = np.where(known[..., None], values, _resize(coarse, (width, height), cv2.INTER_LINEAR))
    filled = filled.astype(np.float32)
    kernel = np.float32([[0.05, 0.2, 0.05], [0.2, 0.0, 0.2], [0.05, 0.2, 0.05]])
    for _ in range(RELAXATIONS):
        relaxed = cv2.filter2D(filled, -1, kernel, borderType=cv2.BORDER_REPLICATE)
        filled = np.where(known[..., None], values, relaxed.reshape(filled.shape))
    return filled


def fill_unknown(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill the unknown part of a picture with smooth colour and mirrored texture.

    Args:
        picture: (H, W, 3) float32 in [0, 1].
        known: (H, W) bool.

    Returns:
        (H, W, 3) float32 in [0, 1], equal to `picture` where known.
    """
    if known.all() or not known.any():
        return picture
    colour = _local_colour(picture, known)
    texture = np.where(known[..., None], picture - colour, 0.0).astype(np.float32)
    shape = picture.shape[:2]
    scale = min(1.0, COLOUR_PX / max(shape))
    small = (max(2, round(shape[1] * scale)), max(2, round(shape[0] * scale)))
    weight = cv2.resize(known.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    coarse = _resize(colour * known[..., None], small, cv2.INTER_AREA)
    coarse = spread(coarse / np.maximum(weight, 1e-6)[..., None], weight > 0.5)
    base = _resize(coarse, (shape[1], shape[0]), cv2.INTER_CUBIC)
    map_x, map_y = _mirror_map(known)
    mirrored = cv2.remap(texture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    filled = np.clip(base + mirrored, 0.0, 1.0)
    return np.where(known[..., None], picture, filled).astype(np.float32)


def extend(picture: np.ndarray, margin: int) -> np.ndarray:
    """Continue a picture beyond its border: mirrored, and blurred more with the distance.

    Args:
        picture: (H, W, C) float32.
        margin: pixels on each side.

    Returns:
        (H + 2 margin, W + 2 margin, C) float32 with the picture itself in the middle.
    """
    if margin == 0:
        return picture
    height, width = picture.shape[:2]
    canvas = cv2.copyMakeBorder(picture, margin, margin, margin, margin, cv2.BORDER_REFLECT)
    inside = np.zeros(canvas.shape[:2], np.uint8)
    inside[margin : margin + height, margin : margin + width] = 1
    sigma = BORDER_BLUR * cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    blurred, lower = canvas, 0.0
    extended = canvas.copy()
    while lower < sigma.max():
        upper = 1.0 if lower == 0.0 else 2 * lower
        softer = cv2.GaussianBlur(canvas, (0, 0), upper, borderType=cv2.BORDER_REFLECT)
        share = np.clip((sigma - lower) / (upper - lower), 0.0, 1.0)[..., None]
        extended = np.where(
            sigma[..., None] > lower, blurred + share * (softer - blurred), extended
        )
        blurred, lower = softer, upper
    extended[margin : margin + height, margin : margin + width] = picture
    return extended.astype(np.float32)


def _resize(values: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    """Resize (H, W, C) to (width, height), keeping the channel axis also for one channel."""
    resized = cv2.resize(values, size, interpolation=interpolation)
    return resized.reshape(size[1], size[0], values.shape[2])


def _local_colour(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the mean colour round each pixel, of known pixels only, (H, W, 3)."""
    sigma = max(1.0, SMOOTH_SHARE * max(picture.shape[:2]))
    weight = known.astype(np.float32)
    total = cv2.GaussianBlur(picture * weight[..., None], (0, 0), sigma)
    return total / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-4)[..., None]


def _mirror_map(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each pixel the place mirrored at the nearest edge of the known, (H, W) each.

    Where that place is unknown too, a nearer one on the same line is taken. The field is smoothed
    so that neighbouring pixels with different nearest edges do not tear the texture.
    """
    height, width = known.shape
    distance, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    nearest = np.zeros(int(labels.max()) + 1, np.int64)
    nearest[labels[known]] = np.flatnonzero(known.reshape(-1))
    edge = nearest[labels]
    step_y = (edge // width).astype(np.float32) - rows
    step_x = (edge % width).astype(np.float32) - columns
    reach = np.ones_like(rows)
    for factor in (1.2, 1.5, 2.0):  # the last that lands on known ground wins
        y = np.rint(rows + factor * step_y).astype(np.int64)
        x = np.rint(columns + factor * step_x).astype(np.int64)
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        lands = inside & known[y.clip(0, height - 1), x.clip(0, width - 1)]
        reach = np.where(lands, np.float32(factor), reach)
    sigma = max(1.0, 0.01 * max(height, width))
    weight = (distance > 0).astype(np.float32)
    blurred_weight = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-4)
    step_x = cv2.GaussianBlur(reach * step_x, (0, 0), sigma) / blurred_weight
    step_y = cv2.GaussianBlur(reach * step_y, (0, 0), sigma) / blurred_weight
    return columns + step_x, rows + step_y
