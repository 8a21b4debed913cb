"""The relief of a head: its depth between landmarks, and how steep it gets.

Multiquadrics pass through the landmarks and are smooth in between. A head that is flattened on
the way turns by less than it is asked to: its nose does not pass its cheeks.

Source: Hardy, "Multiquadric equations of topography and other irregular surfaces", 1971.
"""

from __future__ import annotations

import torch

from skyreels_avatar.rig.geometry import RELIEF_POINTS, SIDES

_SMOOTH = 0.08  # of H: radius within which the relief is smooth
_SLACK = 0.03  # of H: landmarks that lie over each other at the edge of a face disagree
_BEHIND_SIDES = 0.1  # of H: the widest part of a head behind the landmarks beside the ears


def depth_at(points: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
    """Return (F, N) depth of a head at points, in H, smaller is nearer.

    Beyond the face it goes on as far back as the widest part of a head.

    Args:
        points: (F, N, 2) face coordinates.
        landmarks: (F, 478, 3) at rest.
    """
    places, shares = _fitted(landmarks)
    depth = torch.einsum("fnk,fk->fn", _multiquadric(points, places), shares[:, :-1])
    behind = landmarks[:, list(SIDES), 2].mean(1, keepdim=True) + _BEHIND_SIDES
    return torch.minimum(depth + shares[:, -1:], behind)


def steepness(landmarks: torch.Tensor) -> torch.Tensor:
    """Return (F, 1) the steepest slope of the relief at its landmarks, depth by way."""
    places, shares = _fitted(landmarks)
    ways = (places[:, :, None] - places[:, None]) / _multiquadric(places, places)[..., None]
    slopes = torch.einsum("fnkc,fk->fnc", ways, shares[:, :-1])
    return slopes.norm(dim=-1).amax(1, keepdim=True)


def _fitted(landmarks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return places (F, K, 2) of the landmarks of the relief and shares (F, K + 1) of them."""
    marks = landmarks[:, list(RELIEF_POINTS)]
    places, count = marks[..., :2], len(RELIEF_POINTS)
    system = torch.ones(len(marks), count + 1, count + 1, device=marks.device)
    system[:, :count, :count] = _multiquadric(places, places)
    system.diagonal(dim1=1, dim2=2)[:, :count] -= _SLACK
    system[:, count, count] = 0
    wanted = torch.cat([marks[..., 2], marks.new_zeros(len(marks), 1)], 1)
    return places, torch.linalg.solve(system, wanted)


def _multiquadric(points: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return (torch.cdist(points, places) ** 2 + _SMOOTH**2).sqrt()
