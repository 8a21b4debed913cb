"""The fast renderer: inverse flow from a target camera to a layer, on a coarse grid.

The depth of a layer is smooth, so its inverse flow is smooth, too: it is solved at every eighth
pixel and upsampled, and one resampling at full resolution draws the layer. The exact twin is
`camera.rasterizer.rasterize` on the same layer.
"""

from __future__ import annotations

import cv2
import numpy as np

CELL_PX = 8
ITERATIONS = 8
CONVERGED_PX = 0.002
MAX_SHIFT_SLOPE = 0.5
"""Steepest change of parallax, in pixels per pixel, that is kept: the iteration below halves its
error in each round or better, and a depth jump becomes a ramp instead of a tear."""


class InverseFlow:
    """Solves the inverse flow of one layer: the source position of each target pixel."""

    def __init__(
        self, inverse_depth: np.ndarray, margin: int, intrinsics: np.ndarray, baseline: float
    ):
        """Prepare a layer.

        Args:
            inverse_depth: (H + 2 margin, W + 2 margin) float32.
            margin: pixels by which the canvas is larger than the picture on each side.
            intrinsics: (3, 3) of the source picture.
            baseline: furthest distance of any camera on the path from the source camera.
        """
        height, width = inverse_depth.shape
        self.margin = margin
        self.size = (height - 2 * margin, width - 2 * margin)
        coarse = (max(2, round(width / CELL_PX)), max(2, round(height / CELL_PX)))
        self.cell = np.float64([width / coarse[0], height / coarse[1]])
        self.inverse_depth = cv2.resize(inverse_depth, coarse, interpolation=cv2.INTER_AREA)
        self.intrinsics = intrinsics.astype(np.float64)
        shift_px = baseline * float(intrinsics[0, 0])  # parallax per unit of inverse depth
        if shift_px > 0:
            slope = MAX_SHIFT_SLOPE / shift_px
            self.inverse_depth = _limit_slope(self.inverse_depth, slope * self.cell)
        self._flat = self.inverse_depth.reshape(-1)
        self._median_depth = 1 / float(np.median(self.inverse_depth))
        self.targets = _target_grid(self.size)

    def coarse_map(self, intrinsics: np.ndarray, extrinsics: np.ndarray) -> np.ndarray:
        """Return the source position (h, w, 2), in picture pixels, of each grid point.

        Walks along each target ray: guess a depth, look where that point lies in the source, take
        the source's depth there, repeat.

        Args:
            intrinsics: (3, 3) of the target camera.
            extrinsics: (4, 4) world-to-camera of the target camera.
        """
        rotation = extrinsics[:3, :3].astype(np.float64).T
        center = -rotation @ extrinsics[:3, 3].astype(np.float64)
        focal, principal = self._split(self.intrinsics)
        target_focal, target_principal = self._split(intrinsics.astype(np.float64))
        rays = (self.targets - target_principal) / target_focal
        # Axes apart and contiguous: strides would cost most of the time on arrays this small.
        rays = np.ascontiguousarray(np.moveaxis(rays @ rotation[:, :2].T + rotation[:, 2], -1, 0))
        # Single precision from here on: to 1e-4 of a pixel, in three quarters of the time.
        slope, depth = np.float32(rays[:2] / rays[2]), np.float32(self._median_depth)
        center = np.float32(center)
        focal, principal, origin = (
            np.float32(v)[:, None, None] for v in (focal, principal, center[:2])
        )
        source = np.full_like(slope, np.inf)
        for _ in range(ITERATIONS):
            # At this depth along its ray a point lies at slope * (depth - center) + center.
            point = slope * (depth - center[2]) + origin
            before, source = source, point * (focal / depth) + principal
            if np.abs(source - before).max() < CONVERGED_PX:
                break
            depth = 1 / self._sample(*source)
        return np.ascontiguousarray(np.moveaxis(source, 0, -1))

    def enlarged(self, coarse: np.ndarray, scale: int = 1) -> np.ndarray:
        """Return the positions x, y (H, W, 2) float32 on a canvas `scale` times as fine, from 0."""
        height, width = self.size
        rows, columns = coarse.shape[:2]
        # Linear: OpenCV's cubic kernel (a = -0.75) would bend an even slope by half a pixel.
        full = cv2.resize(
            (scale * (coarse + (self.margin - 0.5))).astype(np.float32),
            (columns * CELL_PX, rows * CELL_PX),
            interpolation=cv2.INTER_LINEAR,
        )
        return full[CELL_PX : CELL_PX + height, CELL_PX : CELL_PX + width]

    def of_cells(self, coarse: np.ndarray, scale: int = 1) -> np.ndarray:
        """Return `enlarged` at the first pixel of each cell alone, (h, w, 2) float32."""
        corner = 0.5 + 0.5 / CELL_PX  # of the way from the middle of the cell before
        positions = scale * (coarse + (self.margin - 0.5))
        positions = positions[:-1] + corner * (positions[1:] - positions[:-1])
        positions = positions[:, :-1] + corner * (positions[:, 1:] - positions[:, :-1])
        height, width = (-(-side // CELL_PX) for side in self.size)
        return np.ascontiguousarray(positions[:height, :width], np.float32)

    @staticmethod
    def _split(intrinsics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.diagonal(intrinsics)[:2], intrinsics[:2, 2]

    def _sample(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the layer's inverse depth, bilinear, at picture positions (h, w).

        Not cv2.remap: it rounds positions to 1/32 of a cell, which would tremble in slow moves.
        """
        rows, columns = self.inverse_depth.shape
        cell = np.float32(self.cell)
        x = ((x + self.margin) / cell[0] - 0.5).clip(0, columns - 1)
        y = ((y + self.margin) / cell[1] - 0.5).clip(0, rows - 1)
        left, top = (
            np.minimum(x.astype(np.intp), columns - 2),
            np.minimum(y.astype(np.intp), rows - 2),
        )
        x, y = x - left.astype(np.float32), y - top.astype(np.float32)
        index = top * columns + left
        upper_left, upper_right, lower_left, lower_right = (
            self._flat[offset:].take(index) for offset in (0, 1, columns, columns + 1)
        )
        upper = upper_left + (upper_right - upper_left) * x
        lower = lower_left + (lower_right - lower_left) * x
        return upper + (lower - upper) * y


def _target_grid(size: tuple[int, int]) -> np.ndarray:
    """Return the centers (h, w, 2) of the picture's cells and of one ring of cells around."""
    height, width = size
    rows = (np.arange(-1, -(-height // CELL_PX) + 1) + 0.5) * CELL_PX
    columns = (np.arange(-1, -(-width // CELL_PX) + 1) + 0.5) * CELL_PX
    return np.stack(np.meshgrid(columns, rows), axis=-1)


def _limit_slope(inverse_depth: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Raise inverse depth beside near surfaces until it changes by at most `step` per cell.

    Near surfaces keep their place; what is behind them bends towards them.
    """
    step_x, step_y = (np.float32(v) for v in step)
    limited = inverse_depth.astype(np.float32)
    for _ in range(max(limited.shape)):
        before = limited
        limited = limited.copy()
        limited[:, 1:] = np.maximum(limited[:, 1:], before[:, :-1] - step_x)
        limited[:, :-1] = np.maximum(limited[:, :-1], before[:, 1:] - step_x)
        limited[1:] = np.maximum(limited[1:], before[:-1] - step_y)
        limited[:-1] = np.maximum(limited[:-1], before[1:] - step_y)
        if np.array_equal(limited, before):
            break
    return limited
