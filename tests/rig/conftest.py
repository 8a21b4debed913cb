"""A synthetic face at rest."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.rig.fields import (
    FaceShape,
)
from skyreels_avatar.rig.geometry import FaceFrame


@pytest.fixture(scope="session")
def landmarks() -> torch.Tensor:
    return torch.from_numpy(synthetic_landmarks((100.0, 130.0, 80.0, 95.0)))


@pytest.fixture(scope="session")
def shape(landmarks: torch.Tensor) -> FaceShape:
    return FaceShape.of(FaceFrame.of(landmarks[None]).points)
