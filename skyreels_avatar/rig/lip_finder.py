"""Correct the inner edges of lips by the teeth and the dark that a picture shows between them.

The face mesh lays the edges of an open mouth up to 0.03 H beside where lips meet teeth, and its
corners up to 0.05 H beside where they are; what is taken for a lip then shows teeth when it shuts.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from skyreels_avatar.rig.curves import refine
from skyreels_avatar.rig.geometry import (
    INNER_LOWER,
    INNER_UPPER,
    OUTER_LOWER,
    OUTER_UPPER,
    FaceFrame,
    head_turn,
    interpolate_columns,
    lip_gap,
)
from skyreels_avatar.rig.source_teeth import whiteness

FURTHEST = 0.035  # of H that an edge is moved
STEPS = 29  # looked at on either side of an edge
LEAST_GAP = 0.02  # of H: below, there is nothing to see between the lips
CONTRAST = 1.5  # of teeth to lips, in whiteness: with less of it nothing is told
DARK = 0.5  # of the lips' light: what lies between lips is not a darker lip
DARK_SHARE = 0.4  # of the way from the dark to a lip's light: what is darker is no lip
DARK_COLUMN = 0.7  # of the usual light of a lip: what shade one column of it has at most
THICKEST = 0.6  # share of the lip that an edge may cross
CORNER_GAP = 0.05  # of H: in a lower mouth corners are lines
CORNER = (-0.03, 0.05)  # of H that a corner is moved outwards and inwards
CORNER_ROWS = 0.012  # of H above and below a corner that are looked at
CORNER_TALL = 0.5  # share of them that is dark: less is a line drawn on from the corner
# Columns looked at round each lip point, and from one to the next.
WINDOW, WINDOW_STEP = 9, 4
# Share of them that has to end further in before an edge is moved inwards: what lies below the tips
# of teeth goes with the lower lip in any case, but tips taken for a lip are a row of dots on it.
FURTHER_IN = (0.5, 0.8)
FAR_SIDE = 0.3  # radians: of a head turned further, what lies beyond the dark at its far side


def correct_lips(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (478, 3) landmarks whose inner lip edges lie where teeth and the dark end.

    Args:
        pixels: (H, W, 3) uint8.
        landmarks: (478, 3) pixels of the face mesh; returned as they are where nothing is told.
    """
    frame = FaceFrame.of(torch.from_numpy(landmarks).float()[None])
    gap = float(lip_gap(frame.points))
    if gap < LEAST_GAP:
        return landmarks
    flat = frame.points[0, :, :2].clone()
    inside = _Inside.of(pixels, frame, flat)
    for corner, other, outwards in ((0, -1, -1.0), (-1, 0, 1.0)) if gap > CORNER_GAP else ():
        shift = inside.corner(flat[INNER_UPPER[corner]], outwards)
        _move_corner(flat, corner, other, outwards * shift)
    steps = torch.linspace(-FURTHEST, FURTHEST, 2 * STEPS + 1)
    for layer, (edge, outer, outwards) in enumerate(_EDGES):
        edge, outer = list(edge[1:-1]), list(outer[1:-1])
        thickness = float((flat[outer, 1] - flat[edge, 1]).abs().median())
        columns, rows = refine(flat[edge].T)  # 33, so that tips of teeth are told
        rows = rows[:, None] + outwards * steps  # from the inside outwards
        columns = columns[:, None].expand_as(rows)
        shift = _crossings(inside.at(torch.stack([columns, rows], -1), layer))
        shift = (shift * (FURTHEST / STEPS)).clamp_max(THICKEST * thickness)
        flat[edge, 1] += outwards * _smoothed(shift, FURTHER_IN[layer])
    moved, changed = landmarks.copy(), sorted({*INNER_UPPER, *INNER_LOWER})
    changed = [i for i in changed if bool((flat[i] != frame.points[0, i, :2]).any())]
    moved[changed, :2] = frame.to_pixels(flat[None, changed])[0].numpy()
    return moved


_EDGES = (INNER_UPPER, OUTER_UPPER, -1.0), (INNER_LOWER, OUTER_LOWER, 1.0)


@dataclass(frozen=True)
class _Inside:
    """Tells what lies between lips from the lips.

    Attributes:
        pixels, frame: of the picture.
        white: (2,) from which whiteness on it is teeth beside the upper, the lower lip.
        dark: (2, 9) below which light it is the dark, at the columns of the inner lip points.
    """

    pixels: np.ndarray
    frame: FaceFrame
    white: torch.Tensor
    dark: torch.Tensor

    @classmethod
    def of(cls, pixels: np.ndarray, frame: FaceFrame, flat: torch.Tensor) -> _Inside:
        upper, lower = (flat[list(edge[2:-2])] for edge in (INNER_UPPER, INNER_LOWER))
        shares = torch.linspace(0.15, 0.7, 12)[:, None, None]
        between = _colors(pixels, frame, upper + shares * (lower - upper))
        teeth = whiteness(between, -1).quantile(0.75)  # the brighter half
        darkest = between.mean(-1).quantile(0.15)
        white, dark = [], []
        for edge, outer, _ in _EDGES:
            inner, outer = flat[list(edge[1:-1])], flat[list(outer[1:-1])]
            rows = 0.6 * outer[:, 1] + 0.4 * inner[:, 1]
            lip = _colors(pixels, frame, torch.stack([inner[:, 0], rows], -1))
            level, light = whiteness(lip, -1).median(), lip.mean(-1)
            told = teeth >= CONTRAST * level
            white.append((level + teeth) / 2 if told else teeth.new_tensor(torch.inf))
            usual = light.median()
            light = light.clamp(DARK_COLUMN * usual, usual)
            told = darkest < DARK * usual
            dark.append(torch.lerp(darkest, light, DARK_SHARE) if told else torch.zeros_like(light))
        return cls(pixels, frame, torch.stack(white), torch.stack(dark))

    def at(self, points: torch.Tensor, layer: int) -> torch.Tensor:
        """Return bool (33, K) of (33, K, 2) face coordinates, columns from corner to corner."""
        colors = _colors(self.pixels, self.frame, points)
        dark = colors.mean(-1) < refine(self.dark[layer, None])[0, :, None]
        return (whiteness(colors, -1) > self.white[layer]) | dark

    def corner(self, place: torch.Tensor, outwards: float) -> float:
        """Return how far outwards, in H, the dark between the lips ends beside a corner (2,)."""
        if not bool((self.dark > 0).all()):
            return 0.0
        steps = torch.linspace(-CORNER[1], -CORNER[0], 46)  # from the inside outwards
        rows = torch.linspace(-CORNER_ROWS, CORNER_ROWS, 7)
        x = (place[0] + outwards * steps)[:, None].expand(-1, len(rows))
        y = (place[1] + rows).expand_as(x)
        end = 0 if outwards < 0 else -1
        light = _colors(self.pixels, self.frame, torch.stack([x, y], -1)).mean(-1)
        dark = light < self.dark[:, end].mean()
        if not bool(dark[0].any()):
            return 0.0
        bright = dark.float().mean(1) < CORNER_TALL
        further = float(steps[int(bright.float().argmax())]) if bool(bright.any()) else 0.0
        if further > 0:
            return further
        lined = dark.any(1) & (steps <= 0)
        hidden = outwards * float(head_turn(self.frame.points)) > FAR_SIDE  # teeth, not a lip
        return 0.0 if hidden else float(steps[int(lined.nonzero()[-1])])


def _move_corner(flat: torch.Tensor, corner: int, other: int, shift: float) -> None:
    """Move one corner of the inner lips across, in place, and what lies between along with it."""
    if not shift:
        return
    fixed = flat[INNER_UPPER[other], 0].clone()
    for edge in (INNER_UPPER, INNER_LOWER):
        points = flat[list(edge)]
        old = points[:, 0].clone()
        share = (old - fixed) / (old[corner] - fixed)
        new = old + share * shift
        order = slice(None) if old[-1] > old[0] else slice(None, None, -1)
        rows = interpolate_columns(new[None], old[order][None], points[order, 1][None])[0]
        rows[corner] = points[corner, 1]
        flat[list(edge[1:-1])] = torch.stack([new, rows], -1)[1:-1]
    flat[INNER_UPPER[corner], 0] += shift


def _colors(pixels: np.ndarray, frame: FaceFrame, points: torch.Tensor) -> torch.Tensor:
    """Return the colors (..., 3) in [0, 1] of a picture at (..., 2) face coordinates."""
    at = frame.to_pixels(points.reshape(1, -1, 1, 2))[0].numpy() - 0.5
    found = cv2.remap(pixels, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return torch.from_numpy(found).float().reshape(*points.shape[:-1], 3) / 255


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


def _smoothed(shift: torch.Tensor, share: float) -> torch.Tensor:
    """Return (9,) of (33,) shifts, neighbors brought together; the corners stay.

    Args:
        share: of the columns round each that have to end further in, where it is moved inwards.
    """
    padded = F.pad(shift, (WINDOW // 2, WINDOW // 2))
    near = padded.unfold(0, WINDOW, WINDOW_STEP)
    inwards = near.quantile(share, -1).clamp_max(0.0)
    padded = F.pad(torch.maximum(near.quantile(0.5, -1), inwards), (1, 1))
    return padded.unfold(0, 3, 1) @ shift.new_tensor([0.25, 0.5, 0.25])
