"""Crops carry their landmarks along, and a teacher's landmarks hardly depend on the crop."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.faces.networks import MeshNetwork
from skyreels_avatar.faces.region import Region
from tests.faces.drawing import draw_person
from train.data.mesh.crops import MeshPicture, mirror, teacher_landmarks, vary


def test_a_mirror_swaps_the_eyes_and_keeps_the_middle():
    index = mirror()
    assert np.array_equal(index[index], np.arange(478))
    for one, other in ((33, 263), (61, 291), (468, 473), (469, 476), (13, 13), (152, 152)):
        assert index[one] == other and index[other] == one


@pytest.mark.parametrize("seed", range(8))
def test_a_dot_of_the_picture_moves_with_its_landmark(seed):
    _, points, _ = draw_person(256, 256, (60, 60, 130, 150))
    picture = np.full((256, 256, 3), 90, np.uint8)
    x, y = points[33, :2]
    cv2.circle(picture, (round(16 * x - 8), round(16 * y - 8)), 64, (255, 0, 0), -1, 16, 4)
    weights = np.linspace(0.1, 1, 478).astype(np.float32)
    rng = np.random.default_rng(seed)
    crop, moved, known = vary(MeshPicture(picture, points, weights), rng)
    red = crop[..., 0].astype(float) - crop[..., 1:].mean(2)
    rows, columns = np.nonzero(red > 0.6 * red.max())
    index = int(np.flatnonzero(known == weights[33])[0])
    if index == 263:
        assert known[33] == weights[263]
    assert moved[index, :2] == pytest.approx([columns.mean() + 0.5, rows.mean() + 0.5], abs=2.5)


def test_a_teacher_says_the_same_of_a_mirrored_picture():
    picture, _, _ = draw_person(256, 256, (60, 60, 130, 150))
    network, region = MeshNetwork(), Region(125, 135, 225)
    points = teacher_landmarks(network, picture, region)
    flipped = Region(256 - 125, 135, 225)
    mirrored = teacher_landmarks(network, np.ascontiguousarray(picture[:, ::-1]), flipped)
    mirrored[:, 0] = 256 - mirrored[:, 0]
    assert np.abs(mirrored[mirror()] - points)[:, :2].mean() < 1.0
