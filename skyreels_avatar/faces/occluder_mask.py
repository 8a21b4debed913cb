"""Masks of what occludes a face: hands, microphones, glasses; from the network and from hands."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

from skyreels_avatar.faces.face import FACE_OVAL
from skyreels_avatar.faces.face_crop import (
    ABOVE,
    CROP_PX,
    SIDE,
    average_face,
    extract_crop,
    is_turned_away,
    picture_from_crop,
    uncrop_mask,
)
from skyreels_avatar.faces.hands import find_hands, hand_mask
from skyreels_avatar.faces.matte import guided_filter
from skyreels_avatar.rig.geometry import OUTER_LOWER, OUTER_UPPER

_POSSIBLE, _SURE, _MEAN_SHARE = 0.4, 0.8, 0.7
_MIN_SURE_PX = 30  # in the face, of a crop
_INNER = 0.88  # of the average face; others are narrower
_GUIDE_STEP = 2.0  # pixels of the guiding picture for one of the crop, at most
_GUIDE_RADIUS = 3.0  # pixels of the crop
_HANDS_PX, _HANDS_REACH = 384, 1.2  # in face heights, from the mouth
_COVERED = 0.6  # of the lips; so much of them a hand covers only if it is in front of the mouth
_AROUND_LIPS = 9  # pixels of the crop, twice the strip of skin round the lips

SegmentCrops = Callable[[np.ndarray], np.ndarray]


def filter_mask(share: np.ndarray, least: np.ndarray) -> np.ndarray | None:
    """Return the parts of a soft mask that surely occlude the face.

    A connected part counts if the network is sure of some of it and it reaches into the face: what
    is only beside a head does not matter, and a mouth that is frozen for nothing would.

    Args:
        share, least: (128, 128), from `segment_augmented`.

    Returns:
        (128, 128) float32; None where nothing counts.
    """
    possible = (share > _POSSIBLE).astype(np.uint8)
    number, labels = cv2.connectedComponents(possible)
    sure = (least > _SURE) & _inside()
    kept = np.zeros(share.shape, bool)
    for label in range(1, number):
        piece = labels == label
        if (piece & sure).sum() >= _MIN_SURE_PX and share[piece].mean() > _MEAN_SHARE:
            kept |= piece
    if not kept.any():
        return None
    near = cv2.dilate(kept.astype(np.uint8), np.ones((5, 5), np.uint8))
    # An occluder whose edge moves is worse than a strip of skin that does not.
    return cv2.dilate(near * share.astype(np.float32), np.ones((3, 3)))


def segment_augmented(crop: np.ndarray, segment: SegmentCrops) -> tuple[np.ndarray, np.ndarray]:
    """Segment a crop (128, 128, 3) uint8 with test-time augmentation.

    Args:
        segment: from crops (N, 128, 128, 3) uint8 to masks (N, 128, 128) in [0, 1].

    Returns:
        share and least, masks (128, 128) in [0, 1]: the mean over the crop, its mirror image and
        both shifted a little; and the minimum of that and of the crop in gray, brighter and darker.
        An occluder is seen in any light, a false alarm hardly ever.
    """
    moves = [np.float32([[1, 0, x], [0, 1, y]]) for x, y in ((0, 0), (3, 2), (-2, 3))]
    size, number = (CROP_PX, CROP_PX), len(moves)
    moved = [cv2.warpAffine(crop, by, size, borderMode=cv2.BORDER_REPLICATE) for by in moves]
    lights = [
        to_gray(crop),
        *((255 * (crop / 255) ** power).astype(np.uint8) for power in (0.6, 1.6)),
    ]
    masks = segment(np.stack(moved + [one[:, ::-1] for one in moved] + lights))
    seen, mirrored, lit = masks[:number], masks[number : 2 * number], masks[2 * number :]
    back = [
        cv2.warpAffine(
            np.ascontiguousarray(mask), by, size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )
        for mask, by in zip([*seen, *mirrored[..., ::-1]], moves + moves)
    ]  # fmt: skip
    share = np.mean(back, 0)
    return share, np.minimum.reduce([share, *lit])


def to_gray(crops: np.ndarray) -> np.ndarray:
    """Return pictures (..., 3) uint8 in gray, with three equal channels."""
    gray = crops @ np.float32([0.299, 0.587, 0.114])
    return np.repeat(gray[..., None], 3, -1).astype(np.uint8)


def find_occluder(
    pixels: np.ndarray, landmarks: np.ndarray, segment: SegmentCrops
) -> np.ndarray | None:
    """Return the mask of what occludes a face, along the edges of the picture.

    Args:
        pixels: (H, W, 3) uint8.
        landmarks: (478, 3) pixels.
        segment: as in `segment_augmented`.

    Returns:
        (H, W) float32 in [0, 1], soft at the edge; None where nothing is found.
    """
    matrix = picture_from_crop(landmarks)
    if is_turned_away(landmarks):
        return None
    share, least = segment_augmented(extract_crop(pixels, matrix), segment)
    hands = spare_lips(_hands(pixels, matrix), share, lips_in_crop(landmarks, matrix))
    masks = [filter_mask(hands, hands), filter_mask(share, least)]
    if masks[0] is not None:  # what a hand holds counts, too
        masks.append(filter_mask(np.maximum(share, hands), np.maximum(least, hands)))
    if all(mask is None for mask in masks):
        return None
    mask = np.maximum.reduce([mask for mask in masks if mask is not None])
    height, width = pixels.shape[:2]
    step = float(np.hypot(*matrix[:, 0]))
    scale = min(1.0, _GUIDE_STEP / step)  # pixels of the guide for one of the crop
    size = max(2, round(width * scale)), max(2, round(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    shrink = np.array([[size[0] / width], [size[1] / height]])
    found = uncrop_mask(mask, matrix * shrink, size[::-1])
    radius = max(2, round(_GUIDE_RADIUS * step * scale))
    fine = guided_filter(small, found, pixels, radius, 1e-3)
    whole = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)
    # Where the network is sure, one way or the other, no color changes it.
    fine = np.clip(fine, (whole - 0.75) * 4, whole * 4)
    return np.clip((fine - 0.25) * 2.0, 0, 1).astype(np.float32)


def covered_lips(pixels: np.ndarray, landmarks: np.ndarray, segment: SegmentCrops) -> float:
    """Return 0..1: how much of the lips something covers; 0 for heads turned away.

    Arguments as in `find_occluder`, which costs five times as much.
    """
    if is_turned_away(landmarks):
        return 0.0
    matrix = picture_from_crop(landmarks)
    crop = extract_crop(pixels, matrix)
    seen, mirrored = segment(np.stack([crop, crop[:, ::-1]]))
    share = (seen + mirrored[:, ::-1]) / 2
    lips = lips_in_crop(landmarks, matrix)
    return float(share[lips].mean()) if lips.any() else 0.0


def spare_lips(hands: np.ndarray, share: np.ndarray, lips: np.ndarray) -> np.ndarray:
    """Return a mask of hands without the lips, unless these are really covered.

    Fingers are drawn as thick as hands usually are, and where a chin rests on a hand their tips
    are guesses: a lip that is frozen by half looks worse than a finger that moves.

    Args:
        hands, share: (128, 128) in [0, 1], of `hand_mask` and of `segment_augmented`.
        lips: (128, 128) bool.
    """
    touched = lips & (hands > 0.5)
    if not touched.any() or touched.sum() > _COVERED * lips.sum():
        return hands
    if share[touched].mean() > _POSSIBLE:
        return hands
    return np.where(lips, 0, hands).astype(np.float32)


def lips_in_crop(landmarks: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return (128, 128) bool: the lips and a little around in the crop of a face.

    Args:
        landmarks: (478, 3) pixels.
        matrix: (2, 3) of `picture_from_crop`.
    """
    outline = landmarks[[*OUTER_UPPER, *OUTER_LOWER[::-1]], :2]
    places = np.linalg.solve(matrix[:, :2], (outline - matrix[:, 2]).T).T
    mask = np.zeros((CROP_PX, CROP_PX), np.uint8)
    cv2.fillPoly(mask, [np.round(places).astype(np.int32)], 1)
    return cv2.dilate(mask, np.ones((_AROUND_LIPS, _AROUND_LIPS))) > 0


def _hands(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return (128, 128) float32, 1 where a hand is in the crop of a face."""
    middle = matrix[:, :2] @ [CROP_PX / 2, 0.6 * CROP_PX] + matrix[:, 2]
    half = _HANDS_REACH * CROP_PX / SIDE * float(np.hypot(*matrix[:, 0]))
    limit = np.array(pixels.shape[1::-1])
    low = np.clip((middle - half).astype(int), 0, limit - 1)
    high = np.clip((middle + half).astype(int) + 1, low + 1, limit)
    region = pixels[low[1] : high[1], low[0] : high[0]]
    scale = _HANDS_PX / max(region.shape[:2])
    size = np.maximum(1, np.round(scale * np.array(region.shape[1::-1]))).astype(int)
    square = np.zeros((_HANDS_PX, _HANDS_PX, 3), np.uint8)
    square[: size[1], : size[0]] = cv2.resize(region, size.tolist(), interpolation=cv2.INTER_AREA)
    mask = np.zeros((CROP_PX, CROP_PX), np.float32)
    for points in find_hands(square):
        places = np.linalg.solve(matrix[:, :2], (points / scale + low - matrix[:, 2]).T).T
        mask = np.maximum(mask, hand_mask(places, mask.shape))
    return mask


@cache
def _inside() -> np.ndarray:
    """Return (128, 128) bool: the average face in a crop, without its edge."""
    average, height, mouth = average_face()
    corner = mouth - height * np.array([SIDE / 2, ABOVE])
    outline = average[FACE_OVAL]
    outline = outline.mean(0) + _INNER * (outline - outline.mean(0))
    outline = (outline - corner) * (CROP_PX / (SIDE * height))
    mask = np.zeros((CROP_PX, CROP_PX), np.uint8)
    return cv2.fillConvexPoly(mask, np.round(outline).astype(np.int32), 1) > 0
