"""Faces laid upright for the network that sees what stands before them, and masks laid back."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

from skyreels_avatar.faces.alignment import RIGID, align, fit_similarity, head_angles_deg
from skyreels_avatar.faces.hands import find_hands, hand_mask
from skyreels_avatar.faces.matte import FACE_OVAL, guided_filter
from skyreels_avatar.faces.template import template

CROP_PX = 128  # side
SIDE = 1.5  # of the crop, in face heights
ABOVE = 0.9  # of it above the mouth
_POSSIBLE, _SURE, _MEAN_SHARE = 0.4, 0.8, 0.7
_LEAST_SURE_PX = 30  # in the face, of a crop
_INNER = 0.88  # of the average face; others are narrower
_UNSURE_PX = 4  # at the border of a crop, where the network sees half a surrounding
_BEYOND_PX, _RAMP_PX = 26, 10  # so far things go on beyond a crop, and fade at the end of that
_GUIDE_STEP = 2.0  # pixels of the guiding picture for one of the crop, at most
_GUIDE_RADIUS = 3.0  # pixels of the crop
_HANDS_PX, _HANDS_REACH = 384, 1.2  # in face heights, from the mouth
_MOST_YAW_DEG = 45.0  # the network knows few profiles
_HALO = 0.012  # of the face height: so far a thing shows round its mask
_TRACK_STEP = 2  # frames: a hand hardly moves from one to the next
_TRACK_REACH = 4  # frames either way that are asked, too
_TRACK_BATCH = 16

SegmentCrops = Callable[[np.ndarray], np.ndarray]


@cache
def _average() -> tuple[np.ndarray, float, np.ndarray]:
    """Return the average face's points (478, 2), its height, and its mouth (2,)."""
    points = template()[:, :2].astype(np.float64)
    return points, float(np.linalg.norm(points[10] - points[152])), points[[61, 291]].mean(0)


def picture_from_crop(landmarks: np.ndarray, size: int = CROP_PX, side: float = SIDE) -> np.ndarray:
    """Return (2, 3): takes pixels of the upright crop of a face to pixels of its picture.

    Only eyes, nose and forehead are asked: what covers a mouth misleads the points round it.

    Args:
        landmarks: (478, 3) pixels.
        size: pixels of the crop's side.
        side: of the crop, in face heights.
    """
    average, height, mouth = _average()
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


def filter_mask(share: np.ndarray, least: np.ndarray) -> np.ndarray | None:
    """Keep of a crop's mask (128, 128) in [0, 1] what surely stands before the face, softly.

    A piece counts if the network is sure of a part of it and it reaches into the face: what is
    only beside a head does not matter, and half a mouth that is held fast for nothing would.

    Args:
        share, least: (128, 128), as of `segment_augmented`.

    Returns:
        (128, 128) float32; None where nothing counts.
    """
    possible = (share > _POSSIBLE).astype(np.uint8)
    number, labels = cv2.connectedComponents(possible)
    sure = (least > _SURE) & _inside()
    kept = np.zeros(share.shape, bool)
    for label in range(1, number):
        piece = labels == label
        if (piece & sure).sum() >= _LEAST_SURE_PX and share[piece].mean() > _MEAN_SHARE:
            kept |= piece
    if not kept.any():
        return None
    near = cv2.dilate(kept.astype(np.uint8), np.ones((5, 5), np.uint8))
    # A thing whose edge moves is worse than a strip of skin that does not.
    return cv2.dilate(near * share.astype(np.float32), np.ones((3, 3)))


def segment_augmented(crop: np.ndarray, look: SegmentCrops) -> tuple[np.ndarray, np.ndarray]:
    """Look at a crop (128, 128, 3) uint8 several times.

    Args:
        look: from crops (N, 128, 128, 3) uint8 to masks (N, 128, 128) in [0, 1].

    Returns:
        masks (128, 128) in [0, 1]: the mean of the crop, of its mirror image, and of both a little
        moved; and the least of that and of the crop in gray, brighter and darker. A thing is seen
        in any light, a false alarm hardly ever.
    """
    moves = [np.float32([[1, 0, x], [0, 1, y]]) for x, y in ((0, 0), (3, 2), (-2, 3))]
    size, number = (CROP_PX, CROP_PX), len(moves)
    moved = [cv2.warpAffine(crop, by, size, borderMode=cv2.BORDER_REPLICATE) for by in moves]
    lights = [
        _gray(crop),
        *((255 * (crop / 255) ** power).astype(np.uint8) for power in (0.6, 1.6)),
    ]
    masks = look(np.stack(moved + [one[:, ::-1] for one in moved] + lights))
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


def _gray(crops: np.ndarray) -> np.ndarray:
    """Return pictures (..., 3) uint8 without their colors."""
    gray = crops @ np.float32([0.299, 0.587, 0.114])
    return np.repeat(gray[..., None], 3, -1).astype(np.uint8)


def is_turned_away(landmarks: np.ndarray) -> bool:
    """Return whether a head (478, 3) is turned so far that the network is not to be believed."""
    _, rotation = align(landmarks[None].astype(np.float64), template().astype(np.float64))
    return abs(float(head_angles_deg(rotation)[0, 0])) > _MOST_YAW_DEG


def find_occluder(
    pixels: np.ndarray, landmarks: np.ndarray, look: SegmentCrops
) -> np.ndarray | None:
    """Return where something stands before the face of a picture, along the picture's edges.

    Args:
        pixels: (H, W, 3) uint8.
        landmarks: (478, 3) pixels.
        look: as in `segment_augmented`.

    Returns:
        (H, W) float32 in [0, 1], soft at the edge; None where nothing is found.
    """
    matrix = picture_from_crop(landmarks)
    if is_turned_away(landmarks):
        return None
    hands = _hands(pixels, matrix)
    share, least = segment_augmented(extract_crop(pixels, matrix), look)
    masks = [filter_mask(hands, hands), filter_mask(share, least)]
    if masks[0] is not None:  # a hand vouches for what it holds
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


def occluded_area(mask: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (H, W) 0 or 1: a mask and the soft edge round it, which shows the thing, too.

    Args:
        landmarks: (478, 3) pixels of the face.
    """
    face_px = float(np.linalg.norm((landmarks[10] - landmarks[152])[:2]))
    reach = 2 * (2 + round(_HALO * face_px)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    return cv2.dilate((mask > 0.5).astype(np.float32), disc)


def inpaint(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return a picture with what a mask hides filled in from all round, smoothly.

    Of the fill only a narrow edge is ever seen, where a face moves away from under a thing.

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


def without(pixels: np.ndarray, masks: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return crops (F, h, w, 3) of frames, filled behind masks (F, h, w) and their soft edges.

    Args:
        landmarks: (F, 478, 3) pixels.
    """
    hidden = [occluded_area(*pair) for pair in zip(masks, landmarks)]
    return np.stack([inpaint(*pair) for pair in zip(pixels, hidden)])


@cache
def _inside() -> np.ndarray:
    """Return (128, 128) bool: the average face in a crop, without its edge."""
    average, height, mouth = _average()
    corner = mouth - height * np.array([SIDE / 2, ABOVE])
    outline = average[FACE_OVAL]
    outline = outline.mean(0) + _INNER * (outline - outline.mean(0))
    outline = (outline - corner) * (CROP_PX / (SIDE * height))
    mask = np.zeros((CROP_PX, CROP_PX), np.uint8)
    return cv2.fillConvexPoly(mask, np.round(outline).astype(np.int32), 1) > 0


class OccluderTrack:
    """What stands before a face in the frames of a scene, looked at in batches as they come.

    Args:
        look: as in `segment_augmented`.
    """

    def __init__(self, look: SegmentCrops):
        self._look = look
        self._pending: list[tuple[int, np.ndarray]] = []
        self._masks: dict[int, bytes | None] = {}

    def add(self, index: int, pixels: np.ndarray, landmarks: np.ndarray | None) -> None:
        """Look at a frame (H, W, 3) uint8 with a face (478, 3), or leave it out."""
        if landmarks is not None and index % _TRACK_STEP == 0 and not is_turned_away(landmarks):
            self._pending.append((index, extract_crop(pixels, picture_from_crop(landmarks))))
        if len(self._pending) == _TRACK_BATCH:
            self.finish()

    def finish(self) -> None:
        """Look at the frames that wait."""
        if self._pending:
            indices, crops = zip(*self._pending)
            for index, crop, share in zip(indices, crops, self._look(np.stack(crops))):
                mask = filter_mask(share, share)
                if mask is not None:
                    mask = filter_mask(share, np.minimum(share, self._look(_gray(crop)[None])[0]))
                packed = None if mask is None else zlib.compress((255 * mask).astype(np.uint8), 1)
                self._masks[index] = packed
            self._pending.clear()

    @property
    def found(self) -> bool:
        """Whether anything is before the face in any frame."""
        return any(mask is not None for mask in self._masks.values())

    def at(self, index: int) -> np.ndarray | None:
        """Return the mask (128, 128) in [0, 1] of a frame: what most frames round it agree on."""
        first = index // _TRACK_STEP * _TRACK_STEP
        reach = range(first - _TRACK_REACH, first + _TRACK_REACH + 1, _TRACK_STEP)
        known = [self._masks[near] for near in reach if near in self._masks]
        if not any(known):
            return None
        total = np.zeros((CROP_PX, CROP_PX), np.float32)
        for packed in filter(None, known):
            total += np.frombuffer(zlib.decompress(packed), np.uint8).reshape(CROP_PX, CROP_PX)
        mask = np.clip((total / (255 * len(known)) - 0.3) / 0.4, 0, 1)
        return mask if mask.any() else None
