"""Where a turned head ends against what is behind it.

The face mesh reads a yaw well up to 60 degrees and no further: profiles come out as 45 to 55, and
their lips reach out into the background. The segmentation network sees where the head ends.
"""

from __future__ import annotations

import zlib

import cv2
import numpy as np

from skyreels_avatar.faces.face_crop import CROP_PX, extract_crop, picture_from_crop
from skyreels_avatar.faces.matte import segmenter
from skyreels_avatar.faces.suitability import OUTER_LIPS

TURNED_FROM_DEG = 40.0  # heads that are turned less hide nothing of the lips
_FINER = 8  # pixels of a crop's pixel, in which the outline of the lips is drawn
_SOFT = (0.3, 0.7)  # shares of the network between which a pixel passes over


class SilhouetteTrack:
    """What is background round the mouth, in those frames of a scene in which a head is turned."""

    def __init__(self) -> None:
        self._masks: dict[int, bytes] = {}
        self._beyond: dict[int, float] = {}

    def add(self, index: int, pixels: np.ndarray, landmarks: np.ndarray) -> None:
        """Segment a frame (H, W, 3) uint8 with a face (478, 3) px that is turned."""
        matrix = picture_from_crop(landmarks)
        person = segmenter()(extract_crop(pixels, matrix))
        low, high = _SOFT
        behind = ((high - person) / (high - low)).clip(0, 1)
        crop_from_picture = cv2.invertAffineTransform(matrix)
        lips = landmarks[list(OUTER_LIPS), :2] @ crop_from_picture[:, :2].T
        outline = np.round(_FINER * (lips + crop_from_picture[:, 2] - 0.5)).astype(np.int32)
        inside = cv2.fillPoly(
            np.zeros((CROP_PX, CROP_PX), np.uint8), [outline], 255, shift=_FINER.bit_length() - 1
        )
        self._beyond[index] = float((inside * behind).sum() / max(1, inside.sum()))
        self._masks[index] = zlib.compress((255 * behind).astype(np.uint8), 1)

    def lips_beyond(self, num_frames: int) -> np.ndarray:
        """Return (F,) the share of the lips that lies in the background; 0 where not turned."""
        shares = np.zeros(num_frames)
        for index, share in self._beyond.items():
            shares[index] = share
        return shares

    def at(self, index: int) -> np.ndarray | None:
        """Return the background (128, 128) in [0, 1] of a frame, None where not turned."""
        packed = self._masks.get(index)
        if packed is None:
            return None
        mask = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(CROP_PX, CROP_PX)
        return mask.astype(np.float32) / 255
