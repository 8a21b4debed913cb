"""Thin-plate splines: smooth fields that move given points to given places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
        return cls(source, np.linalg.lstsq(system, wanted, rcond=None)[0])

    def __call__(self, at: np.ndarray) -> np.ndarray:
        """Return (N, 2) how far points move."""
        plane = np.concatenate([np.ones((len(at), 1)), at], 1)
        return np.concatenate([_bends(at, self.centers), plane], 1) @ self.weights


def _bends(at: np.ndarray, centers: np.ndarray) -> np.ndarray:
    square = np.square(at[:, None] - centers).sum(-1)
    return square * np.log(square + 1e-12)
