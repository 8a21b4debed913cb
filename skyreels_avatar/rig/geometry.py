"""Landmark tables of the face mesh, and face coordinates.

Indices are those of the 478-point face mesh (mediapipe). "Right" and "left" are the person's own:
the right eye is on the left of the picture. Face coordinates have their origin at the midpoint of
the mouth corners, x to the right of the picture across the face, y down the face, in units of the
face height H (points 10 to 152); z in the same unit, smaller is nearer.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
import torch.nn.functional as F

Part = TypeVar("Part")

INNER_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
OUTER_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
OUTER_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
GAP_PAIRS = ((13, 14), (82, 87), (312, 317))
MOUTH_CORNERS = (61, 291)
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
# Landmarks that make the relief of a head: its edge, the nose, eyes, brows, cheeks, lips, chin.
RELIEF_POINTS = (
    *FACE_OVAL, 1, 4, 5, 195, 197, 6, 168, 8, 9, 151, 2, 98, 327, 48, 278, 45, 275, 220, 440, 114,
    343, 33, 133, 362, 263, 159, 145, 386, 374, 130, 359, 70, 105, 107, 300, 334, 336, 50, 280, 205,
    425, 101, 330, 187, 411, 117, 346, 36, 266, 118, 347, 123, 352, 61, 291, 0, 17, 13, 14, 37, 267,
    84, 314, 199, 175, 200, 57, 287, 212, 432, 192, 416, 108, 337, 69, 299, 104, 333,
)  # fmt: skip
# Per eye: upper lid edge, lower lid edge, fold under the brow, bag under the eye; each runs from
# the left to the right of the picture.
EYES = (
    (
        (33, 246, 161, 160, 159, 158, 157, 173, 133),
        (33, 7, 163, 144, 145, 153, 154, 155, 133),
        (226, 225, 224, 224, 223, 222, 221, 221, 244),
        (226, 31, 228, 229, 230, 231, 232, 233, 244),
    ),
    (
        (362, 398, 384, 385, 386, 387, 388, 466, 263),
        (362, 382, 381, 380, 374, 373, 390, 249, 263),
        (464, 441, 441, 442, 443, 444, 444, 445, 446),
        (464, 453, 452, 451, 450, 449, 448, 261, 446),
    ),
)
IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))
BROWS = ((70, 63, 105, 66, 107), (300, 293, 334, 296, 336))
# Upper and lower edge of each brow, from the left to the right of the picture.
BROW_EDGES = (
    ((70, 63, 105, 66, 107), (46, 53, 52, 65, 55)),
    ((336, 296, 334, 293, 300), (285, 295, 282, 283, 276)),
)
INNER_BROWS = ((107, 55), (336, 285))
CHEEKS = (50, 280)
NOSE_WINGS = (98, 327)
# A lip gap below this (of H) is the face mesh's own noise on a shut mouth.
SHUT_GAP = 0.006
# Eyes open this far (of H) are drawn: of photos none reaches 0.09.
LARGE_EYE = 0.11
TABLE_SIZE = 512  # columns, of an eye less than a tenth of a pixel each
SIDES = (234, 454)  # landmarks beside the ears
_STEEPEST_ROW = 0.5
_FURTHEST_TURN = 1.2  # radians; further an arch of teeth is a line
ARCH_DEPTH = 6.5  # of the teeth, 1/H
OUT_OF_SIGHT = 1.0  # of H


@dataclass(frozen=True)
class FaceFrame:
    """Face coordinates in each of F pictures.

    Attributes:
        points: (F, 478, 3) landmarks in face coordinates.
        origin: (F, 2) pixels.
        axes: (F, 2, 2), rows are the unit vectors of face x and face y in pixels.
        height_px: (F,) face height H in pixels.
    """

    points: torch.Tensor
    origin: torch.Tensor
    axes: torch.Tensor
    height_px: torch.Tensor

    @classmethod
    def of(cls, landmarks: torch.Tensor) -> FaceFrame:
        """Return the frame of (F, 478, 3) landmarks in pixels."""
        xy = landmarks[..., :2]
        down = xy[:, 152] - xy[:, 10]
        height = down.norm(dim=-1).clamp_min(1.0)
        down = down / height[:, None]
        right = torch.stack([down[:, 1], -down[:, 0]], -1)
        axes = torch.stack([right, down], 1)
        origin = (xy[:, MOUTH_CORNERS[0]] + xy[:, MOUTH_CORNERS[1]]) / 2
        flat = torch.einsum("fnk,fjk->fnj", xy - origin[:, None], axes) / height[:, None, None]
        z = landmarks[..., 2:] / height[:, None, None]
        z = z - z[:, list(MOUTH_CORNERS)].mean(1, keepdim=True)
        return cls(torch.cat([flat, z], -1), origin, axes, height)

    def select(self, frames: slice) -> FaceFrame:
        """Return some of the frames."""
        return select_frames(self, frames)

    def averaged_if_still(self, tolerance: float = 0.01) -> torch.Tensor:
        """Return (1, 478, 3) mean points if the face hardly deforms in these frames, else all."""
        mean = self.points.mean(0, keepdim=True)
        return mean if float((self.points - mean).abs().amax()) < tolerance else self.points

    def from_pixels(self, xy: torch.Tensor) -> torch.Tensor:
        """Return (F, ..., 2) face coordinates of (F or 1, ..., 2) pixels."""
        matrix = self.axes.transpose(1, 2) / self.height_px[:, None, None]
        offset = -(self.origin[:, None] @ matrix)
        return _affine(xy, matrix, offset)

    def to_pixels(self, points: torch.Tensor) -> torch.Tensor:
        """Return (F, ..., 2) pixels of (F, ..., 2) face coordinates: inverse of `from_pixels`."""
        return _affine(points, self.axes * self.height_px[:, None, None], self.origin[:, None])


def select_frames(part: Part, frames: slice) -> Part:
    """Return a dataclass of tensors (F or 1, ...) for some of its frames."""
    chosen = {
        name: value[frames] if isinstance(value, torch.Tensor) and len(value) > 1 else value
        for name, value in ((one.name, getattr(part, one.name)) for one in fields(part) if one.init)
    }
    return replace(part, **chosen)


def _affine(xy: torch.Tensor, matrix: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """Return (F, ..., 2) points times (F, 2, 2) plus (F, 1, 2)."""
    frames = max(xy.shape[0], matrix.shape[0])
    flat = xy.reshape(xy.shape[0], -1, 2).expand(frames, -1, -1)
    matrix, offset = matrix.expand(frames, -1, -1), offset.expand(frames, -1, -1)
    # Columns and rows apart in memory: what is done to them next is several times as fast.
    found = torch.baddbmm(*(part.transpose(1, 2) for part in (offset, matrix, flat)))
    return found.transpose(1, 2).reshape(frames, *xy.shape[1:])


def lip_gap(points: torch.Tensor) -> torch.Tensor:
    """Return (F,) the mean inner-lip gap of (F, 478, >=2) points in face coordinates, of H."""
    gaps = [points[:, low, 1] - points[:, up, 1] for up, low in GAP_PAIRS]
    return torch.stack(gaps).mean(0).clamp_min(0.0)


def interpolate_columns(
    query: torch.Tensor, positions: torch.Tensor, values: torch.Tensor
) -> torch.Tensor:
    """Interpolate a polyline at given columns, constant beyond its ends.

    Args:
        query: (F, N) columns.
        positions: (F, K) columns of the polyline's points, made increasing if they fold back.
        values: (F, K).

    Returns:
        (F, N) values.
    """
    return interpolate_curves(query, positions, values)[0]


def interpolate_curves(
    query: torch.Tensor, positions: torch.Tensor, *curves: torch.Tensor
) -> list[torch.Tensor]:
    """Interpolate several polylines of the same columns with one search."""
    if positions.shape[0] != query.shape[0]:
        frames = max(positions.shape[0], query.shape[0])
        query, positions = query.expand(frames, -1), positions.expand(frames, -1)
        curves = [values.expand(frames, -1) for values in curves]
    step = 1e-5 * torch.arange(positions.shape[1], device=positions.device)
    positions = torch.cummax(positions, dim=1).values + step
    right = torch.searchsorted(positions.contiguous(), query.contiguous())
    right = right.clamp(1, positions.shape[1] - 1)
    left = right - 1
    x0, x1 = positions.gather(1, left), positions.gather(1, right)
    share = ((query - x0) / (x1 - x0)).clamp(0.0, 1.0)
    found = []
    for values in curves:
        y0, y1 = values.gather(1, left), values.gather(1, right)
        found.append(y0 + share * (y1 - y0))
    return found


def tabulate_curves(
    *curves: tuple[torch.Tensor, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return values at even columns of several polylines, each of its own columns.

    Args:
        curves: columns and values (F, K) of each, as `interpolate_columns` takes them.

    Returns:
        table (F, C, `TABLE_SIZE`) for `look_up_curves`, and its first and last column (F, 2).
    """
    ends = [positions[:, [0, -1]] for positions, _ in curves]
    first = torch.cat(ends, 1).amin(1, keepdim=True)
    last = torch.cat(ends, 1).amax(1, keepdim=True)
    columns = first + (last - first) * torch.linspace(0, 1, TABLE_SIZE, device=first.device)
    values = [interpolate_columns(columns, *curve) for curve in curves]
    return torch.stack(values, 1), torch.cat([first, last], 1)


def look_up_curves(
    query: torch.Tensor, table: torch.Tensor, ends: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Return the values (F, N) of each curve of `tabulate_curves` at (F, N) columns."""
    first, last = ends.split(1, 1)
    at = (query - first) * (2 / (last - first).clamp_min(1e-6)) - 1
    grid = torch.stack([at, torch.zeros_like(at)], 1).transpose(1, 2)[:, None]
    found = F.grid_sample(
        table[:, :, None].expand(len(query), -1, -1, -1), grid,
        mode="bilinear", padding_mode="border", align_corners=True,
    )  # fmt: skip
    return found[:, :, 0].unbind(1)


def as_points(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return (F, N, 2) points of (F, N) columns and rows, which stay apart in memory.

    What is done to all columns is several times as fast then.
    """
    x, y = torch.broadcast_tensors(x, y)
    return torch.stack([x, y], 1).transpose(1, 2)


def head_turn(points: torch.Tensor) -> torch.Tensor:
    """Return (F,) radians that (F, 478, 3) faces are turned to the right of the picture."""
    across = points[:, SIDES[1]] - points[:, SIDES[0]]
    turn = torch.atan2(across[:, 2], across[:, 0])
    return turn.clamp(-_FURTHEST_TURN, _FURTHEST_TURN)


def row_slant(points: torch.Tensor) -> torch.Tensor:
    """Return (F,) by how much rows across the face fall to the right of (F, 478, 3) faces.

    Eyes and teeth are parallel. Face y, from forehead to chin, is square to them in a frontal view
    alone: of a head that is turned and nods it leans.
    """
    across = points[:, EYES[1][0][-1], :2] - points[:, EYES[0][0][0], :2]
    return (across[:, 1] / across[:, 0].clamp_min(1e-3)).clamp(-_STEEPEST_ROW, _STEEPEST_ROW)


def frontal_columns(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Return (N, W) where columns x of turned arches of teeth lie on the arch seen from the front.

    An arch is as deep as `ARCH_DEPTH` times the square of the way from its middle. Columns beyond
    its far side, which hides the rest of it, are out of sight.
    """
    along, away = turn.cos()[:, None], ARCH_DEPTH * turn.sin()[:, None]
    inside = along**2 - 4 * away * x
    found = 2 * x / (along + inside.clamp_min(0.0).sqrt())
    return torch.where(inside > 0, found, x.sign() * OUT_OF_SIGHT)


def turned_columns(frontal: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Return (N, W) where columns of an arch of teeth are seen when it is turned by (N,).

    The other way round than `frontal_columns`; out of sight on the far side.
    """
    along, away = turn.cos()[:, None], ARCH_DEPTH * turn.sin()[:, None]
    seen = along > 2 * away * frontal
    return torch.where(seen, along * frontal - away * frontal**2, frontal.sign() * OUT_OF_SIGHT)


def smoothstep(low: float, high: float, value: torch.Tensor) -> torch.Tensor:
    """Return the cubic that rises from 0 at `low` to 1 at `high` (or falls, if high < low)."""
    t = ((value - low) / (high - low)).clamp_(0.0, 1.0)
    return t.mul(-2).add_(3).mul_(t).mul_(t)


def guess_teeth_edge(points: torch.Tensor) -> torch.Tensor:
    """Return face y of the incisors' edge from (478, 3) face coordinates.

    An open smile rests the lower lip on the upper teeth; below shut lips the edge lies a little
    lower than the upper lip's inner edge.
    """
    upper, lower = points[13, 1], points[14, 1]
    hidden = upper + 0.015
    smiling = torch.minimum(lower - 0.004, upper + 0.055)
    share = ((lower - upper - 0.012) / 0.015).clamp(0.0, 1.0)
    return hidden + share * (torch.maximum(smiling, hidden) - hidden)
