"""The inner edges of lips, corrected by the teeth that a picture shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.rig.geometry import (
    INNER_LOWER,
    INNER_UPPER,
    OUTER_LOWER,
    OUTER_UPPER,
    FaceFrame,
    lip_gap,
)
from skyreels_avatar.rig.lip_finder import correct_lips
from tests.rig.test_source_teeth import ENAMEL, LIP, SIZE, draw

H = 280


@pytest.fixture(scope="module")
def landmarks() -> torch.Tensor:
    """A grin 0.08 H high, its lips 0.06 H thick."""
    points = torch.from_numpy(synthetic_landmarks((80.0, 60.0, 240.0, float(H))))
    arch = torch.sin(torch.linspace(0, torch.pi, 11)) * 0.08 * H
    middle = (points[list(INNER_UPPER), 1] + points[list(INNER_LOWER), 1]) / 2
    points[list(INNER_UPPER), 1] = middle - 0.3 * arch
    points[list(INNER_LOWER), 1] = middle + 0.7 * arch
    for inner, outer, sign in ((INNER_UPPER, OUTER_UPPER, -1), (INNER_LOWER, OUTER_LOWER, 1)):
        points[list(outer[1:-1]), 1] = points[list(inner[1:-1]), 1] + sign * 0.06 * H
    return points


def grin(landmarks: torch.Tensor) -> np.ndarray:
    """Return (400, 400, 3) bytes: teeth between the lips in a face that is lip all over."""
    picture = draw(landmarks, (1.0, ENAMEL))
    skin = picture[:, 0, 0, None, None]
    lips = torch.where((picture == skin).all(0), torch.tensor(LIP)[:, None, None], picture)
    return (255 * lips).round().byte().permute(1, 2, 0).numpy()


def shifted(landmarks: torch.Tensor, by: float) -> np.ndarray:
    """Return landmarks whose edges the mesh laid too far inside (or outside) by a share of H."""
    wrong = landmarks.clone()
    inside = torch.sin(torch.linspace(0, torch.pi, 11)) * by * H
    wrong[list(INNER_UPPER), 1] += inside
    wrong[list(INNER_LOWER), 1] -= inside
    return wrong.numpy()


@pytest.mark.parametrize("by", [0.015, 0.0, -0.008])
def test_edges_come_to_where_the_teeth_end(landmarks: torch.Tensor, by: float) -> None:
    """The mesh of a laughing mouth lay inside of it: the shut lips showed teeth."""
    found = correct_lips(grin(landmarks), shifted(landmarks, by))
    for edge in (INNER_UPPER, INNER_LOWER):
        inner = list(edge[3:-3])
        away = torch.from_numpy(found)[inner, 1] - landmarks[inner, 1]
        assert float(away.abs().max()) < 0.006 * H


def test_corners_and_everything_else_stay(landmarks: torch.Tensor) -> None:
    wrong = shifted(landmarks, 0.015)
    found = correct_lips(grin(landmarks), wrong)
    changed = set(np.flatnonzero((found != wrong).any(1)))
    assert changed and changed <= {*INNER_UPPER[1:-1], *INNER_LOWER[1:-1]}


def shout(landmarks: torch.Tensor) -> np.ndarray:
    """Return (400, 400, 3) bytes: nothing but the dark between the lips."""
    picture = grin(landmarks)
    return np.where((picture == picture[0, 0]).all(-1, keepdims=True), picture, 20).astype(np.uint8)


@pytest.mark.parametrize("by", [0.015, -0.008])
def test_edges_come_to_where_the_dark_ends(landmarks: torch.Tensor, by: float) -> None:
    """Dark strips of a laughing mouth were taken for its lips and hung from their corners."""
    found = correct_lips(shout(landmarks), shifted(landmarks, by))
    for edge in (INNER_UPPER, INNER_LOWER):
        inner = list(edge[3:-3])
        away = torch.from_numpy(found)[inner, 1] - landmarks[inner, 1]
        assert float(away.abs().max()) < 0.006 * H


@pytest.mark.parametrize("by", [0.02, 0.0, -0.02])
def test_corners_come_to_where_a_tall_mouth_ends(landmarks: torch.Tensor, by: float) -> None:
    """The mesh of a shout lay 0.05 H beside its corner: cheek was painted as an open mouth."""
    true = landmarks.clone()
    for edge, sign in ((INNER_UPPER, -1), (INNER_LOWER, 1)):
        arch = torch.sin(torch.linspace(0, torch.pi, 11)).clamp_min(0) ** 0.3
        true[list(edge), 1] = true[78, 1] + sign * 0.05 * H * arch
    wrong, edges = true.clone(), [*INNER_UPPER, *INNER_LOWER[1:-1]]
    middle, half = (wrong[78, 0] + wrong[308, 0]) / 2, (wrong[308, 0] - wrong[78, 0]) / 2
    wrong[edges, 0] = middle + (wrong[edges, 0] - middle) * (1 + by * H / half)
    found = correct_lips(shout(true), wrong.numpy())
    away = found[[78, 308], 0] - true[[78, 308], 0].numpy()
    assert np.abs(away).max() < 0.008 * H


@pytest.mark.parametrize("what", ["shut", "pale"])
def test_a_mouth_that_shows_no_teeth_beside_its_lips_is_left_alone(landmarks, what: str) -> None:
    points, picture = landmarks.numpy(), grin(landmarks)
    if what == "shut":
        points = synthetic_landmarks((80.0, 60.0, 240.0, float(H)))
        shut = FaceFrame.of(torch.from_numpy(points)[None]).points
        assert float(lip_gap(shut)) < 0.02
    else:
        picture = np.full((SIZE, SIZE, 3), 190)
    np.testing.assert_array_equal(correct_lips(picture.astype(np.uint8), points), points)
