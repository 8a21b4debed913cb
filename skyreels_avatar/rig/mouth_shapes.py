"""Displacements of the lips and the skin round them, from a head with 57 ARKit expressions.

Displacements are tabled over mouth coordinates, which fit any mouth: u across, 0 in the middle and
1 at a corner; v away from the lip line on either layer, 0 at the inner edge of the lip, 1 at its
outer edge, 2 at the base of the nose or the chin. What both lips do together (`lift`) is tabled
apart from what each does, so that they never part beyond the corners.

Source: ICT FaceKit (MIT), the expressions named in `train/stages/shapes.py`, which makes the
table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F

SHAPES_FILE = Path(__file__).with_name("mouth_shapes.json")
BEYOND = 0.13  # of H for one step of v beyond the nose and the chin
# Of the head's upper lip, which swells by 40 % when it is rounded. Those of talkers (30 clips)
# whose mouth is a quarter narrower than at rest swell by 11 %, and stay as far from the nose.
SWELLING = 0.35


@dataclass(frozen=True)
class MouthShapes:
    """Displacements of the head they were learned from, for a coefficient of 1.

    Attributes:
        names: of K coefficients.
        lift: (K, U) of both lips upwards at the lip line, in H.
        moves: (K, 2 layers, 2, V, U): across in half widths of the mouth, and away from the lip
            line in H.
        step: of u and v from node to node.
        half_width, thickness, reach: of the head, in H; the last two for each layer.
    """

    names: tuple[str, ...]
    lift: torch.Tensor
    moves: torch.Tensor
    step: tuple[float, float]
    half_width: float
    thickness: tuple[float, float]
    reach: tuple[float, float]

    def amounts(self, weights: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return (F, K) of (F, 1) weights of each shape."""
        return torch.cat([weights[name] for name in self.names], 1)


@cache
def mouth_shapes(device: torch.device) -> MouthShapes:
    """Return the shapes of the data file."""
    stored = json.loads(SHAPES_FILE.read_text(encoding="utf-8"))
    names = tuple(stored["lift"])

    def table(field: str) -> torch.Tensor:
        return torch.tensor([stored[field][name] for name in names], device=device) / 1000

    moves = torch.stack([table("across"), table("away")], 2)
    moves[names.index("pucker"), 0, 1] *= SWELLING
    return MouthShapes(
        names, table("lift"), moves,
        tuple(stored["step"]), stored["half_width"],
        tuple(stored["thickness"]), tuple(stored["reach"]),
    )  # fmt: skip


def shaped(
    u: torch.Tensor,
    away: torch.Tensor,
    layer: int,
    mouth: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return how far each shape moves points of one layer, (F, K, N) each.

    Across in half widths of the mouth, away from the lip line, and up.

    Args:
        u: (F, N) across the mouth.
        away: (F, N) from the lip line, in H.
        layer: 0 the upper, 1 the lower.
        mouth: half width, thickness of the lip and reach of the skin, (F, 1) each in H.
    """
    shapes = mouth_shapes(u.device)
    half_width, thickness, reach = mouth
    moves = shapes.moves[:, layer]
    rows, columns = moves.shape[2:]
    fall = torch.arange(rows - 1, -1, -1, device=u.device) / (rows - 4)
    lift = shapes.lift[:, None, None] * fall.clamp_max(1.0)[:, None]
    on_skin = (away - thickness) / (reach - thickness)
    v = torch.where(away < reach, 1 + on_skin, 2 + (away - reach) / BEYOND)
    v = torch.where(away < thickness, away / thickness, v)
    step_u, step_v = shapes.step
    grid = torch.stack([u.abs() * (2 / step_u / (columns - 1)) - 1,
                        v * (2 / step_v / (rows - 1)) - 1], -1)  # fmt: skip
    tables = torch.cat([moves, lift], 1).flatten(0, 1)  # 3 K, V, U
    found = F.grid_sample(
        tables.expand(len(grid), -1, -1, -1), grid[:, None],
        mode="bilinear", padding_mode="border", align_corners=True,
    )[:, :, 0].unflatten(1, (-1, 3))  # fmt: skip
    own, skin = shapes.thickness[layer], shapes.reach[layer] - shapes.thickness[layer]
    scale = torch.lerp(thickness / own, (reach - thickness) / skin, (v - 1).clamp(0.0, 1.0))
    across, leaves, up = found.unbind(2)
    return (
        across * u.sign()[:, None],
        leaves * scale[:, None],
        up * (half_width / shapes.half_width)[..., None],
    )
