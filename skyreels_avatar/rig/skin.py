"""What corners, cheeks, nose, chin and brows do to the skin: all is linear in their numbers."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.geometry import (
    BROW_EDGES,
    CHEEKS,
    EYES,
    INNER_BROWS,
    MOUTH_CORNERS,
    NOSE_WINGS,
    interpolate_columns,
)

SKIN_COEFFICIENTS = (
    "corner_r", "corner_l", "cheek", "sneer", "chin", "brow_r", "brow_l", "furrow",
)  # fmt: skip
SKIN = CONSTANTS.skin


def skin_moves(points: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Return (F, 8, N, 2) what a unit of each of `SKIN_COEFFICIENTS` does to points.

    Args:
        points: (F, N, 2) face coordinates.
        at: (F, 478, 2) landmarks at rest.
    """
    cheeks = [bump(points, at[:, i], SKIN.cheek_radius) for i in CHEEKS]
    furrows = [bump(points, at[:, list(i)].mean(1), SKIN.furrow_radius) for i in INNER_BROWS]
    wings = sum(bump(points, at[:, i], SKIN.sneer_radius) for i in NOSE_WINGS)
    still = torch.zeros_like(wings)
    moves = [
        *((still, -bump(points, at[:, i], SKIN.corner_radius)) for i in MOUTH_CORNERS),
        (SKIN.cheek_out * (cheeks[1] - cheeks[0]), -SKIN.cheek_up * (cheeks[0] + cheeks[1])),
        (still, -SKIN.sneer_up * wings),
        (still, -SKIN.chin_up * bump(points, at[:, 199], SKIN.chin_radius)),
        *((still, -brow_weight(points, at, side)) for side in (0, 1)),
        (SKIN.furrow_in * (furrows[0] - furrows[1]), SKIN.furrow_down * (furrows[0] + furrows[1])),
    ]
    return torch.stack([torch.stack(move, -1) for move in moves], 1)


def brow_weight(points: torch.Tensor, at: torch.Tensor, side: int) -> torch.Tensor:
    """Return (F, N) in 0..1: how far points go with a brow; 1 all over it: it stays as thick.

    Skin is stretched evenly from the brow down to the lid, which stays, and pushed together above.
    """
    x, y = points.unbind(-1)
    edges = [at[:, list(edge)] for edge in BROW_EDGES[side]]
    upper, lower = (interpolate_columns(x, edge[..., 0], edge[..., 1]) for edge in edges)
    upper, lower = torch.minimum(upper, lower) - SKIN.brow_margin, lower + SKIN.brow_margin
    lid = at[:, list(EYES[side][0]), 1].amin(1, keepdim=True)
    room = (lid - edges[1][..., 1].mean(1, keepdim=True) - SKIN.brow_margin).clamp_min(
        SKIN.brow_below
    )
    ends = torch.cat([edge[..., 0] for edge in edges], 1)
    left, right = ends.amin(1, keepdim=True), ends.amax(1, keepdim=True)
    shares = (
        (upper - y) / SKIN.brow_above,
        (y - lower) / room,
        torch.maximum(left - x, x - right) / SKIN.brow_beside,
    )
    weight = torch.ones_like(x)
    for share in shares:
        weight = weight * (1 - share.clamp(0.0, 1.0))
    return weight


def bump(points: torch.Tensor, center: torch.Tensor, radius: float) -> torch.Tensor:
    """Return (F, N) a Gaussian round (F, 2) centers."""
    x, y = (points - center[:, None]).unbind(-1)  # summed apart: an axis of two is slow to reduce
    return torch.exp(-(x**2 + y**2) / radius**2)
