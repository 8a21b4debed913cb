"""A turned head ends where the picture shows it, not where landmarks do."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.faces import silhouette
from skyreels_avatar.faces.face_crop import picture_from_crop, uncrop_mask
from skyreels_avatar.faces.silhouette import SilhouetteTrack, lips_within_head
from skyreels_avatar.faces.suitability import INNER_LIPS, OUTER_LIPS
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


def turned(face: np.ndarray, angle: float) -> np.ndarray:
    """Return the face turned by radians, to the right of the picture if positive."""
    points, middle = face.copy(), face[list(OUTER_LIPS), 0].mean()
    x, z = face[:, 0] - middle, 110 * (face[:, 2] - face[:, 2].mean())
    points[:, 0] = middle + np.cos(angle) * x - np.sin(angle) * z
    points[:, 2] = np.sin(angle) * x / 110 + np.cos(angle) * z / 110
    return points


@pytest.mark.parametrize("side", [1, -1])
def test_lips_that_reach_out_of_a_turned_head_end_with_it(face, edge, side):
    """A mouth was drawn into the air beside a profile."""
    points = turned(face, side * 0.9)
    lips = points[list(OUTER_LIPS), 0]
    near, far = (lips.min(), lips.max())[::side]
    ends_at = far - 0.25 * (far - near)
    pixels = head_that_ends_at(ends_at) if side > 0 else 255 - head_that_ends_at(ends_at)
    moved = lips_within_head(pixels, points)
    new = moved[list(OUTER_LIPS), 0]
    assert abs((new.max() if side > 0 else new.min()) - ends_at) < 1.5
    assert abs((new.min() if side > 0 else new.max()) - near) < 0.01
    others = np.setdiff1d(np.arange(478), [*OUTER_LIPS, *INNER_LIPS])
    np.testing.assert_array_equal(moved[others], points[others])


def test_lips_on_the_head_and_frontal_faces_stay(face, edge):
    points = turned(face, 0.9)
    everywhere = np.full((SIZE, SIZE, 3), 255, np.uint8)
    np.testing.assert_array_equal(lips_within_head(everywhere, points), points)
    cut = head_that_ends_at(float(face[list(OUTER_LIPS), 0].mean()))
    np.testing.assert_array_equal(lips_within_head(cut, face), face)


def test_the_share_of_lips_on_the_head_is_kept_for_each_frame(face, edge):
    points, track = turned(face, 0.9), SilhouetteTrack()
    lips = points[list(OUTER_LIPS), 0]
    track.add(1, head_that_ends_at(lips.max() - 0.25 * np.ptp(lips)), points)
    np.testing.assert_allclose(track.lips_left(3), [1, 0.75, 1], atol=0.03)
