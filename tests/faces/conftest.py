"""One analyzer for all tests of this folder: its networks take half a second to load."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.faces.analyzer import FaceAnalyzer
from tests.faces.drawing import draw_person

BOX = (180.0, 90.0, 140.0, 172.0)


@pytest.fixture(scope="session")
def analyzer() -> FaceAnalyzer:
    return FaceAnalyzer()


@pytest.fixture(scope="session")
def person() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(480, 512, 3) drawing, its (478, 3) points and its (480, 512) silhouette."""
    return draw_person(480, 512, BOX)


@pytest.fixture(scope="session")
def empty_picture() -> np.ndarray:
    """(240, 320, 3) smooth colors without a face."""
    y, x = np.mgrid[0:240, 0:320]
    return np.stack([x * 255 / 319, y * 255 / 239, 128 + 0 * x], -1).astype(np.uint8)
