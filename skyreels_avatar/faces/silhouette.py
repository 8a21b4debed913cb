"""Where a turned head ends against what is behind it.

The face mesh reads a yaw well up to 60 degrees and no further: profiles come out as 45 to 55, and
their lips reach out into the background. The segmentation network sees where the head ends.
"""

from __future__ import annotations

import zlib

import cv2
import numpy as np

from skyreels_avatar.faces.alignment import align, head_angles_deg
from skyreels_avatar.faces.face_crop import CROP_PX, extract_crop, picture_from_crop
from skyreels_avatar.faces.matte import segmenter
from skyreels_avatar.faces.suitability import INNER_LIPS, OUTER_LIPS
from skyreels_avatar.faces.template import template

TURNED_FROM_DEG = 40.0  # heads that are turned less hide nothing of the lips
_FINER = 8  # pixels of a crop's pixel, in which the outline of the lips is drawn
_SIDES = (234, 454)  # landmarks beside the ears
_LIPS = (*OUTER_LIPS, *INNER_LIPS)
_STEPS = 64  # across the lips, at which their rows are looked at
_MOST_BEYOND = 0.4  # of their width: with less left than that the face mesh saw no mouth
_SOFT = (0.05, 0.3)  # shares of the network between which a pixel passes over


class SilhouetteTrack:
    """What is background round the mouth, in those frames of a scene in which a head is turned."""

    def __init__(self) -> None:
        self._masks: dict[int, bytes] = {}
        self._beyond: dict[int, float] = {}
        self._left: dict[int, float] = {}

    def add(self, index: int, pixels: np.ndarray, landmarks: np.ndarray) -> None:
        """Segment a frame (H, W, 3) uint8 with a face (478, 3) px that is turned."""
        matrix = picture_from_crop(landmarks)
        behind = _background(pixels, matrix)
        crop_from_picture = cv2.invertAffineTransform(matrix)
        lips = landmarks[list(OUTER_LIPS), :2] @ crop_from_picture[:, :2].T
        outline = np.round(_FINER * (lips + crop_from_picture[:, 2] - 0.5)).astype(np.int32)
        inside = cv2.fillPoly(
            np.zeros((CROP_PX, CROP_PX), np.uint8), [outline], 255, shift=_FINER.bit_length() - 1
        )
        self._beyond[index] = float((inside * behind).sum() / max(1, inside.sum()))
        self._left[index] = _lips_left(landmarks, matrix, behind)
        self._masks[index] = zlib.compress((255 * behind).astype(np.uint8), 1)

    def lips_beyond(self, num_frames: int) -> np.ndarray:
        """Return (F,) the share of the lips that lies in the background; 0 where not turned."""
        shares = np.zeros(num_frames)
        shares[list(self._beyond)] = list(self._beyond.values())
        return shares

    def lips_left(self, num_frames: int) -> np.ndarray:
        """Return (F,) the share of the lips' width that lies on the head; 1 where not turned."""
        shares = np.ones(num_frames)
        shares[list(self._left)] = list(self._left.values())
        return shares

    def at(self, index: int) -> np.ndarray | None:
        """Return the background (128, 128) in [0, 1] of a frame, None where not turned."""
        packed = self._masks.get(index)
        if packed is None:
            return None
        mask = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(CROP_PX, CROP_PX)
        return mask.astype(np.float32) / 255


def lips_within_head(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (478, 3) landmarks whose lips end where a turned head does.

    Args:
        pixels: (H, W, 3) uint8.
        landmarks: (478, 3) pixels; returned as they are where the head is not turned.
    """
    _, rotation = align(landmarks[None], template())
    if abs(head_angles_deg(rotation)[0, 0]) < TURNED_FROM_DEG:
        return landmarks
    matrix = picture_from_crop(landmarks)
    return narrowed_lips(landmarks, _lips_left(landmarks, matrix, _background(pixels, matrix)))


def narrowed_lips(landmarks: np.ndarray, share: float) -> np.ndarray:
    """Return (478, 3) landmarks whose lips keep a share of their width, and their near end."""
    if share == 1:
        return landmarks
    matrix = picture_from_crop(landmarks)
    across = matrix[:, 0] / np.hypot(*matrix[:, 0])
    away = _far_side(landmarks, across) * across
    moved, lips = landmarks.copy(), list(_LIPS)
    along = landmarks[lips, :2] @ away
    moved[lips, :2] += ((share - 1) * (along - along.min()))[:, None] * away
    return moved


def _background(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the background (128, 128) in [0, 1] of a crop of a picture (H, W, 3) uint8."""
    person = segmenter()(extract_crop(pixels, matrix))
    low, high = _SOFT
    return ((high - person) / (high - low)).clip(0, 1)


def _far_side(landmarks: np.ndarray, across: np.ndarray) -> float:
    """Return 1 or -1, to which side of `across` (2,) a head is turned: its far ear is nearer."""
    right, left = np.abs(
        (landmarks[list(_SIDES), :2] - landmarks[list(_LIPS), :2].mean(0)) @ across
    )
    return 1.0 if left < right else -1.0


def _lips_left(landmarks: np.ndarray, matrix: np.ndarray, behind: np.ndarray) -> float:
    """Return the share of the width of the lips, from their near end, that lies on the head.

    Args:
        matrix: of `picture_from_crop`.
        behind: (128, 128) background of that crop.
    """
    inverse = cv2.invertAffineTransform(matrix)
    lips = landmarks[list(OUTER_LIPS), :2] @ inverse[:, :2].T + inverse[:, 2]
    side = _far_side(landmarks, matrix[:, 0])
    away = side * lips[:, 0]
    near, width = away.min(), np.ptp(away)
    columns = near + width * np.linspace(0, 1, _STEPS)
    places = np.stack(np.broadcast_arrays(side * columns, lips[:, 1:]), -1).astype(np.float32)
    rows = cv2.remap(behind.astype(np.float32), places - 0.5, None, cv2.INTER_LINEAR) > 0.5
    rows[:, : _STEPS // 2] = False  # what is background there is a hole in the mask
    ends = np.where(rows.any(1), columns[rows.argmax(1)], np.inf)
    return 1 - float(((away - ends) / width).clip(0, _MOST_BEYOND).max())
