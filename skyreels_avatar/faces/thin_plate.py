"""Thin-plate splines: smooth fields that move given points to given places."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

PIECE = 512  # points whose distances are computed at once: they stay in the cache


@dataclass(frozen=True)
class ThinPlateSpline:
    """A smoothing thin-plate spline that moves points (N, 2).

    Attributes:
        centers: (K, 2) that it was fitted to.
        weights: (K + 3, 2).
    """

    centers: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, source: np.ndarray, target: np.ndarray, stiffness: np.ndarray) -> ThinPlateSpline:
        """Fit one that moves source (K, 2) to target (K, 2), the less exactly the stiffer."""
        number = len(source)
        plane = np.concatenate([np.ones((number, 1)), source], 1)
        system = np.zeros((number + 3, number + 3))
        system[:number, :number] = _bends(source, source) + np.diag(stiffness)
        system[:number, number:], system[number:, :number] = plane, plane.T
        wanted = np.concatenate([target - source, np.zeros((3, 2))])
        try:
            weights = np.linalg.solve(system, wanted)
        except np.linalg.LinAlgError:  # places told twice without stiffness, or all on a line
            weights = np.linalg.lstsq(system, wanted, rcond=None)[0]
        return cls(source, weights)

    def __call__(self, at: np.ndarray) -> np.ndarray:
        """Return (N, 2) how far points move; single precision where at is."""
        number = len(self.centers)
        centers, weights = self.centers.astype(at.dtype), self.weights.astype(at.dtype)
        moves = weights[number] + at @ weights[number + 1 :]
        for start in range(0, len(at), PIECE):
            part = slice(start, start + PIECE)
            moves[part] += _bends(at[part], centers) @ weights[:number]
        return moves


def _bends(at: np.ndarray, centers: np.ndarray) -> np.ndarray:
    square = at[:, :1] - centers[:, 0]
    square *= square
    down = at[:, 1:] - centers[:, 1]
    down *= down
    square += down
    square += square.dtype.type(1e-12)
    square *= cv2.log(square)  # vectorized for both precisions
    return square
