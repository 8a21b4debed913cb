"""The area that an occluder hides, and pictures filled in behind it."""

from __future__ import annotations

import cv2
import numpy as np

_HALO = 0.012  # of the face height: so far an occluder shows round its mask


def occluded_area(mask: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (H, W) 0 or 1: a mask and its soft edge, in which the occluder shows, too.

    Args:
        landmarks: (478, 3) pixels of the face.
    """
    return _with_halo((mask > 0.5).astype(np.float32), landmarks)


def _with_halo(mask: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    face_px = float(np.linalg.norm((landmarks[10] - landmarks[152])[:2]))
    reach = 2 * (2 + round(_HALO * face_px)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    return cv2.dilate(mask, disc)


def inpaint(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a picture filled in smoothly where a mask hides it.

    Only a narrow edge of the fill is ever seen, where a face moves away from under an occluder.

    Args:
        pixels: (H, W, C) uint8.
        mask: (H, W) in [0, 1].

    Source: the pull-push algorithm, Gortler et al., "The Lumigraph", 1996.
    """
    rows, columns = (np.flatnonzero((mask > 0).any(axis)) for axis in (1, 0))
    if not len(rows):
        return pixels
    around = max(np.ptp(rows), np.ptp(columns)) // 4 + 8
    box = tuple(
        slice(max(0, int(side[0]) - around), int(side[-1]) + 1 + around) for side in (rows, columns)
    )
    seen = 1 - mask[box].astype(np.float32)
    colors = pixels[box].astype(np.float32) * seen[..., None]
    levels = []
    while min(seen.shape) > 2 and float(seen.min()) < 0.99:
        levels.append((colors, seen))
        colors, seen = cv2.pyrDown(colors), cv2.pyrDown(seen)
        share = np.maximum(seen, 1e-3)
        full = np.minimum(1.0, 2 * share)
        colors, seen = colors * (full / share)[..., None], full
    found = colors / np.maximum(seen, 1e-3)[..., None]
    for colors, seen in reversed(levels):
        larger = cv2.pyrUp(found, dstsize=seen.shape[::-1])
        found = colors + (1 - seen)[..., None] * larger
    result = pixels.copy()
    result[box] = (found + 0.5).clip(0, 255).astype(np.uint8)
    return result


def inpaint_crops(pixels: np.ndarray, masks: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return crops (F, h, w, 3) of frames, inpainted under masks (F, h, w) and their soft edges.

    Where a mask is not sure, as when an occluder comes or goes, less is filled: it will not hide
    the whole fill.

    Args:
        landmarks: (F, 478, 3) pixels.
    """
    sure = (np.float32(masks) - 0.5).clip(0.0, 0.5) / 0.5
    hidden = [_with_halo(*pair) for pair in zip(sure, landmarks)]
    return np.stack([inpaint(*pair) for pair in zip(pixels, hidden)])
