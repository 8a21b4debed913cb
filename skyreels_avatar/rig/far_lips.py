"""The far end of the lips of a turned head, where they round the teeth and go out of sight.

From the front a mouth ends in corners, in which edges of lips meet. The far corner of a turned one
is hidden: its edges run upright into each other there, lips beyond them are seen edgewise, part
as well, and close behind.
"""

from __future__ import annotations

import torch

from skyreels_avatar.rig.geometry import (
    OUTER_LOWER,
    OUTER_UPPER,
    head_turn,
    interpolate_curves,
    smoothstep,
)

TURNED = (0.3, 0.7)  # radians between which lips come to hide their far corner
PARTING = 0.85  # share of the lips beyond the far end of their inner edge that parts
JOINED = 0.03  # of H beyond the ends of edges, in which they come together
STEEPEST = 1.0  # of the edges of open lips, to their far end


def far_reach(points: torch.Tensor, lip_x: torch.Tensor) -> torch.Tensor:
    """Return (F, 2), in H, how far lips part beyond the right and the left end of their inner edge.

    Args:
        points: (F, 478, 3) face coordinates at rest.
        lip_x: (F, K) columns of the inner lip points.
    """
    outer = points[:, [*OUTER_UPPER, *OUTER_LOWER], 0]
    beyond = [lip_x[:, 0] - outer.amin(1), outer.amax(1) - lip_x[:, -1]]
    return PARTING * turned_away(points) * torch.stack(beyond, 1).clamp_min(0.0)


def turned_away(points: torch.Tensor) -> torch.Tensor:
    """Return (F, 2) in 0..1 how far the right, the left end of the lips is out of sight."""
    turn = head_turn(points)
    return torch.stack([smoothstep(*TURNED, side * turn) for side in (-1.0, 1.0)], 1)


def without_upright_ends(
    points: torch.Tensor, x: torch.Tensor, upper: torch.Tensor, lower: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inner edges of lips that, where they are open, stay so at their far end.

    Upright edges are no function of columns: jagged where lips move.

    Args:
        points: (F, 478, 3) face coordinates at rest.
        x, upper, lower: (F, K) columns and rows of the inner lip points.
    """
    turned, middle = turned_away(points), x.shape[1] // 2
    if not bool((turned > 0).any()):
        return upper, lower
    edges = []
    for edge, inwards in ((upper, 1.0), (lower, -1.0)):
        levels, height = list((edge * inwards).unbind(1)), None
        for end, step in ((0, -1), (x.shape[1] - 1, 1)):
            share, height = turned[:, 0 if step < 0 else 1], levels[middle]
            for i in range(middle + step, end + step, step):
                way = (x[:, i] - x[:, i - step]).abs()
                height = torch.minimum(levels[i], height + STEEPEST * way)
                levels[i] = torch.lerp(levels[i], height, share)
        edges.append(torch.stack(levels, 1) * inwards)
    return edges[0], edges[1]


def joined_beyond(
    x: torch.Tensor, lip_x: torch.Tensor, upper: torch.Tensor, lower: torch.Tensor
) -> list[torch.Tensor]:
    """Return rows (F, N) of two edges at columns x; beyond their ends they come together.

    Where the far ends of open lips stand apart, what lies behind them would part as well.

    Args:
        lip_x, upper, lower: (F, K) columns and rows of the inner lip points.
    """
    edges = interpolate_curves(x, lip_x, upper, lower)
    ends = lip_x.amin(1, keepdim=True), lip_x.amax(1, keepdim=True)
    outside = torch.maximum(ends[0] - x, x - ends[1]).clamp_min(0.0)
    apart = (edges[1] - edges[0]) / 2 * (1 - torch.exp(-((outside / JOINED) ** 2)))
    return [edges[0] + apart, edges[1] - apart]
