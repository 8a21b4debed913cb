"""Lenses of glasses are flat: what is seen through them and on them moves as one plane.

The relief of the face behind them would bend round lenses into drops when the head turns.
"""

from __future__ import annotations

import torch

from skyreels_avatar.rig.geometry import EYES, smoothstep

_RADII = (0.19, 0.16)  # of H, of a lens: across and down
_BELOW_EYE = 0.015  # of H: the middle of a lens
_EDGE = (1.9, 1.0)  # of the radii: from the face round a lens to the lens
_MOST = 0.08  # of H: large lenses end farther before the temples, which would fold


def flatten_lenses(
    depth: torch.Tensor, points: torch.Tensor, landmarks: torch.Tensor
) -> torch.Tensor:
    """Return (F, N) depth of a head that wears glasses.

    The plane is the one nearest to the eyes, so that a turn shifts lenses as far as it did.

    Args:
        depth: (F, N) of the head without them, in H.
        points: (F, N, 2) face coordinates.
        landmarks: (F, 478, 3) at rest.
    """
    rims = torch.cat([landmarks[:, [*upper, *lower]] for upper, lower, *_ in EYES], 1)
    middle = rims.mean(1, keepdim=True)
    away = rims - middle
    slopes = torch.linalg.lstsq(away[..., :2], away[..., 2:]).solution
    plane = ((points - middle[..., :2]) @ slopes)[..., 0] + middle[..., 2]
    share = torch.zeros_like(depth)
    for upper, lower, *_ in EYES:
        eye = landmarks[:, [*upper, *lower], :2].mean(1, keepdim=True)
        lens = (points - eye - points.new_tensor([0.0, _BELOW_EYE])) / points.new_tensor(_RADII)
        share = torch.maximum(share, smoothstep(*_EDGE, lens.norm(dim=-1)))
    return depth + share * _MOST * torch.tanh((plane - depth) / _MOST)
