"""Irises of large painted eyes are found where they are, and those of people are left alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.rig.geometry import EYES, IRISES
from skyreels_avatar.rig.iris_finder import correct_irises

SIZE = 400
SKIN, WHITE, BROWN, BLACK = (225, 180, 150), (225, 220, 215), (150, 85, 40), (25, 18, 15)
HALF_WIDTH, HALF_HEIGHT, RADIUS = 34, 27, 19


def cartoon(white: tuple[int, int, int] = WHITE, roll_deg: float = 0.0) -> tuple:
    """Return a face with large eyes, its mesh with small irises to the side, and true middles."""
    points = synthetic_landmarks((90.0, 80.0, 220.0, 250.0))
    picture = np.full((SIZE, SIZE, 3), SKIN, np.uint8)
    seen = np.zeros((SIZE, SIZE), np.uint8)
    truth = []
    for (upper, lower, *_), iris in zip(EYES, IRISES):
        middle = points[[*upper, *lower], :2].mean(0)
        angles = np.linspace(np.pi, 2 * np.pi, len(upper))
        ring = np.stack([HALF_WIDTH * np.cos(angles), HALF_HEIGHT * np.sin(angles)], -1)
        points[list(upper), :2] = middle + ring
        points[list(lower), :2] = middle + ring * [1, -1]
        at = middle + np.array([4.0, -3.0])
        truth.append(at)
        eye = tuple(np.round(middle).astype(int).tolist())
        cv2.ellipse(seen, eye, (HALF_WIDTH, HALF_HEIGHT), 0, 0, 360, 1, -1)
        painted = picture.copy()
        cv2.ellipse(painted, eye, (HALF_WIDTH, HALF_HEIGHT), 0, 0, 360, white, -1)
        where = tuple(np.round(at).astype(int).tolist())
        cv2.circle(painted, where, RADIUS, BROWN, -1)
        cv2.circle(painted, where, 9, BLACK, -1)
        cv2.circle(painted, (where[0] + 7, where[1] - 7), 4, (250, 250, 250), -1)
        picture[seen > 0] = painted[seen > 0]
        around = np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]]) * 0.7 * RADIUS
        points[list(iris), :2] = middle + np.array([-3.0, 4.0]) + around
    turn = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), roll_deg, 1.0)
    picture = cv2.warpAffine(picture, turn, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
    points[:, :2] = points[:, :2] @ turn[:, :2].T + turn[:, 2]
    truth = np.array(truth) @ turn[:, :2].T + turn[:, 2]
    return cv2.GaussianBlur(picture, (0, 0), 0.8), points, truth


@pytest.mark.parametrize("roll_deg", [0.0, 20.0])
def test_an_iris_of_a_large_eye_is_the_circle_that_the_picture_shows(roll_deg):
    """The mesh's was two thirds as large and beside it: a gaze left a sliver of it behind."""
    picture, mesh, truth = cartoon(roll_deg=roll_deg)
    found = correct_irises(picture, mesh)
    for iris, middle in zip(IRISES, truth):
        points = found[list(iris), :2]
        assert np.linalg.norm(points[0] - middle) < 1.5
        radii = np.linalg.norm(points[1:] - points[0], axis=1)
        np.testing.assert_allclose(radii, RADIUS, atol=1.5)
    others = np.setdiff1d(np.arange(478), np.concatenate(IRISES))
    np.testing.assert_array_equal(found[others], mesh[others])


def test_eyes_without_white_keep_the_irises_of_the_mesh():
    picture, mesh, _ = cartoon(white=BROWN)
    np.testing.assert_array_equal(correct_irises(picture, mesh), mesh)


def test_eyes_as_large_as_those_of_people_are_left_alone():
    picture, mesh, _ = cartoon()
    for upper, lower, *_ in EYES:
        middle = mesh[[*upper, *lower], 1].mean()
        mesh[[*upper[1:-1], *lower[1:-1]], 1] = middle + 0.3 * (
            mesh[[*upper[1:-1], *lower[1:-1]], 1] - middle
        )
    np.testing.assert_array_equal(correct_irises(picture, mesh), mesh)
