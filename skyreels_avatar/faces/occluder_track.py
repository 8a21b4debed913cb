"""Occluders of a face through the frames of a scene."""

from __future__ import annotations

import zlib

import numpy as np

from skyreels_avatar.faces.face_crop import (
    CROP_PX,
    extract_crop,
    is_turned_away,
    picture_from_crop,
)
from skyreels_avatar.faces.occluder_mask import (
    SegmentCrops,
    filter_mask,
    lips_in_crop,
    to_gray,
)

_STEP = 2  # frames: a hand hardly moves from one to the next
_REACH = 4  # frames either way that are asked, too
_BATCH = 16
# Of the lips, how much may be covered in what the network sees of bare ones: of 250 portraits one
# is above; of 84 scarves, cups, microphones, masks and hands laid over talkers 83 are.
_BARE = 0.02


class OccluderTrack:
    """The occluder masks of the frames of a scene, segmented in batches as the frames come.

    Args:
        segment: as in `segment_augmented`.
    """

    def __init__(self, segment: SegmentCrops):
        self._segment = segment
        self._pending: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._masks: dict[int, bytes | None] = {}
        self._on_lips: dict[int, float] = {}

    def add(self, index: int, pixels: np.ndarray, landmarks: np.ndarray | None) -> None:
        """Queue a frame (H, W, 3) uint8 with a face (478, 3); every second one is segmented."""
        if landmarks is not None and index % _STEP == 0 and not is_turned_away(landmarks):
            matrix = picture_from_crop(landmarks)
            lips = lips_in_crop(landmarks, matrix)
            self._pending.append((index, extract_crop(pixels, matrix), lips))
        if len(self._pending) == _BATCH:
            self.finish()

    def finish(self) -> None:
        """Segment the frames that are queued."""
        if self._pending:
            shares = self._segment(np.stack([crop for _, crop, _ in self._pending]))
            for (index, crop, lips), share in zip(self._pending, shares):
                if lips.any():
                    self._on_lips[index] = float(share[lips].mean())
                mask = filter_mask(share, share)
                if mask is not None:
                    mask = filter_mask(
                        share, np.minimum(share, self._segment(to_gray(crop)[None])[0])
                    )
                packed = None if mask is None else zlib.compress((255 * mask).astype(np.uint8), 1)
                self._masks[index] = packed
            self._pending.clear()

    @property
    def found(self) -> bool:
        """Whether the face is occluded in any frame."""
        return any(mask is not None for mask in self._masks.values())

    def sees_bare_lips(self, index: int) -> bool:
        """Return whether the network looked at a frame or beside it, and saw nothing over lips."""
        near = range(index - _STEP + 1, index + _STEP)
        known = [self._on_lips[one] for one in near if one in self._on_lips]
        return bool(known) and max(known) < _BARE

    def at(self, index: int) -> np.ndarray | None:
        """Return the mask (128, 128) in [0, 1] of a frame, on which most frames near it agree."""
        first = index // _STEP * _STEP
        reach = range(first - _REACH, first + _REACH + 1, _STEP)
        known = [self._masks[near] for near in reach if near in self._masks]
        if not any(known):
            return None
        total = np.zeros((CROP_PX, CROP_PX), np.float32)
        for packed in filter(None, known):
            total += np.frombuffer(zlib.decompress(packed), np.uint8).reshape(CROP_PX, CROP_PX)
        mask = np.clip((total / (255 * len(known)) - 0.3) / 0.4, 0, 1)
        return mask if mask.any() else None
