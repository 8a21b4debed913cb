"""A small drawn scene: a bust before a textured wall."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.camera import Scene, build_scene

SIZE = 128


@pytest.fixture(scope="session")
def bust() -> dict[str, torch.Tensor | tuple[float, ...]]:
    """Image, depth, person mask and face box of a red bust before a green and blue wall."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    head = ((x - 64) / 22) ** 2 + ((y - 46) / 28) ** 2
    torso = ((x - 64) / 50) ** 2 + ((y - 128) / 52) ** 2
    person = np.minimum(head, torso) < 1
    soft = np.clip(1 + 12 * (1 - np.sqrt(np.minimum(head, torso))), 0, 1)
    bulge = np.sqrt(np.clip(1 - np.minimum(head, torso), 0, 1))
    depth = np.where(person, 1.06 - 0.12 * bulge, 3.0 + 0.2 * (x / SIZE - 0.5))
    wave = 0.5 + 0.2 * np.sin(x / 3.1) * np.cos(y / 4.3)
    wall = np.stack([0.1 + 0 * x, wave, 0.6 + 0.3 * np.cos((x + y) / 5)], axis=-1)
    skin = np.stack([0.8 + 0.1 * np.sin(x / 2.3 + y / 3), 0.2 + 0 * x, 0.1 + 0 * x], axis=-1)
    image = soft[..., None] * skin + (1 - soft[..., None]) * wall
    return {
        "image": torch.from_numpy(image).permute(2, 0, 1).float(),
        "depth": torch.from_numpy(depth).float(),
        "person_mask": torch.from_numpy(soft).float(),
        "face_box": (44.0, 22.0, 40.0, 50.0),
    }


@pytest.fixture(scope="session")
def scene(bust) -> Scene:
    return build_scene(**bust)
