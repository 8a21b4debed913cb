"""What a camera sees of a picture with depth is what rays cast into the true scene hit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from skyreels_avatar.camera.mesh import build_mesh
from skyreels_avatar.camera.rasterizer import rasterize


@pytest.fixture(scope="module")
def case(golden_dir: Path) -> dict[str, np.ndarray]:
    path = golden_dir / "camera_geometry" / "case.npz"
    if not path.is_file():
        pytest.skip(f"no case of the camera at {path}")
    with np.load(path) as arrays:
        return dict(arrays)


def test_new_views_of_a_plane_and_two_spheres(case: dict[str, np.ndarray]) -> None:
    """The case's own pass marks for means over the moves: 40 dB, and 0.98 and 0.82 of areas."""
    intrinsics = torch.from_numpy(case["K"]).float()
    colors = torch.from_numpy(case["source_rgb"]).permute(2, 0, 1).float() / 255
    mesh = build_mesh(colors, torch.from_numpy(case["source_depth"]), intrinsics)
    psnr_db, valid, holes = [], [], []
    for name, pose, true, visible in zip(
        case["target_names"], case["target_w2c"], case["target_rgb"], case["target_visible"]
    ):
        drawn, seen, _ = rasterize(mesh, intrinsics, torch.from_numpy(pose).float(), true.shape[:2])
        seen, drawn = seen.numpy(), drawn.permute(1, 2, 0).numpy()
        both = seen & visible
        error = np.square(drawn[both] - true[both] / 255).mean()
        if str(name) == "static":
            assert error < 10**-4.5 and both.sum() / (seen | visible).sum() >= 0.999
            continue
        psnr_db.append(-10 * np.log10(error))
        valid.append(both.sum() / (seen | visible).sum())
        holes.append((~seen & ~visible).sum() / (~seen | ~visible).sum())
    scores = np.mean(psnr_db), np.mean(valid), np.mean(holes)
    assert scores[0] >= 40 and scores[1] >= 0.98 and scores[2] >= 0.82, scores
