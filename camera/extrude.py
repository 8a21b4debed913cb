"""Extrapolate a picture beyond its sides along its own lines, such as folds, lapels and stripes.

Copied patches would repeat unique details (a collar, letters) and mirror slanting lines; here each
row outside is the row at the side, shifted along the lines that end there, and only the fine
texture between the lines is repeated.
"""

from __future__ import annotations

import cv2
import numpy as np

BAND_SHARE = 0.08
"""Lines and texture are those of a band this share of the long side wide."""
SPAN_SHARE = 0.02
"""Lines are followed, and colors averaged along them, over this share of the long side."""
MAX_SLOPE = 1.2
"""Flattest lines that are followed, in pixels along the side per pixel away from it."""
NOISE = 0.004
"""Mean gradient below which there is no line."""
EVEN = 2.0
"""Texture is kept up to this multiple of its median size: what is larger is seen once."""
FADE_SHARE = 0.4
"""The seam itself is exact; over this share of the span the limit on texture sets in."""
FAINT = 0.03
"""Texture weaker than this does not count against lines."""
TEXTURED, LINED = 0.4, 0.7
"""Up to this share of what varies, and from this share on, lines explain nothing and all."""


def extrude(picture: np.ndarray, pads: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Extrapolate a picture beyond its sides.

    Args:
        picture: (H, W, 3) float32.
        pads: pixels above, below, on the left and on the right.

    Returns:
        (above + H + below, left + W + right, 3) float32, equal to `picture` where that lies, and
        (same, same) float32: 1 where lines end at the side that explain the picture beside it, 0
        where it is all texture.
    """
    above, below, left, right = pads
    picture = np.concatenate([picture, np.ones_like(picture[..., :1])], axis=-1)
    long_side = max(picture.shape)
    picture = np.concatenate([picture, _beyond(picture[::-1], below, long_side)])
    picture = np.concatenate(
        [_beyond(picture[: picture.shape[0] - below], above, long_side)[::-1], picture]
    )
    turned = picture.transpose(1, 0, 2)
    on_right = _beyond(turned[::-1], right, long_side).transpose(1, 0, 2)
    on_left = _beyond(turned, left, long_side)[::-1].transpose(1, 0, 2)
    picture = np.concatenate([on_left, picture, on_right], axis=1)
    return np.ascontiguousarray(picture[..., :3]), np.ascontiguousarray(picture[..., 3])


def _beyond(rows: np.ndarray, count: int, long_side: int) -> np.ndarray:
    """Return the rows (count, W, 4) outside the first one, nearest first.

    The fourth channel tells how far lines explain them, and is passed on, not made, beyond
    corners.
    """
    band = min(len(rows), max(8, round(BAND_SHARE * long_side)))
    rows = np.ascontiguousarray(rows[:band], np.float32)
    if count == 0 or band < 3:
        return np.repeat(rows[:1], count, axis=0)
    span = max(2.0, SPAN_SHARE * long_side)
    rows, certain = np.ascontiguousarray(rows[..., :3]), rows[0, :, 3]
    slope = _slope(rows, span)
    columns = np.arange(rows.shape[1], dtype=np.float32)
    depths = np.arange(band, dtype=np.float32)[:, None]
    # Along the lines, so that each column is one line.
    straight = cv2.remap(
        rows, columns - slope * depths, depths + 0 * columns, cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    lines = cv2.GaussianBlur(straight, (1, 2 * round(2 * span) + 1), sigmaX=1e-3, sigmaY=span)
    texture = straight - lines
    distance = np.arange(count, dtype=np.float32)[:, None]
    mirrored = (band - 1) - np.abs((band - 1) - np.arange(count) % (2 * band - 2))
    limit = (
        EVEN * np.median(np.abs(texture))
        + 1e-3
        + np.exp(-distance / (FADE_SHARE * span))[..., None]
    )
    repeated = limit * np.tanh(texture[mirrored] / limit)
    start = [
        np.interp(columns, np.maximum.accumulate(columns + slope * d), columns)
        for d in distance[:, 0]
    ]
    start = np.float32(start)
    # What ends within the band, a logo or a button, must not become a streak.
    lasting = np.exp(-distance / span)[..., None]
    ahead = lasting * lines[:1] + (1 - lasting) * straight.mean(axis=0)
    certain = certain * _explained(straight, span)
    beyond = np.empty((*start.shape, 4), np.float32)
    beyond[..., 3] = np.interp(start, columns, certain)
    beyond[..., :3] = cv2.remap(
        ahead + repeated, start, distance + 0 * start, cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return beyond


def _explained(straight: np.ndarray, span: float) -> np.ndarray:
    """Return 0 to 1 (W,): how far the picture beside a side consists of lines that end there.

    Args:
        straight: (band, W, 3) with each line in a column; one that ends within the band is none.
    """

    def energy(values: np.ndarray) -> np.ndarray:
        mean = (values**2).mean(axis=(0, 2))[None]
        return cv2.GaussianBlur(mean, (0, 0), 2 * span, borderType=cv2.BORDER_REPLICATE)[0]

    lines = straight.mean(axis=0, keepdims=True)
    wide = cv2.GaussianBlur(lines, (0, 0), sigmaX=4 * span, sigmaY=1e-3)
    along, rest = energy(lines - wide) + FAINT**2, energy(straight - lines)
    share = along / (along + rest)
    return ((share - TEXTURED) / (LINED - TEXTURED)).clip(0, 1).astype(np.float32)


def _slope(rows: np.ndarray, span: float) -> np.ndarray:
    """Return how far lines move along the side per row away from it, (W,) float32."""
    soft = cv2.GaussianBlur(rows, (0, 0), 1.5)
    across = cv2.Scharr(soft, cv2.CV_32F, 1, 0, scale=1 / 32)
    inward = cv2.Scharr(soft, cv2.CV_32F, 0, 1, scale=1 / 32)
    weight = np.exp(-np.arange(len(rows), dtype=np.float32) / span)[:, None, None]
    weight = weight / weight.sum()
    both = (weight * across * inward).sum((0, 2))
    alone = (weight * across * across).sum((0, 2))
    both, alone = (
        cv2.GaussianBlur(v[None], (0, 0), span, borderType=cv2.BORDER_REPLICATE)[0]
        for v in (both, alone)
    )
    return (both / (alone + NOISE**2)).clip(-MAX_SLOPE, MAX_SLOPE)
