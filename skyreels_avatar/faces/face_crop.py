"""The upright crop of a face that the occluder network sees, and masks laid back from it."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from skyreels_avatar.faces.alignment import RIGID, align, fit_similarity, head_angles_deg
from skyreels_avatar.faces.template import template

CROP_PX = 128  # side
SIDE = 1.5  # of the crop, in face heights
ABOVE = 0.9  # of it above the mouth
_UNSURE_PX = 4  # at the border of a crop, where the network sees half a surrounding
_BEYOND_PX, _RAMP_PX = 26, 10  # so far a mask goes on beyond its crop, and fades at the end of that
_MAX_YAW_DEG = 45.0  # the network was trained on few profiles


@cache
def average_face() -> tuple[np.ndarray, float, np.ndarray]:
    """Return the average face's points (478, 2), its height, and its mouth (2,)."""
    points = template()[:, :2].astype(np.float64)
    return points, float(np.linalg.norm(points[10] - points[152])), points[[61, 291]].mean(0)


def picture_from_crop(landmarks: np.ndarray, size: int = CROP_PX, side: float = SIDE) -> np.ndarray:
    """Return (2, 3): takes pixels of the upright crop of a face to pixels of its picture.

    Only eyes, nose and forehead are used: an occluder of the mouth misleads the points round it.

    Args:
        landmarks: (478, 3) pixels.
        size: pixels of the crop's side.
        side: of the crop, in face heights.
    """
    average, height, mouth = average_face()
    rigid = list(RIGID)
    scale, rotation, shift = fit_similarity(average[None, rigid], landmarks[rigid, :2])
    step = side * height / size
    corner = mouth + height * np.array([-side / 2, side * (0.5 - ABOVE / SIDE) - side / 2])
    matrix = scale[0] * step * rotation[0]
    return np.concatenate([matrix, (scale[0] * rotation[0] @ corner + shift[0])[:, None]], 1)


def extract_crop(pixels: np.ndarray, matrix: np.ndarray, size: int = CROP_PX) -> np.ndarray:
    """Return (size, size, 3) uint8: a picture (H, W, 3) where `picture_from_crop` says.

    What lies beyond the picture repeats its border.
    """
    step = float(np.hypot(*matrix[:, 0]))
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]]) @ matrix[:, :2].T
    corners = corners + matrix[:, 2]
    limit = np.array(pixels.shape[1::-1])
    margin = int(step) + 2
    low = np.clip(np.floor(corners.min(0)).astype(int) - margin, 0, limit - 1)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + margin, low + 1, limit)
    region = pixels[low[1] : high[1], low[0] : high[0]]
    width = max(1, round(step)) | 1
    if width > 1:
        region = cv2.blur(region, (width, width))
    # Pixel centers are at +0.5 here, at whole numbers in OpenCV.
    shift = matrix[:, 2] + matrix[:, :2] @ [0.5, 0.5] - 0.5 - low
    inverse = np.concatenate([matrix[:, :2], shift[:, None]], 1)
    return cv2.warpAffine(
        region, inverse, (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip


def uncrop_mask(
    mask: np.ndarray, matrix: np.ndarray, size: tuple[int, int], corner: tuple[int, int] = (0, 0)
) -> np.ndarray:
    """Return (height, width) float32: a mask (128, 128) of a crop in the pixels of its picture.

    What reaches the border of the crop goes on beyond it, to where faces hardly move anything.

    Args:
        matrix: from `picture_from_crop`.
        size: height and width of the result.
        corner: x, y of the picture where the result begins.
    """
    edge = _UNSURE_PX
    inner = mask.astype(np.float32)[edge:-edge, edge:-edge]
    wide = np.pad(inner, _BEYOND_PX + edge, mode="edge")
    along = np.arange(len(wide)) + 0.5
    fade = np.clip(np.minimum(along, len(wide) - along) / _RAMP_PX, 0, 1).astype(np.float32)
    wide *= np.minimum(fade, fade[:, None])
    first = 0.5 - _BEYOND_PX
    shift = matrix[:, 2] + matrix[:, :2] @ [first, first] - 0.5 - np.array(corner)
    forward = np.concatenate([matrix[:, :2], shift[:, None]], 1)
    return cv2.warpAffine(wide, forward, size[::-1], flags=cv2.INTER_LINEAR)


def is_turned_away(landmarks: np.ndarray) -> bool:
    """Return whether a head (478, 3) is turned too far for the network to be reliable."""
    _, rotation = align(landmarks[None].astype(np.float64), template().astype(np.float64))
    return abs(float(head_angles_deg(rotation)[0, 0])) > _MAX_YAW_DEG
