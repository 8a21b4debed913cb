"""Detect the border of a picture: bars, scan edges, passe-partouts, rounded corners.

A moving camera would show it as a line or a black corner in the middle of the view.
"""

from __future__ import annotations

import cv2
import numpy as np

WORK_PX = 800
"""Long side at which borders are looked for; a hairline of a large scan is still a pixel wide."""
THIN_SHARE = 0.035
HAIR_PX = 3
WIDE_SHARE = 0.25
"""Widest border of any look, and of one flat color on two opposite sides (share of the sides)."""
BLOCKS = 48
"""Parts of a side that each must show the border's inner edge: a real one runs straight along it,
while texture averages out within a part."""
STEP = 0.04
"""Change of color across the edge that counts."""
FLAT = 0.02
"""Mean deviation of a row from a flat color at most."""
STEPPED, CONSISTENT = 0.75, 0.9
"""Share of the parts in which the edge of any border shows; in which that of a flat one does or
the picture beside it has the border's color."""
SHOWN = 0.4
"""Share of the parts in which the edge of a flat border must really show."""
CLEAR = 0.5
"""Elsewhere at most this share of as many parts may show an edge at one depth."""
CORNER_SHARE = 0.06
"""Largest radius of a rounded corner, as a share of the long side."""
CORNER_FIT = 0.9
"""Share of the pixels just inside and outside the arc that must have another and its color."""
SLACK_PX = 2
"""Also trimmed: the edge is soft by resampling and compression."""


def find_inside(picture: np.ndarray) -> tuple[int, int, int, int]:
    """Return the part of a picture inside its border: left, top, right, bottom in pixels.

    Without a border that is the whole picture. A straight edge in the picture itself, such as a
    horizon, a shelf or a door frame, does not count: it is not in the outermost few percent, or
    neither flat outside nor on two sides.

    Args:
        picture: (H, W, 3) uint8 or float in [0, 1].
    """
    height, width = picture.shape[:2]
    scale = min(1.0, WORK_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    if picture.dtype == np.uint8:
        small /= 255
    if min(size) < 2 * BLOCKS:
        return 0, 0, width, height
    insets = np.maximum(_sides(small), _corners(small))
    left, top, right, bottom = (
        int(np.ceil((inset + SLACK_PX) / scale)) if inset else 0 for inset in insets
    )
    return left, top, width - right, height - bottom


def _turned(picture: np.ndarray, side: int) -> np.ndarray:
    """Return the picture with its side 0..3 (left, top, right, bottom) on top, no corner moved."""
    if side % 2 == 0:
        picture = picture.transpose(1, 0, 2)
    return picture[::-1] if side >= 2 else picture


def _sides(picture: np.ndarray) -> list[int]:
    """Return the depth of the border on the left, top, right and bottom."""
    flat, other = [], []
    for side in range(4):
        rows = _turned(picture, side)
        flat_px, any_px = _edges(rows)
        flat.append(flat_px)
        other.append(any_px)
    limit = [THIN_SHARE * len(_turned(picture, side)) for side in range(4)]
    found = []
    for side in range(4):
        wide = flat[side] > limit[side]
        opposite = flat[(side + 2) % 4]
        found.append(0 if wide and not 0.5 < opposite / flat[side] < 2 else flat[side])
    # Of one side alone a strip that is not flat may be a door frame or a table.
    if sum(1 for a, b in zip(found, other) if a or b) >= 2:
        found = [max(a, b) for a, b in zip(found, other)]
    # Nothing in a picture ends along a whole side two pixels before it.
    return [max(a, b if b <= HAIR_PX else 0) for a, b in zip(found, other)]


def _edges(rows: np.ndarray) -> tuple[int, int]:
    """Return the depth below the top of the edge of a flat border, and of any other; 0 = none."""
    deepest = int(WIDE_SHARE * len(rows))
    blocks = cv2.resize(
        rows[: deepest + 4], (BLOCKS, min(len(rows), deepest + 4)), interpolation=cv2.INTER_AREA
    )
    above, below = blocks[:-3], blocks[3:]
    step = np.abs(below - above).max(axis=-1)  # between row d and row d + 3
    stepped = step > STEP
    shown = stepped.mean(axis=1)
    flat_px = any_px = 0
    thin = int(THIN_SHARE * len(rows))
    usual = np.median(shown[thin : 4 * thin]) if len(shown) > 2 * thin else 0.0
    for depth in range(1, deepest):
        color = np.median(blocks[:depth].reshape(-1, 3), axis=0)
        if np.abs(rows[depth - 1] - color).mean() > FLAT:
            break
        same = np.abs(blocks[depth + 2] - color).max(axis=-1) < STEP
        across = np.abs(blocks[depth + 2] - blocks[max(0, depth - 1)]).max(axis=-1) > STEP
        enough = SHOWN if depth <= thin else STEPPED
        if across.mean() > max(enough, usual / CLEAR) and (across | same).mean() > CONSISTENT:
            flat_px = depth
            break
    for depth in range(thin):
        if shown[depth] > max(STEPPED, usual / CLEAR):
            any_px = depth + 2
    return flat_px, any_px


def _corners(picture: np.ndarray) -> int:
    """Return how far to trim each side to remove rounded corners, 0 if there are none."""
    reach = int(CORNER_SHARE * max(picture.shape))
    turned = (picture[::down, ::right] for down in (1, -1) for right in (1, -1))
    corners = [_round_corner(corner[:reach, :reach]) for corner in turned]
    found = [(depth, color) for depth, color in corners if depth]
    for _, color in found:
        depths = [depth for depth, other in found if np.abs(other - color).max() < 2 * STEP]
        # The others may be as dark inside as outside.
        if len(depths) >= 2:
            return max(depths)
    return 0


def _round_corner(corner: np.ndarray) -> tuple[int, np.ndarray]:
    """Return where a rounded corner's arc crosses the diagonal of (n, n, 3), 0 if there is none.

    And the color outside the arc.
    """
    color = corner[SLACK_PX, SLACK_PX]  # the outermost pixels may be resampled
    differs = np.abs(corner - color).max(axis=-1) > 2 * STEP
    diagonal = np.flatnonzero(np.diagonal(differs)[SLACK_PX:])
    if not len(diagonal):
        return 0, color
    depth = int(diagonal[0]) + SLACK_PX
    radius = depth / (1 - np.sqrt(0.5))
    y, x = np.indices(differs.shape) + 0.5
    distance = np.where(
        np.maximum(x, y) < radius, np.hypot(radius - x, radius - y) - radius, np.nan
    )
    outside = ~differs[distance > 0.5]
    inside = differs[(distance < -2) & (distance > -5)]
    if radius > len(corner) or not (outside.size and inside.size):
        return 0, color
    return (depth if min(outside.mean(), inside.mean()) > CORNER_FIT else 0), color
