"""Detect a covered mouth: compare the lower face of every frame with its usual appearance."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from skyreels_avatar.faces.alignment import RIGID, align, fit_similarity, head_angles_deg
from skyreels_avatar.faces.closed_mouth import LOWER_SKIN, UPPER_SKIN
from skyreels_avatar.faces.template import template
from skyreels_avatar.rig.geometry import OUTER_LOWER, OUTER_UPPER

PATCH = (24, 32)  # rows, columns
_BOX = (-0.26, -0.10, 0.26, 0.30)  # left, top, right, bottom from the mouth, of the face height
_POSE_DEG = 5.0  # standard deviation of the weights over head poses
_MOST_FRAMES = 300  # that each frame is compared with
# Ratio to the usual similarity, of the whole patch and of the ring round the mouth: a shout changes
# the one, a turn the other. Speech stays above 0.7 in one of them; a hand falls below 0.6.
_COVERED = 0.68
# Landmarks of lips, chin and the skin between, which go with it: a laugh changes the patch and its
# ring, but not the colors there.
_SKIN = sorted({
    *OUTER_UPPER, *OUTER_LOWER, *UPPER_SKIN, *LOWER_SKIN,
    152, 148, 377, 175, 199, 200, 201, 421, 211, 431, 212, 432,
})  # fmt: skip
_SKIN_BLUR = 0.03  # of the face height
_LIPS = (0.0, 0.03, 0.17, 0.13)  # middle and half axes of an ellipse, from the mouth


@cache
def _places() -> np.ndarray:
    """Return (rows x columns, 2): the pixels of a patch in the average face."""
    points = template()[:, :2].astype(np.float64)
    height = np.linalg.norm(points[10] - points[152])
    mouth = points[[61, 291]].mean(0)
    x, y = _grid()
    return mouth + height * np.stack([x.ravel(), y.ravel()], -1)


def crop_lower_face(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (24, 32, 3) uint8: mouth, chin and cheeks, aligned by the rigid points.

    An occluder of the mouth misleads the points round it, but hardly those of eyes and nose.

    Args:
        pixels: (H, W, 3) uint8.
        landmarks: (478, 3) pixels.
    """
    average = template()[list(RIGID), :2][None]
    scale, rotation, shift = fit_similarity(average, landmarks[list(RIGID), :2])
    at = (scale[0] * _places() @ rotation[0].T + shift[0]).astype(np.float32)
    low = np.clip(np.floor(at.min(0)).astype(int) - 2, 0, np.array(pixels.shape[1::-1]) - 1)
    high = np.clip(np.ceil(at.max(0)).astype(int) + 3, low + 1, pixels.shape[1::-1])
    crop = pixels[low[1] : high[1], low[0] : high[0]]
    width = max(1, int(np.ptp(at[:, 0]) / PATCH[1])) | 1
    soft = cv2.blur(crop, (width, width))
    x, y = (at - low - 0.5).T.reshape(2, *PATCH).astype(np.float32)
    return cv2.remap(soft, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def skin_colors(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (N, 3) uint8: colors at the landmarks of lips, chin and the skin between.

    Args:
        pixels: (H, W, 3) uint8.
        landmarks: (478, 3) pixels.
    """
    height = float(np.linalg.norm(landmarks[10, :2] - landmarks[152, :2]))
    width = max(1, int(_SKIN_BLUR * height)) | 1
    at = landmarks[_SKIN, :2]
    limit = np.array(pixels.shape[1::-1])
    low = np.clip(np.floor(at.min(0)).astype(int) - width, 0, limit - 1)
    high = np.clip(np.ceil(at.max(0)).astype(int) + width, low + 1, limit)
    soft = cv2.blur(pixels[low[1] : high[1], low[0] : high[0]], (width, width))
    x, y = (at - low - 0.5).T[:, None].astype(np.float32)
    return cv2.remap(soft, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]


def find_covered_mouths(
    patches: np.ndarray, skins: np.ndarray, landmarks: np.ndarray
) -> np.ndarray:
    """Return (F,) bool: the frames of a scene in which the mouth is covered.

    Every frame is compared with the mean of frames of a similar head pose. What covers the mouth
    most of the time is not noticed.

    Args:
        patches: (F, 24, 32, 3) of `crop_lower_face`.
        skins: (F, N, 3) of `skin_colors`.
        landmarks: (F, 478, 3) pixels.
    """
    _, rotation = align(landmarks, landmarks[len(landmarks) // 2])
    angles = head_angles_deg(rotation)[:, :2]
    others = np.arange(0, len(patches), -(-len(patches) // _MOST_FRAMES))
    distance = np.square(angles[:, None] - angles[others]).sum(-1)
    weights = np.exp(-distance / (2 * _POSE_DEG**2))
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-9)
    hidden = np.ones(len(patches), bool)
    for seen in (patches.reshape(len(patches), -1, 3), patches[:, _round_the_lips()], skins):
        flat = seen.reshape(len(seen), -1).astype(np.float32)
        usual = (weights.astype(np.float32) @ flat[others]).reshape(seen.shape)
        likeness = (_normalized(seen) * _normalized(usual)).sum((1, 2))
        hidden &= likeness < _COVERED * np.median(likeness)
    return hidden


def _grid() -> tuple[np.ndarray, np.ndarray]:
    left, top, right, bottom = _BOX
    return np.meshgrid(np.linspace(left, right, PATCH[1]), np.linspace(top, bottom, PATCH[0]))


def _round_the_lips() -> np.ndarray:
    """Return (24, 32) bool: the cells that lie outside an open mouth."""
    x, y = _grid()
    middle_x, middle_y, half_x, half_y = _LIPS
    return ((x - middle_x) / half_x) ** 2 + ((y - middle_y) / half_y) ** 2 > 1


def _normalized(colors: np.ndarray) -> np.ndarray:
    """Return (F, N, 3) colors without their mean, of length 1."""
    centered = colors.astype(np.float32)
    centered = centered - centered.mean(1, keepdims=True)
    return centered / np.maximum(np.sqrt(np.square(centered).sum((1, 2), keepdims=True)), 1e-6)
