"""Continue what ends left and right of a person, such as shelves and horizons, behind it."""

from __future__ import annotations

import cv2
import numpy as np

SLOPES = np.linspace(-0.15, 0.15, 7)
"""Rows by which lines may fall per column: cameras are seldom level."""

TILT_COST = 0.03
"""By how much the sides have to fit better, per slope, for lines that are not level."""

SLOPE_PX, COARSE_PX = 200, 240
"""Long sides of the pictures in which the slope is looked for, and in which sides are compared."""

BAND_SHARE, ROWS_SHARE, SHIFT_SHARE = 0.012, 0.02, 0.01
"""Colors of a side are those of a band this wide, compared over about so many rows, which may lie
so much higher or lower, as shares of the long side."""

CONTRAST, SEAM_SHARE = 0.08, 0.02
"""Largest contrast of mirrored texture, from about this share of the long side on: what ends beside
a person is not repeated behind it."""

ALIKE = (0.04, 0.1)
"""RMS difference of the colors of both sides up to which they are one thing, and from which two."""

FITS = (0.06, 0.16)
"""The same for what lies above the person and what both sides have at that height."""

AROUND_SHARE, AROUND = 0.04, (0.3, 0.7)
"""Within this share of the long side up and down, how far rows go on that are not believed alone,
and that are: a strip between other things is chance."""

UPRIGHT_SHARE = 0.15
"""So far below that what stands upright behind a person, as a door, is believed to go on."""


def continue_across(picture: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join both sides of what is unknown along the lines that most of the picture has.

    Args:
        picture: (H, W, 3) float32.
        known: (H, W) bool.

    Returns:
        (H, W, 3) float32, the picture with each side mirrored into the unknown and faded into the
        other; and (H, W) float32 in 0..1, how far to believe it: 0 where the sides differ, or what
        lies above stands upright.
    """
    slope = _best_slope(*_shrunk(picture, known, SLOPE_PX))
    small, seen = _shrunk(picture, known, COARSE_PX)
    trust = _sheared(_trust(_sheared(small, slope), _is_known(_sheared(seen, slope))), -slope)
    trust = cv2.resize(trust, known.shape[::-1], interpolation=cv2.INTER_LINEAR)
    level = _sheared(picture, slope), _is_known(_sheared(known.astype(np.float32), slope))
    filled = np.where(known[..., None], picture, _sheared(_joined(*level), -slope))
    return filled, np.where(known, np.float32(0), trust.clip(0, 1))


def _shrunk(
    picture: np.ndarray, known: np.ndarray, long_side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture of a long side, and how much of each pixel is known."""
    scale = min(1.0, long_side / max(known.shape))
    size = [max(2, round(scale * side)) for side in known.shape[::-1]]
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small, cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)


def _is_known(share: np.ndarray) -> np.ndarray:
    return share > 0.99


def _best_slope(picture: np.ndarray, known: np.ndarray) -> float:
    """Return the slope at which both sides of what is not known (H, W), 0..1, fit best."""
    costs = [_mean_difference(_sheared(picture, s), _is_known(_sheared(known, s))) for s in SLOPES]
    costs = np.array(costs) + TILT_COST * np.abs(SLOPES)  # level, where nothing tells
    return float(SLOPES[costs.argmin()])


def _mean_difference(picture: np.ndarray, known: np.ndarray) -> float:
    left, right, inside = _ends(known)
    if not inside.any():
        return 0.0
    apart = _difference(_beside(picture, known), known, left, right)[inside]
    return float(apart.clip(0, ALIKE[1]).mean())


def _trust(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return (H, W) in 0..1 how far to believe that rows go on."""
    left, right, inside = _ends(known)
    beside = _beside(picture, known)
    trust = _falls(_difference(beside, known, left, right), *ALIKE)
    trust = trust * (1 - _stands(picture, beside, known, left, right))
    trust = np.where(inside, trust, 0.0).astype(np.float32)
    height = 2 * round(AROUND_SHARE * max(known.shape)) + 1
    total = cv2.blur(inside.astype(np.float32), (1, height))
    around = cv2.blur(trust, (1, height)) / np.maximum(total, 1e-3)
    return trust * (1 - _falls(around, *AROUND))


def _joined(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return a picture whose rows go on from both ends of what is unknown."""
    left, right, _ = _ends(known)
    columns, rows = np.arange(known.shape[1]), np.arange(known.shape[0])[:, None]
    beside, sides = _beside(picture, known), []
    for end in (left, right):
        mirrored = np.clip(2 * end - columns, 0, known.shape[1] - 1)
        mirrored = np.where(known[rows, mirrored], mirrored, end)
        color, away = beside[rows, end], np.abs(columns - end)[..., None]
        limit = CONTRAST + np.exp(-away / (SEAM_SHARE * max(known.shape)))
        side = color + limit * np.tanh((picture[rows, mirrored] - color) / limit)
        sides.append(side.astype(np.float32))
    joined = sides[0] + _share(left, right) * (sides[1] - sides[0])
    return joined.astype(np.float32)


def _share(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return (H, W, 1) how far a column is from the left end to the right one, eased."""
    share = (np.arange(left.shape[1]) - left) / np.maximum(right - left, 1)
    return (share**2 * (3 - 2 * share)).astype(np.float32)[..., None]


def _ends(known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the columns of the nearest known pixels to the left and right, and where both are."""
    width = known.shape[1]
    columns = np.arange(width)
    left = np.maximum.accumulate(np.where(known, columns, -1), 1)
    right = np.minimum.accumulate(np.where(known, columns, width)[:, ::-1], 1)[:, ::-1]
    inside = ~known & (left >= 0) & (right < width)
    return left.clip(0), right.clip(None, width - 1), inside


def _beside(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) the mean colors of what is known close to the left and right."""
    width = 2 * max(1, round(BAND_SHARE * max(known.shape))) + 1
    weight = cv2.blur(known.astype(np.float32), (width, 1))[..., None]
    found = cv2.blur(np.where(known[..., None], picture, np.float32(0)), (width, 1))
    return found / np.maximum(weight, 1e-3)


def _difference(
    beside: np.ndarray, known: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Return (H, W) how much colors at both ends of what is unknown differ (RMS of some rows)."""
    count, long_side = known.shape[0], max(known.shape)
    height, most = (max(1, round(share * long_side)) for share in (ROWS_SHARE, SHIFT_SHARE))
    height, rows, squared = 2 * height + 1, np.arange(count)[:, None], np.inf
    for shift in range(-most, most + 1):  # of lines that are not quite as level as the others
        other = beside[(rows + shift).clip(0, count - 1), right]
        apart = ((beside[rows, left] - other) ** 2).mean(-1, dtype=np.float32)
        squared = np.minimum(squared, apart)
    unknown = (~known).astype(np.float32)
    total = cv2.blur(unknown, (1, height))
    return np.sqrt((cv2.blur(squared * unknown, (1, height)) / np.maximum(total, 1e-3)).clip(0))


def _stands(
    picture: np.ndarray, beside: np.ndarray, known: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Return (H, W) in 0..1 where what lies above the person is not what both sides have there."""
    height, long_side = known.shape[0], max(known.shape)
    rows, columns = np.arange(height)[:, None], np.arange(known.shape[1])
    top = np.maximum.accumulate(np.where(known, rows, -1), 0)  # the last known row above
    first, last = top.clip(0), (top + 1).clip(None, height - 1)
    ends = left[last, columns], right[last, columns]
    sides = [beside[first, end] for end in ends]
    expected = sides[0] + _share(*ends) * (sides[1] - sides[0])
    apart = ((picture[first, columns] - expected) ** 2).mean(-1, dtype=np.float32)
    soft = 2 * max(1, round(0.01 * long_side)) + 1
    unlike = np.sqrt(cv2.blur(apart, (soft, 1)))
    fades = np.exp(-(((rows - top) / (UPRIGHT_SHARE * long_side)) ** 2))
    return np.where(top >= 0, (1 - _falls(unlike, *FITS)) * fades, 0.0)


def _falls(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return 1 up to a lower bound, 0 from an upper one, smooth between."""
    share = ((high - values) / (high - low)).clip(0, 1)
    return share**2 * (3 - 2 * share)


def _sheared(values: np.ndarray, slope: float) -> np.ndarray:
    """Return (H, W) or (H, W, C) whose lines of a slope are level; 0 beyond the picture."""
    if slope == 0:
        return values
    height, width = values.shape[:2]
    matrix = np.float32([[1, 0, 0], [slope, 1, -slope * width / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(values, matrix, (width, height), flags=flags)
