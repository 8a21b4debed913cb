"""Pixels, rays and poses: where the conventions of README.md become formulas.

OpenCV axes (x right, y down, z forward); the center of pixel (column u, row v) lies at
(u + 0.5, v + 0.5); extrinsics take world coordinates to camera coordinates.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def intrinsics_from_hfov(height: int, width: int, hfov_deg: float) -> Tensor:
    """Return the (3, 3) intrinsics of a centered pinhole camera with square pixels."""
    if not 1.0 <= hfov_deg <= 170.0:
        raise ValueError(f"hfov_deg must be between 1 and 170 degrees, got {hfov_deg}")
    focal_px = 0.5 * width / math.tan(math.radians(hfov_deg) / 2)
    return torch.tensor([[focal_px, 0.0, width / 2], [0.0, focal_px, height / 2], [0.0, 0.0, 1.0]])


def hfov_rad(intrinsics: Tensor, width: int) -> float:
    """Return the horizontal angle of view in radians of (3, 3) intrinsics for a picture's width."""
    return 2 * math.atan(0.5 * width / float(intrinsics[0, 0]))


def pixel_centers(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the (H, W, 2) pixel coordinates (x, y) of all pixel centers."""
    rows = torch.arange(height, device=device) + 0.5
    columns = torch.arange(width, device=device) + 0.5
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], dim=-1)


def unproject(pixels: Tensor, depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Return the camera-space points (..., 3) of pixels (..., 2) at z-depth (...)."""
    x = (pixels[..., 0] - intrinsics[0, 2]) / intrinsics[0, 0] * depth
    y = (pixels[..., 1] - intrinsics[1, 2]) / intrinsics[1, 1] * depth
    return torch.stack([x, y, depth], dim=-1)


def project(points: Tensor, intrinsics: Tensor, extrinsics: Tensor) -> tuple[Tensor, Tensor]:
    """Return pixels (..., 2) and z-depth (...) of world points (..., 3).

    Points at or behind the camera plane keep their depth (<= 0); their pixels mean nothing.

    Args:
        intrinsics, extrinsics: (3, 3) and (4, 4), or with leading axes that broadcast with those
            of the points.
    """
    in_camera = [
        (points * extrinsics[..., axis, :3]).sum(-1) + extrinsics[..., axis, 3] for axis in range(3)
    ]
    depth = in_camera[2]
    safe_depth = depth.clamp_min(1e-6)
    x, y = (
        in_camera[axis] / safe_depth * intrinsics[..., axis, axis] + intrinsics[..., axis, 2]
        for axis in range(2)
    )
    return torch.stack([x, y], dim=-1), depth


def yaw(angle_rad: float) -> Tensor:
    """Return the (3, 3) float64 rotation about y; positive turns the view to the right."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]], dtype=torch.float64)


def pitch(angle_rad: float) -> Tensor:
    """Return the (3, 3) float64 rotation about x; positive turns the view up."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return torch.tensor([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]], dtype=torch.float64)


def roll(angle_rad: float) -> Tensor:
    """Return the (3, 3) float64 rotation about z; positive turns the camera clockwise."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)


def pose(center: Tensor, rotation: Tensor) -> Tensor:
    """Return world_from_camera (4, 4) float64 of a camera center (3,) and rotation (3, 3)."""
    world_from_camera = torch.eye(4, dtype=torch.float64)
    world_from_camera[:3, :3] = rotation
    world_from_camera[:3, 3] = center
    return world_from_camera


def invert(rigid: Tensor) -> Tensor:
    """Return the inverse (..., 4, 4) of rigid transforms without solving anything."""
    rotation_t = rigid[..., :3, :3].transpose(-1, -2)
    inverse = torch.zeros_like(rigid)
    inverse[..., :3, :3] = rotation_t
    # 0 - x instead of -x: the inverse of the identity then holds no negative zeros.
    inverse[..., :3, 3] = 0.0 - (rotation_t @ rigid[..., :3, 3:]).squeeze(-1)
    inverse[..., 3, 3] = 1.0
    return inverse


def rotation_angle_deg(rotation: Tensor) -> float:
    """Return the angle of a (3, 3) rotation in degrees, exact also for tiny angles."""
    chord = (rotation.double() - torch.eye(3, dtype=torch.float64)).norm().item()
    return math.degrees(2 * math.asin(min(1.0, chord / (2 * math.sqrt(2)))))
