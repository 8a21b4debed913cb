"""Mattes of persons: soft masks that keep the edges of hair and clothes."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from skyreels_avatar.faces.face import FACE_OVAL, Face
from skyreels_avatar.faces.networks import Segmenter

WORK_PX = 640  # long side at which masks are refined
_SURE = 0.99  # share of the network that counts as certain where two of its answers are averaged


def person_mask(pixels: np.ndarray, face: Face | None) -> np.ndarray:
    """Return the matte of a person.

    The segmentation network decides what belongs to a person; where it does not see the given
    face as one (drawings, statues), colors around the face decide (GrabCut).

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        face: whose mask; people who do not touch that person are left out. None: everybody.

    Returns:
        (H, W) float32 in 0..1.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, WORK_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    landmarks = None if face is None else face.landmarks[:, :2] * scale
    share = _segment(small, landmarks)
    if landmarks is not None:
        if _is_poor(share, landmarks):
            share = _by_color(small, landmarks)
        share = share * _component(share, landmarks)
    return _refined(share, small, pixels)


@cache
def segmenter() -> Segmenter:
    """Return the segmentation network, started at the first call."""
    return Segmenter()


def _segment(pixels: np.ndarray, landmarks: np.ndarray | None) -> np.ndarray:
    """Return the network's mask; small persons are segmented again, enlarged."""
    height, width = pixels.shape[:2]
    share = _both_ways(pixels)
    if landmarks is None:
        return share
    low, high = landmarks.min(0), landmarks.max(0)
    face_height = float(high[1] - low[1])
    middle = float(low[0] + high[0]) / 2
    side = 6.0 * face_height
    top, left = float(low[1]) - 1.5 * face_height, middle - side / 2
    x0, y0 = max(0, int(left)), max(0, int(top))
    x1, y1 = min(width, int(left + side)), min(height, int(top + side))
    if (x1 - x0) * (y1 - y0) > 0.6 * width * height:
        return share
    closer = _both_ways(pixels[y0:y1, x0:x1])
    weight = _feather(closer.shape, x0 > 0, y0 > 0, x1 < width, y1 < height)
    share = share.copy()
    window = share[y0:y1, x0:x1]
    share[y0:y1, x0:x1] = window + weight * (closer - window)
    return share


def _both_ways(pixels: np.ndarray) -> np.ndarray:
    """Return the network's mask (h, w) of a picture, averaged with that of its mirror image.

    The network takes parts of a wall for a person, or misses a shoulder, in one of the two more
    often than in both. The average is that of the log odds: the surer answer counts for more.
    """
    network = segmenter()
    answers = (
        network(np.ascontiguousarray(pixels)),
        network(np.ascontiguousarray(pixels[:, ::-1]))[:, ::-1],
    )
    odds = np.ones(pixels.shape[:2], np.float32)
    for share in answers:
        share = share.clip(1 - _SURE, _SURE)
        odds *= share / (1 - share)
    root = np.sqrt(odds)
    # What both are certain of stays 0 or 1.
    return ((root / (1 + root) - (1 - _SURE)) / (2 * _SURE - 1)).clip(0, 1)


def _feather(
    shape: tuple[int, int], left: bool, top: bool, right: bool, bottom: bool
) -> np.ndarray:
    """Return (h, w) weights that fall to 0 at those sides of a window that cut the picture."""
    height, width = shape
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    margin_y, margin_x = height / 10, width / 10
    down = np.ones(height)
    if top:
        down = np.minimum(down, rows / margin_y)
    if bottom:
        down = np.minimum(down, (height - rows) / margin_y)
    across = np.ones(width)
    if left:
        across = np.minimum(across, columns / margin_x)
    if right:
        across = np.minimum(across, (width - columns) / margin_x)
    return np.outer(down, across).astype(np.float32)


def _oval(shape: tuple[int, int], landmarks: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Return (h, w) uint8, 1 inside the outline of the face, grown about its middle."""
    points = landmarks[FACE_OVAL]
    middle = points.mean(0)
    outline = np.round(middle + scale * (points - middle)).astype(np.int32)
    return cv2.fillConvexPoly(np.zeros(shape, np.uint8), cv2.convexHull(outline), 1)


def _is_poor(share: np.ndarray, landmarks: np.ndarray) -> bool:
    """Return whether the mask misses the face or covers nearly everything."""
    inside = _oval(share.shape, landmarks, 0.9) > 0
    if not inside.any():
        return True
    return float(share[inside].mean()) < 0.6 or float((share > 0.5).mean()) > 0.93


def _component(share: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (h, w) float32: 1 in and near the connected part that holds the face, 0 far off."""
    person = (share > 0.5).astype(np.uint8)
    person |= _oval(share.shape, landmarks, 0.9)
    _, labels = cv2.connectedComponents(person)
    inside = labels[_oval(share.shape, landmarks, 0.9) > 0]
    if inside.size == 0:  # the face is outside the picture
        return np.ones_like(share)
    own = labels == np.bincount(inside).argmax()
    others = (labels > 0) & ~own
    # A pixel between two people belongs to the nearer one, far from both to nobody: half-sure
    # patches of foliage and furniture lie there.
    to_own = cv2.distanceTransform((~own).astype(np.uint8), cv2.DIST_L2, 5)
    near = np.clip(2.0 - to_own / (0.02 * max(share.shape)), 0.0, 1.0)
    if others.any():
        near[cv2.distanceTransform((~others).astype(np.uint8), cv2.DIST_L2, 5) < to_own] = 0.0
    return near.astype(np.float32)


def _by_color(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return a mask by GrabCut, seeded with a head and shoulders below the face."""
    height, width = pixels.shape[:2]
    low, high = landmarks.min(0), landmarks.max(0)
    (x, y), (face_width, face_height) = (low + high) / 2, high - low
    rows, columns = np.mgrid[:height, :width] + 0.5
    below = (rows - y) / face_height  # in face heights under the middle of the face
    aside = np.abs(columns - x) / face_width
    head = (aside / 0.85) ** 2 + ((below + 0.1) / 0.85) ** 2 < 1
    torso = (below > 0.4) & (aside < 0.65 + 0.8 * np.clip(below - 0.5, 0.0, 1.0))
    core = (below > 0.5) & (below < 1.3) & (aside < 0.25)
    labels = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    labels[head | torso] = cv2.GC_PR_FGD
    labels[core] = cv2.GC_FGD
    labels[(aside > 1.1) & (below < 0.1)] = cv2.GC_BGD
    labels[below < -1.15] = cv2.GC_BGD
    labels[_oval((height, width), landmarks, 0.9) > 0] = cv2.GC_FGD
    if (labels == cv2.GC_BGD).any() or (labels == cv2.GC_PR_BGD).any():
        models = np.zeros((2, 1, 65))
        cv2.setRNGSeed(0)  # GrabCut starts its color clusters from OpenCV's own generator
        cv2.grabCut(pixels, labels, None, models[0], models[1], 4, cv2.GC_INIT_WITH_MASK)
    person = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    reach = max(3, round(face_width / 12)) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    person = cv2.morphologyEx(
        cv2.morphologyEx(person, cv2.MORPH_OPEN, kernel), cv2.MORPH_CLOSE, kernel
    )
    return cv2.GaussianBlur(person.astype(np.float32), (0, 0), 1.5)


def _refined(share: np.ndarray, small: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Refine a mask along the edges of the picture, at its resolution."""
    sharp = np.clip((share - 0.25) / 0.6, 0.0, 1.0)
    radius = max(2, round(max(small.shape[:2]) / 80))
    fine = guided_filter(small, sharp, pixels, radius, 1e-4)
    # Far from the network's edge nothing may leak: a shirt like the wall stays a shirt.
    reach = 2 * (2 * radius) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    size = (pixels.shape[1], pixels.shape[0])
    least = cv2.resize(cv2.erode(sharp, kernel), size, interpolation=cv2.INTER_LINEAR)
    most = cv2.resize(cv2.dilate(sharp, kernel), size, interpolation=cv2.INTER_LINEAR)
    fine = np.clip((fine - 0.08) / 0.84, 0.0, 1.0)
    return np.clip(np.clip(fine, least, most), 0.0, 1.0).astype(np.float32)


def guided_filter(
    guide: np.ndarray, values: np.ndarray, full: np.ndarray, radius: int, epsilon: float
) -> np.ndarray:
    """Return values at full size whose edges are those of the color picture.

    Args:
        guide: (h, w, 3) uint8, the picture at the size of the values.
        values: (h, w) float32.
        full: (H, W, 3) uint8, the picture at the size of the result.
        radius: half side of the windows in which values follow colors linearly, px of guide.
        epsilon: how much color variance counts as flat, in units of (0..1) squared.

    Returns:
        (H, W) float32, not limited to the range of the values.

    Source: He, Sun, Tang, "Guided Image Filtering" (2010), color guide; the coefficients are
    enlarged as in "Fast Guided Filter" (arXiv 1505.00996).
    """
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(array: np.ndarray) -> np.ndarray:
        return cv2.blur(array, window, borderType=cv2.BORDER_REFLECT)

    colors = guide.astype(np.float32) / 255
    values = values.astype(np.float32)
    color_mean, value_mean = mean(colors), mean(values)
    covariance = mean(colors * values[..., None]) - color_mean * value_mean[..., None]
    moments = [mean(colors[..., i] * colors[..., j]) for i in range(3) for j in range(3)]
    matrix = np.stack(moments, -1).reshape(*values.shape, 3, 3)
    matrix = matrix - color_mean[..., :, None] * color_mean[..., None, :]
    matrix += epsilon * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(matrix, covariance[..., None])[..., 0]
    offset = value_mean - (slope * color_mean).sum(-1)
    size = (full.shape[1], full.shape[0])
    slope = cv2.resize(mean(slope.astype(np.float32)), size, interpolation=cv2.INTER_LINEAR)
    offset = cv2.resize(mean(offset.astype(np.float32)), size, interpolation=cv2.INTER_LINEAR)
    return (slope * (full.astype(np.float32) / 255)).sum(-1) + offset
