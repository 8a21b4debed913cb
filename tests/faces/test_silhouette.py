"""A turned head ends where the picture shows it, not where landmarks do."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.faces import silhouette
from skyreels_avatar.faces.face_crop import picture_from_crop, uncrop_mask
from skyreels_avatar.faces.silhouette import SilhouetteTrack
from skyreels_avatar.faces.suitability import OUTER_LIPS
from skyreels_avatar.faces.template import template

SIZE = 240


@pytest.fixture
def face() -> np.ndarray:
    points = template().copy()
    points[:, :2] = 60 + 110 * points[:, :2]
    return points


@pytest.fixture
def edge(monkeypatch) -> None:
    """White pixels are a person, in place of the segmentation network."""
    monkeypatch.setattr(
        silhouette, "segmenter", lambda: lambda crop: crop[..., 0].astype(np.float32) / 255
    )


def head_that_ends_at(column: float) -> np.ndarray:
    pixels = np.zeros((SIZE, SIZE, 3), np.uint8)
    pixels[:, : round(column)] = 255
    return pixels


def test_lips_beyond_the_head_are_measured(face, edge):
    left, right = (face[OUTER_LIPS, 0].min(), face[OUTER_LIPS, 0].max())
    track = SilhouetteTrack()
    for index, column in enumerate((right + 12, (left + right) / 2, left - 12)):
        track.add(2 * index, head_that_ends_at(column), face)
    np.testing.assert_allclose(track.lips_beyond(6), [0, 0, 0.5, 0, 1, 0], atol=0.06)


def test_the_background_of_a_frame_comes_back_where_it_was(face, edge):
    middle = float(face[list(OUTER_LIPS), 0].mean())
    track = SilhouetteTrack()
    track.add(3, head_that_ends_at(middle), face)
    assert track.at(2) is None
    behind = uncrop_mask(track.at(3), picture_from_crop(face), (SIZE, SIZE))
    row = int(face[13, 1])
    assert behind[row, round(middle) + 4] > 0.95 and behind[row, round(middle) - 5] < 0.05
