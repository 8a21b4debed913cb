"""Pluecker maps: unit directions, moments that stand on them, the axis in the middle."""

from __future__ import annotations

import torch

from skyreels_avatar.camera.geometry import intrinsics_from_hfov, invert, pose, yaw
from skyreels_avatar.camera.rays import pluecker_map

HEIGHT, WIDTH = 6, 10


def path(num_frames: int = 4) -> torch.Tensor:
    """Return the world-to-camera poses of a camera that moves and turns."""
    poses = [
        pose(torch.tensor([0.1 * i, -0.05 * i, 0.2 * i], dtype=torch.float64), yaw(0.1 * i))
        for i in range(num_frames)
    ]
    return invert(torch.stack(poses)).float()


def test_directions_have_length_one_and_moments_are_orthogonal_to_them():
    intrinsics = intrinsics_from_hfov(HEIGHT, WIDTH, 45.0).expand(4, 3, 3)
    for normalize in (True, False):
        rays = pluecker_map(intrinsics, path(), HEIGHT, WIDTH, normalize)
        assert rays.shape == (6, 4, HEIGHT, WIDTH)
        torch.testing.assert_close(rays[:3].norm(dim=0), torch.ones(4, HEIGHT, WIDTH))
        assert (rays[:3] * rays[3:]).sum(0).abs().max() < 1e-5


def test_a_moment_is_the_center_times_the_direction():
    intrinsics = intrinsics_from_hfov(HEIGHT, WIDTH, 45.0).expand(4, 3, 3)
    rays = pluecker_map(intrinsics, path(), HEIGHT, WIDTH, normalize=False)
    centers = torch.linalg.inv(path())[:, :3, 3]
    expected = torch.linalg.cross(
        centers[:, :, None, None].permute(1, 0, 2, 3).expand(3, 4, 6, 10), rays[:3], dim=0
    )
    torch.testing.assert_close(rays[3:], expected)


def test_a_normalized_path_does_not_depend_on_the_unit():
    intrinsics = intrinsics_from_hfov(HEIGHT, WIDTH, 45.0).expand(4, 3, 3)
    larger = path()
    larger[:, :3, 3] *= 7
    torch.testing.assert_close(
        pluecker_map(intrinsics, larger, HEIGHT, WIDTH),
        pluecker_map(intrinsics, path(), HEIGHT, WIDTH),
        atol=1e-4,
        rtol=1e-4,
    )
