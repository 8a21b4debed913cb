"""Orientation and pixel aspect of stored frames."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.sidedata.sidedata import Type

# Wider or narrower pixels are a damaged header.
_MAX_PIXEL_ASPECT = 4


@dataclass(frozen=True)
class Orientation:
    """One of the eight orientations of a picture.

    Attributes:
        transpose: rows become columns, before anything is mirrored.
        mirror_x, mirror_y: left and right, top and bottom change places.
    """

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @classmethod
    def of_matrix(cls, matrix: np.ndarray) -> Orientation:
        """Return the nearest orientation of a display matrix.

        Args:
            matrix: (9,) int32 as in ISO/IEC 14496-12: x' = a x + c y + .., y' = b x + d y + ..,
                stored as a, b, u, c, d, v, x, y, w.
        """
        a, b, c, d = (float(matrix[i]) for i in (0, 1, 3, 4))
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(True, c < 0, b < 0)
        return cls(False, a < 0, d < 0)

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Return (H, W, 3) as it is shown."""
        if self.transpose:
            pixels = pixels.swapaxes(0, 1)
        return pixels[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1]


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Return how players orient a frame."""
    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return Orientation()
    return Orientation.of_matrix(np.frombuffer(bytes(matrix), "=i4"))


def square_size(height: int, width: int, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Return height and width with square pixels; the side that is too short grows.

    Args:
        pixel_aspect: width of a pixel / its height; None, 0 and what cannot be count as 1.
    """
    aspect = Fraction(pixel_aspect or 1)
    if aspect == 1 or not 1 / _MAX_PIXEL_ASPECT <= aspect <= _MAX_PIXEL_ASPECT:
        return height, width
    if aspect > 1:
        return height, 2 * round(width * aspect / 2)
    return 2 * round(height / aspect / 2), width
