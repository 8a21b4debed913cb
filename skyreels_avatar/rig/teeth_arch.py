"""Where an arch of teeth lies behind the lips of a turned head."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.geometry import INNER_LOWER, INNER_UPPER

ARCH_DEPTH = 6.5  # 1/H
OUT_OF_SIGHT = 1.0  # of H
BEHIND_LIPS = 0.015  # of H, of the incisors
FURTHEST_BEHIND = 0.03  # of H that they are moved to the far end of turned lips


def middle_of_teeth(points: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Return (F,) face x of the middle of the teeth of (F, 478, 3) faces turned by (F,).

    In a side view the arch ends, at its far side, as far behind the lips as in the middle.
    """
    behind = BEHIND_LIPS * turn.sin()
    middle, side = points[:, [13, 14], 0].mean(1) - behind, turn.sign()
    lips = (points[:, [*INNER_UPPER, *INNER_LOWER], 0] * side[:, None]).amax(1)
    ends = turn.cos() ** 2 / (4 * ARCH_DEPTH * turn.sin().abs().clamp_min(1e-3))
    missing = lips - behind.abs() - (middle * side + ends)
    return middle + side * missing.clamp(0.0, FURTHEST_BEHIND)


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
