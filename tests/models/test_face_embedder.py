"""The network that says who somebody is: its form, and that it is the published one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.faces.identity import WEIGHTS
from skyreels_avatar.folders import asset_path
from skyreels_avatar.loading.checkpoints.load import load_module
from skyreels_avatar.models.face_embedder import FaceEmbedder

# What dlib 20.0.1 gives for `pattern` with the published file, in thousandths.
# fmt: off
PUBLISHED = [
    -74, 163, 51, -41, -90, 3, -35, -36, 124, 10, 204, -39, -271, -44, -29, 51, -129, -59, -147,
    -98, 67, 66, 21, 38, -138, -274, 3, -115, 81, -185, 13, 79, -149, -81, -32, 64, -58, -54, 144,
    -69, -155, -49, 20, 276, 177, -4, 30, -56, 73, -279, 47, 190, 86, 103, 69, -176, 1, 75, -101,
    81, 91, -49, -61, -117, 178, 39, -103, -140, 113, -141, -67, 120, -108, -168, -210, 71, 333,
    148, -203, 23, -130, -12, 28, 32, -59, 6, -90, 67, 169, -78, -18, 216, 43, 10, 32, 18, -99, 52,
    -99, 52, 129, -131, -13, 84, -118, 201, 28, 45, 81, -11, -117, -69, 253, -226, 215, 176, 63,
    111, 86, 135, 38, 19, -156, -56, 70, -74, -78, 13,
]
# fmt: on


def pattern() -> np.ndarray:
    """Return (150, 150, 3) uint8 waves."""
    y, x = np.mgrid[:150, :150]
    waves = (
        127 + 110 * np.sin(x / 9 + y / 23),
        127 + 100 * np.cos(y / 7 - x / 31),
        127 + 90 * np.sin((x * y) / 900),
    )
    return np.stack(waves, -1).round().astype(np.uint8)


def test_the_shipped_weights_give_what_dlib_gives():
    """Bound: 8 bits move embeddings of 118 faces by 0.024 on average, 0.030 at most."""
    network = load_module(FaceEmbedder, asset_path(WEIGHTS))
    found = network.embed(pattern()[None])[0]
    assert np.linalg.norm(found - np.array(PUBLISHED) / 1000) < 0.045


def test_the_size_of_the_network_is_the_published_one():
    network = FaceEmbedder()
    assert sum(p.numel() for p in network.parameters()) == 5_607_488
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 29


@pytest.mark.parametrize("number", [1, 3])
def test_a_batch_gives_what_single_faces_give(number, rng):
    torch.manual_seed(0)
    network = FaceEmbedder(widths=(4, 8), num_blocks=(1, 2), dim=6).eval()
    faces = rng.integers(0, 256, (number, 150, 150, 3), dtype=np.uint8)
    together = network.embed(faces)
    assert together.shape == (number, 6) and together.dtype == np.float32
    for face, embedding in zip(faces, together):
        np.testing.assert_allclose(network.embed(face[None])[0], embedding, atol=1e-5)
