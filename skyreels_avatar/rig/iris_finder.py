"""How large the irises of large painted eyes are, and where.

Face meshes are fitted to photos: in a cartoon's eye they lay an iris of a person's size somewhere
on the larger one, and what is left of that stays behind when the gaze moves. Its rim is the circle
on which most of the border between dark and white lies, as far as the lids leave it to be seen.
"""

from __future__ import annotations

import cv2
import numpy as np

from skyreels_avatar.rig.geometry import EYES, IRISES, LARGE_EYE

_CROP_PX, _CROP_HALF = 96, 0.75  # of an eye's width
_LID = 0.03  # of the width: lash lines are no part of the white
_RADII = (0.14, 0.5)  # of the width
_NEAR = 0.02  # of the width: so close to the border a circle lies on it
_TRIALS, _FEWEST = 400, 12  # circles that are tried, and points of the border to try them on
_ON_CIRCLE, _ROUND = 0.6, 0.25  # share of the border, and of the circle, that must agree
_CONTRAST = 45.0  # of 255, between white and iris


def correct_irises(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (478, 3) landmarks with the irises of large eyes where the picture shows them.

    Args:
        pixels: (H, W, 3) uint8.
        landmarks: (478, 3) pixels; of eyes as large as people's they are returned as they are.
    """
    points = landmarks[:, :2].astype(np.float64)
    height = float(np.linalg.norm(points[152] - points[10]))
    moved = landmarks.copy()
    for (upper, lower, *_), iris in zip(EYES, IRISES):
        opened = np.linalg.norm(points[lower[4]] - points[upper[4]])
        if opened < LARGE_EYE * height:
            continue
        found = _find(pixels, points, (upper, lower))
        if found is not None:
            center, across, down = found
            around = center + np.stack([0 * across, across, -down, -across, down])
            moved[list(iris), :2] = around
    return moved


def _find(
    pixels: np.ndarray, points: np.ndarray, lids: tuple[tuple[int, ...], ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return the middle of an iris (2,) and its radii (2,) across and down the eye, in pixels."""
    first, last = points[lids[0][0]], points[lids[0][-1]]
    width = max(float(np.linalg.norm(last - first)), 1.0)
    across = (last - first) / width
    axes = np.stack([across, [-across[1], across[0]]])
    scale = _CROP_PX / (2 * _CROP_HALF * width)
    matrix = axes * scale
    shift = _CROP_PX / 2 - matrix @ ((first + last) / 2)
    if scale < 0.7:
        pixels = cv2.GaussianBlur(pixels, (0, 0), 0.4 / scale)
    whole = np.concatenate([matrix, shift[:, None]], 1)
    crop = cv2.warpAffine(pixels, whole, (_CROP_PX, _CROP_PX), borderMode=cv2.BORDER_REPLICATE)
    local = points @ matrix.T + shift
    seen = np.zeros((_CROP_PX, _CROP_PX), np.uint8)
    outline = np.concatenate([local[list(lids[0])], local[list(lids[1])][::-1]])
    cv2.fillPoly(seen, [np.round(outline).astype(np.int32)], 1)
    unit = scale * width  # an eye's width in pixels of the crop
    rim = 2 * round(_LID * unit) + 1
    seen = cv2.erode(seen, np.ones((rim, rim), np.uint8)) > 0
    circle = _fit_circle(_iris_border(crop, seen), unit)
    if circle is None:
        return None
    back = np.linalg.inv(matrix)
    return back @ (circle[:2] - shift), *(circle[2] * back.T)


def _iris_border(crop: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return (N, 2) pixels where an iris borders on white.

    The darkest of red, green and blue tells a colored iris from the white better than their mean.

    Args:
        crop: (h, w, 3) uint8 of an eye.
        seen: (h, w) bool between its lids.
    """
    light = cv2.medianBlur(crop.min(2), 3)
    inside = light[seen]
    if len(inside) < _FEWEST:
        return np.zeros((0, 2))
    level, _ = cv2.threshold(inside, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    dark, white = seen & (light <= level), seen & (light > level)
    if not dark.any() or light[white].mean() - light[dark].mean() < _CONTRAST:
        return np.zeros((0, 2))
    filled = np.zeros_like(light)  # highlights are no white
    outlines, _ = cv2.findContours(dark.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(filled, outlines, -1, 1, -1)
    beside = cv2.dilate((white & (filled == 0)).astype(np.uint8), np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero((filled > 0) & (beside > 0))
    return np.stack([columns, rows], -1).astype(np.float64)


def _fit_circle(border: np.ndarray, unit: float) -> np.ndarray | None:
    """Return (3,) middle and radius of the circle on which most of a border (N, 2) lies.

    Args:
        unit: width of the eye, in its pixels.
    """
    if len(border) < _FEWEST:
        return None
    random = np.random.default_rng(0)
    best = _inliers(border, _circles(border[random.integers(0, len(border), (_TRIALS, 3))]), unit)
    for _ in range(3):
        if len(best) < _FEWEST:
            return None
        circle = _least_squares(best)
        best = _inliers(border, circle[None], unit)
    angles = np.arctan2(*(best - circle[:2]).T)
    seen = len(np.unique((angles * 36 / np.pi).astype(int))) / 72
    if len(best) < _ON_CIRCLE * len(border) or seen < _ROUND:
        return None
    return circle


def _inliers(border: np.ndarray, circles: np.ndarray, unit: float) -> np.ndarray:
    """Return the points (N, 2) near that of the circles (K, 3) near which most are."""
    away = np.linalg.norm(border - circles[:, None, :2], axis=2) - circles[:, 2:]
    usual = (circles[:, 2] > _RADII[0] * unit) & (circles[:, 2] < _RADII[1] * unit)
    near = (np.abs(away) < _NEAR * unit) & usual[:, None]
    return border[near[near.sum(1).argmax()]]


def _circles(corners: np.ndarray) -> np.ndarray:
    """Return (K, 3) middles and radii of the circles through three points each, (K, 3, 2)."""
    first, sides = corners[:, 0], corners[:, 1:] - corners[:, :1]
    area = 2 * (sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0])
    area = np.where(np.abs(area) < 1e-6, 1e-6, area)
    squares = (sides**2).sum(2)
    x = (sides[:, 1, 1] * squares[:, 0] - sides[:, 0, 1] * squares[:, 1]) / area
    y = (sides[:, 0, 0] * squares[:, 1] - sides[:, 1, 0] * squares[:, 0]) / area
    return np.concatenate([first + np.stack([x, y], 1), np.hypot(x, y)[:, None]], 1)


def _least_squares(points: np.ndarray) -> np.ndarray:
    """Return (3,) middle and radius of the circle that fits points (N, 2) best (Kasa, 1976)."""
    terms = np.concatenate([2 * points, np.ones((len(points), 1))], 1)
    (x, y, rest), *_ = np.linalg.lstsq(terms, (points**2).sum(1), rcond=None)
    return np.array([x, y, np.sqrt(max(rest + x * x + y * y, 0.0))])
