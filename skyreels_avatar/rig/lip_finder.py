"""Correct the inner edges of lips by the teeth that a picture shows.

The face mesh lays the edges of an open mouth up to 0.03 H beside where lips meet teeth; what is
taken for a lip then shows teeth when it shuts.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from skyreels_avatar.rig.geometry import (
    INNER_LOWER,
    INNER_UPPER,
    OUTER_LOWER,
    OUTER_UPPER,
    FaceFrame,
    lip_gap,
)
from skyreels_avatar.rig.source_teeth import whiteness

FURTHEST = 0.035  # of H that an edge is moved
STEPS = 29  # looked at on either side of an edge
LEAST_GAP = 0.02  # of H: below, there is nothing to see between the lips
CONTRAST = 1.5  # of teeth to lips, in whiteness: with less of it nothing is told
THICKEST = 0.6  # share of the lip that an edge may cross


def correct_lips(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (478, 3) landmarks whose inner lip edges lie where teeth end.

    Args:
        pixels: (H, W, 3) uint8.
        landmarks: (478, 3) pixels of the face mesh; returned as they are where no teeth are seen.
    """
    frame = FaceFrame.of(torch.from_numpy(landmarks).float()[None])
    if float(lip_gap(frame.points)) < LEAST_GAP:
        return landmarks
    flat = frame.points[0, :, :2]
    moved = landmarks.copy()
    edges = (INNER_UPPER, OUTER_UPPER, -1.0), (INNER_LOWER, OUTER_LOWER, 1.0)
    teeth = _teeth(pixels, frame, flat)
    for inner, outer, outwards in edges:
        inner, outer = list(inner[1:-1]), list(outer[1:-1])
        across = (outer_y := flat[outer, 1]) - flat[inner, 1]
        lip = _white(pixels, frame, torch.stack([flat[inner, 0], outer_y - 0.4 * across], -1))
        level = (float(lip.median()) + teeth) / 2
        if teeth < CONTRAST * float(lip.median()):
            continue
        steps = torch.linspace(-FURTHEST, FURTHEST, 2 * STEPS + 1)
        rows = flat[inner, 1, None] + outwards * steps  # 9 columns, from the inside outwards
        columns = flat[inner, 0, None].expand_as(rows)
        is_teeth = _white(pixels, frame, torch.stack([columns, rows], -1)) > level
        shift = _crossings(is_teeth) * (FURTHEST / STEPS)
        shift = shift.clamp_max(THICKEST * float(across.abs().median()))
        shift = _smoothed(shift)
        to = torch.stack([flat[inner, 0], flat[inner, 1] + outwards * shift], -1)
        moved[inner, :2] = frame.to_pixels(to[None])[0].numpy()
    return moved


def _teeth(pixels: np.ndarray, frame: FaceFrame, flat: torch.Tensor) -> float:
    """Return how white the brighter half of what lies between the lips is."""
    upper, lower = (flat[list(edge[2:-2])] for edge in (INNER_UPPER, INNER_LOWER))
    shares = torch.linspace(0.15, 0.7, 12)[:, None, None]
    return float(_white(pixels, frame, upper + shares * (lower - upper)).quantile(0.75))


def _white(pixels: np.ndarray, frame: FaceFrame, points: torch.Tensor) -> torch.Tensor:
    """Return the whiteness of a picture at (..., 2) face coordinates."""
    at = frame.to_pixels(points.reshape(1, -1, 1, 2))[0].numpy() - 0.5
    found = cv2.remap(pixels, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return whiteness(torch.from_numpy(found).float() / 255, -1).reshape(points.shape[:-1])


def _crossings(is_teeth: torch.Tensor) -> torch.Tensor:
    """Return (K,) steps from the edge, the middle of (K, 2 n + 1), to where its teeth end.

    0 where the edge parts no teeth from a lip: a dark gap lies inside of it, or teeth go on.
    """
    middle = is_teeth.shape[1] // 2
    found = []
    for column in is_teeth.tolist():
        step = middle
        if column[step]:
            while step < 2 * middle and column[step]:
                step += 1
            ended = not column[step]
        else:
            while step > 0 and not column[step]:
                step -= 1
            ended = column[step] and middle - step <= middle // 3
        found.append(float(step - middle) if ended else 0.0)
    return torch.tensor(found)


def _smoothed(shift: torch.Tensor) -> torch.Tensor:
    """Return shifts of neighbors brought together, falling to the corners, which stay."""
    padded = torch.cat([shift.new_zeros(1), shift, shift.new_zeros(1)])
    median = padded.unfold(0, 3, 1).median(-1).values
    padded = torch.cat([shift.new_zeros(1), median, shift.new_zeros(1)])
    return padded.unfold(0, 3, 1) @ shift.new_tensor([0.25, 0.5, 0.25])
