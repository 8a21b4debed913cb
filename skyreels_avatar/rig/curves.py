"""Smooth curves, coverage between two of them, and pixel boxes round landmarks."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.geometry import FaceFrame

STEEPEST = 5.0  # rise of an edge that is still drawn soft
Box = tuple[slice, slice, slice, slice]


def refine(values: torch.Tensor, factor: int = 4) -> torch.Tensor:
    """Insert points into (F, K) samples of a smooth curve (Catmull-Rom), ends kept."""
    padded = torch.cat(
        [2 * values[:, :1] - values[:, 1:2], values, 2 * values[:, -1:] - values[:, -2:-1]], 1
    )
    a, b, c, d = padded[:, :-3], padded[:, 1:-2], padded[:, 2:-1], padded[:, 3:]
    pieces = []
    for step in range(factor):
        t = step / factor
        pieces.append(
            b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
        )
    return torch.cat([torch.stack(pieces, -1).flatten(1), values[:, -1:]], 1)


def coverage(
    y: torch.Tensor,
    upper: torch.Tensor,
    lower: torch.Tensor,
    pixel: torch.Tensor | tuple[torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """Return (F, N) the share of a pixel-high span at rows y that lies between two edges.

    Args:
        pixel: its height, or that at the upper and that at the lower edge: see `steepness`.
    """
    above, below = pixel if isinstance(pixel, tuple) else (pixel, pixel)
    under = ((y - upper) / above + 0.5).clamp(0.0, 1.0)
    return (under + ((lower - y) / below + 0.5).clamp_max(1.0) - 1).clamp_min(0.0)


def steepness(columns: torch.Tensor, curve: torch.Tensor) -> torch.Tensor:
    """Return (F, K) how many pixels high a pixel-wide edge is along a curve (F, K): at least 1."""
    rise = (curve[:, 1:] - curve[:, :-1]) / (columns[:, 1:] - columns[:, :-1])
    steepest = torch.maximum(F.pad(rise.abs(), (1, 0)), F.pad(rise.abs(), (0, 1)))
    return (1 + steepest.clamp_max(STEEPEST) ** 2).sqrt()


def pixel_box(
    moved: torch.Tensor, frame: FaceFrame, margin: float, height: int, width: int
) -> Box | None:
    """Return all frames and channels, the rows and the columns round (F, N, 2) pixels.

    None if nothing of it lies in height x width.

    Args:
        margin: of H.
    """
    pad = margin * float(frame.height_px.amax())
    low, high = moved.amin((0, 1)) - pad, moved.amax((0, 1)) + pad
    left, top = max(0, int(low[0])), max(0, int(low[1]))
    right, bottom = min(width, int(high[0]) + 1), min(height, int(high[1]) + 1)
    if right - left < 2 or bottom - top < 2:
        return None
    return slice(None), slice(None), slice(top, bottom), slice(left, right)


def enclosing_box(boxes: Iterable[Box]) -> Box | None:
    """Return the smallest box of all frames that holds others; None without any."""
    sides = list(zip(*(box[2:] for box in boxes)))
    if not sides:
        return None
    rows, columns = (
        slice(min(one.start for one in side), max(one.stop for one in side)) for side in sides
    )
    return slice(None), slice(None), rows, columns


def inside(outer: Box, box: Box) -> Box:
    """Return where a box lies in the pixels of a box of all frames that holds it."""
    rows, columns = (
        slice(one.start - whole.start, one.stop - whole.start)
        for one, whole in zip(box[2:], outer[2:])
    )
    return (*box[:2], rows, columns)


def box_pixels(box: Box, like: torch.Tensor) -> torch.Tensor:
    """Return (1, h, w, 2) coordinates x, y of the pixel centers (+0.5) of a box."""
    rows, columns = (
        torch.arange(side.start, side.stop, device=like.device) + 0.5 for side in box[2:]
    )
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], -1)[None]


def overlap(first: Box | None, second: Box | None) -> bool:
    """Tell whether two boxes have pixels in common; None has none."""
    if first is None or second is None:
        return False
    sides = zip(first[2:], second[2:])
    return all(one.start < other.stop and other.start < one.stop for one, other in sides)
