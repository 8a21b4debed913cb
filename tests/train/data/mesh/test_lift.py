"""A head with landmarks that turns: what it shows is where it says."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.faces.face import frontality_of
from skyreels_avatar.faces.template import template
from train.data.mesh.head import HeadModel, rotation
from train.data.mesh.lift import SIDE, lift, plain_face, random_background, turned_picture


@pytest.fixture(scope="module")
def head(shared) -> HeadModel:
    """The head with its landmarks where an average face in its place has them."""

    def look(pixels: np.ndarray) -> np.ndarray:
        points = template().astype(np.float64)
        scale = 206 / (points[152, 1] - points[10, 1])  # px of this head's frontal picture
        points *= scale
        points[:, :2] += [224, 309] - points[152, :2]
        return points

    return HeadModel.load(shared / "head3d", look)


def test_lips_and_lids_meet_where_the_published_landmarks_are(head):
    points = head.landmarks(head.neutral)
    for landmark, mark in ((61, 48), (291, 54), (78, 60), (33, 36), (263, 45)):
        assert np.linalg.norm(points[landmark] - head.neutral[head.marks[mark]]) < 0.1  # cm
    assert abs(points[234] - points[454] * [-1, 1, 1]).max() < 0.8


def test_an_open_jaw_parts_the_lips_alone(head):
    opened = head.landmarks(head.shape(np.zeros(50), {"jawOpen": 0.5}))
    still = head.landmarks(head.neutral)
    assert still[14, 1] - opened[14, 1] > 0.5
    assert abs(still[13, 1] - opened[13, 1]) < 0.15 and abs(still[159] - opened[159]).max() < 0.05


def test_turned_heads_are_read_as_turned(head):
    rng = np.random.default_rng(2)
    face = plain_face(head, rng)
    front, side = (
        [
            frontality_of(turned_picture(head, face, random_background([], rng), angle, rng)[1])
            for angle in angles
        ]
        for angles in ((-8, 8), (-65, 65))
    )
    assert min(front) > 0.6 and max(side) < -0.3


def test_a_photo_is_laid_over_the_head(head):
    """The head of its own picture comes back with the same landmarks and colors."""
    rng = np.random.default_rng(4)
    face = plain_face(head, rng)
    gray = np.full((SIDE, SIDE, 3), 128, np.uint8)
    pixels, points = turned_picture(head, face, gray, 0.0, rng)
    lifted = lift(head, pixels, points)
    assert lifted.error < 0.05
    skin = head.is_a("Face")
    at = points[[50, 280, 151], :2].astype(int)
    shown = pixels[at[:, 1], at[:, 0]].mean(0)
    assert np.median(lifted.colors[skin], 0) == pytest.approx(shown, abs=30)


def test_a_rotation_is_one():
    turn = rotation(30, -20, 10)
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-6)
    assert np.linalg.det(turn) == pytest.approx(1, abs=1e-6)
    assert (rotation(90, 0, 0) @ [0, 0, 1])[0] == pytest.approx(1)
