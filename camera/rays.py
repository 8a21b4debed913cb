"""Pluecker maps of a camera path: the ray of each pixel.

As Uni3C (arXiv 2504.14899) shows them to its ControlNet, with its order of operations and half
pixels kept: weights that were trained on these numbers want exactly them.
"""

from __future__ import annotations

import torch
from torch import Tensor

_FAR_OUT = 10.0  # cameras further than so many times the 97 % quantile do not count in the mean
_RADIUS = 2.0
_SMALLEST = 1e-5


def pluecker_map(
    intrinsics: Tensor, extrinsics: Tensor, height: int, width: int, normalize: bool = True
) -> Tensor:
    """Return (6, F, H, W): unit direction and origin x direction of the ray of each pixel.

    Args:
        intrinsics: (F, 3, 3) in pixels.
        extrinsics: (F, 4, 4) world to camera; x right, y down, z forward.
        height, width: of the frames.
        normalize: refer the path to its first camera, center it and scale it so that the first
            camera is 2 away from the middle.
    """
    if normalize:
        extrinsics = torch.linalg.inv(extrinsics[:1]) @ extrinsics
    poses = torch.linalg.inv(extrinsics)
    if normalize:
        poses = _centered(poses)
    rows, columns = torch.meshgrid(
        torch.arange(height).to(poses), torch.arange(width).to(poses), indexing="ij"
    )
    pixels = torch.stack([columns - 0.5, rows + 0.5, torch.ones_like(rows)], dim=-1)
    rays = torch.einsum("fij,hwj->fhwi", torch.linalg.inv(intrinsics), pixels)
    rays = torch.einsum("fij,fhwj->fhwi", poses[:, :3, :3], rays)
    rays = rays / rays.norm(dim=-1, keepdim=True)
    origins = poses[:, None, None, :3, 3].expand_as(rays)
    moments = torch.linalg.cross(origins, rays)
    return torch.cat([rays, moments], dim=-1).permute(3, 0, 1, 2)


def _centered(poses: Tensor) -> Tensor:
    """Return camera-to-world poses (F, 4, 4) round their mean, the first camera 2 away from it."""
    positions = poses[:, :3, 3]
    distance = (positions - positions.median(dim=0).values).norm(dim=-1)
    near = distance <= _FAR_OUT * torch.quantile(distance, 0.97)
    positions = positions - positions[near].mean(dim=0)
    radius = positions[0].norm()
    scale = _RADIUS / radius if radius >= _SMALLEST else _RADIUS
    poses = poses.clone()
    poses[:, :3, 3] = positions * scale
    return poses
