"""Meshes of a picture: every pixel is covered, jumps are marked, unknown depth leaves a gap."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.camera.geometry import intrinsics_from_hfov, project
from skyreels_avatar.camera.mesh import build_mesh

SIZE = 8
INTRINSICS = intrinsics_from_hfov(SIZE, SIZE, 45.0)


def test_the_vertices_reach_the_exact_border():
    mesh = build_mesh(torch.zeros(1, SIZE, SIZE), torch.ones(SIZE, SIZE), INTRINSICS)
    pixels, depth = project(mesh.points, INTRINSICS, torch.eye(4))
    assert pixels.min().item() == pytest.approx(0, abs=1e-5)
    assert pixels.max().item() == pytest.approx(SIZE, abs=1e-5)
    assert mesh.faces.shape == (2 * (SIZE + 1) ** 2, 3) and not mesh.jump.any()
    assert torch.allclose(depth, torch.ones_like(depth))


def test_triangles_across_a_depth_jump_are_marked_and_slopes_are_not():
    depth = torch.ones(SIZE, SIZE)
    depth[:, SIZE // 2 :] = 2.0
    mesh = build_mesh(torch.zeros(1, SIZE, SIZE), depth, INTRINSICS)
    assert mesh.jump.sum() == 2 * (SIZE + 1)
    slope = torch.linspace(1, 1.2, SIZE).expand(SIZE, SIZE)
    assert not build_mesh(torch.zeros(1, SIZE, SIZE), slope, INTRINSICS).jump.any()


def test_unknown_depth_leaves_a_gap():
    depth = torch.ones(SIZE, SIZE)
    whole = build_mesh(torch.zeros(1, SIZE, SIZE), depth, INTRINSICS)
    depth[4, 4] = 0
    assert len(build_mesh(torch.zeros(1, SIZE, SIZE), depth, INTRINSICS).faces) == (
        len(whole.faces) - 6
    )


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one size"):
        build_mesh(torch.zeros(1, 4, 5), torch.ones(5, 5), INTRINSICS)
    with pytest.raises(ValueError, match="at least 3x3"):
        build_mesh(torch.zeros(1, 2, 2), torch.ones(2, 2), INTRINSICS)
