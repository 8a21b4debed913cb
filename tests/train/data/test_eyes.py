"""Eyes that the eye finder learns from: what is drawn lies where the labels say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.rig.eye_finder import EyeFinder
from train.data.eyes import REACH, EyeCrop, _unmagnified, draw_eye, sample
from train.stages.eyes import draw_batch


def crop_of(rng: np.random.Generator) -> EyeCrop:
    """Return an eye of noise whose points are an ellipse."""
    across = np.linspace(-1, 1, 9)
    lids = [np.stack([0.1 * across, y * (1 - across**2)], -1) for y in (-0.03, 0.02)]
    points = np.concatenate([lids[0], lids[1][1:-1], [[0.0, 0.0]]]).astype(np.float32)
    return EyeCrop(rng.integers(90, 160, (128, 128, 3)).astype(np.uint8), points, 0.03)


@pytest.mark.parametrize("seed", range(8))
def test_a_drawn_eye_is_dark_in_the_iris_and_bright_between_the_lids(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = np.full((128, 128, 3), 140, np.uint8)
    points, radius = draw_eye(picture, np.zeros(2), 4.0, rng)

    pixels = ((points + 1) * 64).round().astype(np.int32)
    x, y = pixels[16]
    assert picture[y, x].mean() < 80  # the pupil
    outline = pixels[[*range(9), *range(15, 8, -1)]]
    inside = cv2.fillPoly(np.zeros((128, 128), np.uint8), [outline], 1) > 0
    assert np.percentile(picture[inside].mean(1), 90) > 150  # the white
    assert picture[~inside].mean() < 140
    assert 0 < radius < 1
    assert (points[1:8, 1] < points[9:16, 1]).all()


def test_magnified_labels_look_at_the_photos_own_points(rng: np.random.Generator) -> None:
    magnified = np.float32([1.8, 2.2])
    points = rng.uniform(-0.7, 0.7, (50, 2)) * REACH  # within the unit circle of the reach
    moved = points * magnified
    np.testing.assert_allclose(moved * _unmagnified(moved, magnified), points, atol=1e-6)
    far = REACH * magnified * 2.5
    np.testing.assert_allclose(_unmagnified(far[None], magnified), 1.0)


def test_a_sample_depends_on_its_seed_alone(rng: np.random.Generator) -> None:
    crop = crop_of(rng)
    first, again, other = (sample(crop, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert first[0].shape == (64, 64, 3) and first[0].dtype == np.uint8
    assert (first[1] != other[1]).any()


def test_a_batch_holds_pictures_points_and_radii(rng: np.random.Generator) -> None:
    pictures, points, radii = draw_batch([crop_of(rng)], 6, rng)
    assert pictures.shape == (6, 3, 64, 64) and points.shape == (6, 17, 2) and radii.shape == (6,)
    assert 0 <= float(pictures.min()) < float(pictures.max()) <= 1
    found, radius = EyeFinder()(pictures)
    assert found.shape == points.shape and radius.shape == radii.shape
