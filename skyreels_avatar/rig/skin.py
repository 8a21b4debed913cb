"""What corners, cheeks, nose, chin and brows do to the skin: all is linear in their numbers.

Brows and forehead follow ICT-FaceKit's browInnerUp, browOuterUp and browDown.
"""

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
    smoothstep,
)

SKIN_COEFFICIENTS = (
    "corner_r", "corner_l", "cheek", "sneer", "chin", "brow_r", "brow_l", "furrow",
)  # fmt: skip
SKIN = CONSTANTS.skin


def skin_moves(
    points: torch.Tensor, at: torch.Tensor, rims: torch.Tensor | None = None
) -> torch.Tensor:
    """Return (F, 10, N, 2) what a unit of each of `SKIN_COEFFICIENTS` does to points.

    The last two are tilts of the right and the left brow, in H: see `brow_tilts`.

    Args:
        points: (F, N, 2) face coordinates.
        at: (F, 478, 2) landmarks at rest.
        rims: as in `held_brows`.
    """
    cheeks = [bump(points, at[:, i], SKIN.cheek_radius) for i in CHEEKS]
    brows = [brow_weight(points, at, side, rims) for side in (0, 1)]
    outwards = [_from_inner_end(points, at, side) for side in (0, 1)]
    furrows = [brow * (1 - SKIN.furrow_less_outside * t**2) for brow, t in zip(brows, outwards)]
    wings = sum(bump(points, at[:, i], SKIN.sneer_radius) for i in NOSE_WINGS)
    still = torch.zeros_like(wings)
    corners = [bump(points, at[:, i], SKIN.corner_radius) for i in MOUTH_CORNERS]
    moves = [
        (-SKIN.corner_out * corners[0], -corners[0]),
        (SKIN.corner_out * corners[1], -corners[1]),
        (SKIN.cheek_out * (cheeks[1] - cheeks[0]), -SKIN.cheek_up * (cheeks[0] + cheeks[1])),
        (still, -SKIN.sneer_up * wings),
        (still, -SKIN.chin_up * bump(points, at[:, 199], SKIN.chin_radius)),
        *((still, -brow) for brow in brows),
        (SKIN.furrow_in * (furrows[0] - furrows[1]), SKIN.furrow_down * (furrows[0] + furrows[1])),
        *((still, -brow * (1 - 2 * t)) for brow, t in zip(brows, outwards)),
    ]
    return torch.stack([torch.stack(move, -1) for move in moves], 1)


def brow_tilts(values: torch.Tensor) -> torch.Tensor:
    """Return (F, 2) how far the inner end of each brow rises, and its outer one falls, in H.

    Brows that are drawn together while they are raised stand obliquely, as in grief and fear.

    Args:
        values: (F, 3) brow_r, brow_l, furrow.
    """
    drawn = values[:, 2:].clamp(0.0, 1.0)
    return SKIN.brow_tilt * drawn * values[:, :2].clamp(0.0, SKIN.brow_tilt_raised)


def held_brows(
    raised: torch.Tensor, at: torch.Tensor, rims: torch.Tensor | None = None
) -> torch.Tensor:
    """Return (F, 2) how far brows rise, in H, within limits.

    A brow close to its lid has less skin to unfold, and none comes down over its eye.

    Args:
        raised: (F, 2) brow_r, brow_l.
        at: as in `skin_moves`, of F frames or of 1.
        rims: (1, 2) height in H of the skin between each brow and a pair of glasses, which stays as
            it is; None is up to the lid.
    """
    most = torch.cat([_brow_room(at, side, rims) for side in (0, 1)], 1)
    lowered = torch.full_like(most, SKIN.brow_lowered)
    if rims is not None:  # less skin folds if it is pushed together as far
        lowered = lowered.minimum(SKIN.brow_over_rim * most)
    most = torch.where(raised > 0, most, lowered)
    return raised / (1 + (raised / most) ** 6) ** (1 / 6)


def _brow_room(at: torch.Tensor, side: int, rims: torch.Tensor | None) -> torch.Tensor:
    """Return (F, 1) the height in H of the skin that unfolds between a brow and its lid or rim."""
    if rims is not None:
        return (rims[:, side, None] - SKIN.brow_margin).clamp_min(0.01).expand(len(at), 1)
    lid = at[:, list(EYES[side][0]), 1].amin(1, keepdim=True)
    lower = at[:, list(BROW_EDGES[side][1]), 1].mean(1, keepdim=True)
    return (lid - lower - SKIN.brow_margin).clamp_min(SKIN.brow_below)


def brow_weight(
    points: torch.Tensor, at: torch.Tensor, side: int, rims: torch.Tensor | None = None
) -> torch.Tensor:
    """Return (F, N) in 0..1: how far points go with a brow; 1 all over it: it stays as thick.

    The skin below goes along and unfolds above the lid, which stays; the forehead above is pushed
    together up to the hairline. The rims of glasses stay, too: see `held_brows`.
    """
    x, y = points.unbind(-1)
    edges = [at[:, list(edge)] for edge in BROW_EDGES[side]]
    upper, lower = (interpolate_columns(x, edge[..., 0], edge[..., 1]) for edge in edges)
    upper, lower = torch.minimum(upper, lower) - SKIN.brow_margin, lower + SKIN.brow_margin
    room = _brow_room(at, side, rims)
    ends = torch.cat([edge[..., 0] for edge in edges], 1)
    left, right = ends.amin(1, keepdim=True), ends.amax(1, keepdim=True)
    below = (y - lower) / room
    shares = (
        smoothstep(0.0, SKIN.brow_above, upper - y),
        (below - SKIN.brow_whole_below) / (1 - SKIN.brow_whole_below),
        torch.maximum(left - x, x - right) / SKIN.brow_beside,
    )
    weight = torch.ones_like(x)
    for share in shares:
        weight = weight * (1 - share.clamp(0.0, 1.0))
    return weight


def _from_inner_end(points: torch.Tensor, at: torch.Tensor, side: int) -> torch.Tensor:
    """Return (F, N) 0 at the inner end of a brow, 1 at its outer one and beyond."""
    inner = at[:, list(INNER_BROWS[side]), 0].mean(1, keepdim=True)
    outer = at[:, BROW_EDGES[side][0][0 if side == 0 else -1], 0][:, None]
    return ((points[..., 0] - inner) / _away_from_zero(outer - inner)).clamp(0.0, 1.0)


def _away_from_zero(lengths: torch.Tensor) -> torch.Tensor:
    """Return (F, 1) lengths of brows, which a side view hides, of at least 0.02 H."""
    return torch.where(lengths < 0, lengths.clamp_max(-0.02), lengths.clamp_min(0.02))


def bump(points: torch.Tensor, center: torch.Tensor, radius: float) -> torch.Tensor:
    """Return (F, N) a Gaussian round (F, 2) centers."""
    x, y = (points - center[:, None]).unbind(-1)  # summed apart: an axis of two is slow to reduce
    return torch.exp(-(x**2 + y**2) / radius**2)
