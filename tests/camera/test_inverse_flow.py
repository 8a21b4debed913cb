"""The coarse inverse flow against its exact twin."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.camera import MOVES, CameraMove, ReferenceVideo, plan_path
from skyreels_avatar.camera.geometry import project, unproject
from skyreels_avatar.camera.inverse_flow import MAX_SHIFT_SLOPE, InverseFlow

MOVING = [name for name in MOVES if name != "static"]


@pytest.mark.parametrize("name", MOVING)
def test_the_fast_path_draws_what_the_exact_twin_draws(name: str, scene):
    """Measured: up to 0.0014 mean difference, masks up to 0.2% apart; twice that is allowed."""
    path = plan_path(CameraMove(name), scene, 24, 25)
    video = ReferenceVideo(scene, path)
    fast, fast_seen = video.frames(16, 17)
    video.exact = True  # the same layers, built once
    exact, exact_seen = video.frames(16, 17)
    assert (fast - exact).abs().mean() < 0.003
    assert (fast_seen != exact_seen).float().mean() < 0.004


@pytest.mark.parametrize("name", MOVING)
def test_source_positions_project_back_to_their_targets(name: str, scene):
    path = plan_path(CameraMove(name), scene, 20, 25)
    extrinsics = path.extrinsics[-1]
    inverse_depth = (1 / scene.person_depth).numpy()
    baseline = float(extrinsics[:3, 3].norm())
    flow = InverseFlow(inverse_depth, 0, scene.intrinsics.numpy(), baseline)
    source = flow.coarse_map(scene.intrinsics.numpy(), extrinsics.numpy())
    depth = torch.from_numpy(1 / flow._sample(*np.moveaxis(source, -1, 0)))
    points = unproject(torch.from_numpy(source), depth, scene.intrinsics.double())
    target, _ = project(points, scene.intrinsics.double(), extrinsics.double())
    assert np.abs(target.numpy() - flow.targets).max() < 0.01


def test_a_depth_jump_becomes_a_ramp_that_the_iteration_can_climb():
    inverse_depth = np.full((128, 128), 0.25, np.float32)
    inverse_depth[:, 64:] = 1.0
    intrinsics = np.float32([[150, 0, 64], [0, 150, 64], [0, 0, 1]])
    flow = InverseFlow(inverse_depth, 0, intrinsics, baseline=0.3)
    shift_px = 0.3 * 150 * np.diff(flow.inverse_depth, axis=1)
    assert np.abs(shift_px).max() <= MAX_SHIFT_SLOPE * 8 + 1e-3
    assert flow.inverse_depth.max() == 1.0


@pytest.mark.parametrize("size", [(50, 70), (128, 64)])
def test_any_size_gets_a_map_of_its_size(size: tuple[int, int]):
    inverse_depth = np.full(size, 0.5, np.float32)
    intrinsics = np.float32([[80, 0, size[1] / 2], [0, 80, size[0] / 2], [0, 0, 1]])
    flow = InverseFlow(inverse_depth, 0, intrinsics, baseline=0.0)
    positions = flow.enlarged(flow.coarse_map(intrinsics, np.eye(4, dtype=np.float32)))
    y, x = np.mgrid[: size[0], : size[1]]
    np.testing.assert_allclose(positions, np.stack([x, y], -1), atol=1e-3)


@pytest.mark.parametrize("scale", [1, 2])
def test_positions_of_cells_are_those_of_their_first_pixels(scale: int) -> None:
    depth = np.linspace(0.5, 1.0, 100 * 120, dtype=np.float32).reshape(100, 120)
    intrinsics = np.array([[100.0, 0, 54.5], [0, 100.0, 43.5], [0, 0, 1]])
    flow = InverseFlow(depth, 6, intrinsics, 0.2)  # 88 x 108 pixels, not a multiple of a cell
    extrinsics = np.eye(4)
    extrinsics[:3, 3] = 0.05, -0.03, 0.1
    coarse = flow.coarse_map(intrinsics, extrinsics)
    expected = flow.enlarged(coarse, scale)[::8, ::8]
    cells = flow.of_cells(coarse, scale)
    assert cells.shape == expected.shape == (11, 14, 2)
    assert np.abs(cells - expected).max() < 1e-3
