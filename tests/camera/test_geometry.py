"""Laws of projection and of rigid transforms."""

from __future__ import annotations

import math

import pytest
import torch

from skyreels_avatar.camera.geometry import (
    hfov_rad,
    intrinsics_from_hfov,
    invert,
    pitch,
    pixel_centers,
    pose,
    project,
    roll,
    rotation_angle_deg,
    unproject,
    yaw,
)


def random_pose(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    angles = torch.randn(3, generator=generator).tolist()
    center = torch.randn(3, generator=generator, dtype=torch.float64)
    return pose(center, yaw(angles[0]) @ pitch(angles[1]) @ roll(angles[2]))


def test_projecting_unprojected_pixels_gives_the_pixels():
    intrinsics = intrinsics_from_hfov(48, 64, 45)
    pixels = pixel_centers(48, 64)
    depth = torch.rand(48, 64, generator=torch.Generator().manual_seed(0)) + 0.5
    found, z = project(unproject(pixels, depth, intrinsics), intrinsics, torch.eye(4))
    torch.testing.assert_close(found, pixels)
    torch.testing.assert_close(z, depth)


@pytest.mark.parametrize("seed", range(4))
def test_a_rigid_transform_times_its_inverse_is_the_identity(seed: int):
    transform = random_pose(seed)
    identity = torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(transform @ invert(transform), identity)
    torch.testing.assert_close(invert(invert(transform)), transform)


def test_the_inverse_of_the_identity_is_exact():
    assert torch.equal(invert(torch.eye(4)), torch.eye(4))


def test_yaw_looks_right_pitch_looks_up_and_roll_turns_clockwise():
    forward = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    right = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    assert (yaw(0.1) @ forward)[0] > 0
    assert (pitch(0.1) @ forward)[1] < 0
    assert (roll(0.1) @ right)[1] > 0


@pytest.mark.parametrize("angle_deg", [1e-5, 0.01, 1.0, 30.0, 120.0])
def test_the_angle_of_a_rotation_is_measured_exactly(angle_deg: float):
    assert rotation_angle_deg(yaw(math.radians(angle_deg))) == pytest.approx(angle_deg, rel=1e-6)


def test_the_angle_of_view_survives_the_way_to_intrinsics_and_back():
    assert hfov_rad(intrinsics_from_hfov(90, 160, 52), 160) == pytest.approx(math.radians(52))


def test_an_impossible_angle_of_view_is_refused():
    with pytest.raises(ValueError, match="between 1 and 170"):
        intrinsics_from_hfov(10, 10, 180)
