"""Frontal faces get MediaPipe's points, turned ones those of the mesh taught on rendered heads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skyreels_avatar.faces.networks import MeshNetwork
from skyreels_avatar.faces.turned_mesh import FaceMesh


class Reads:
    """A network that says the same of every crop, and how many crops it was shown."""

    def __init__(self, points: np.ndarray, score: float) -> None:
        self.points, self.score, self.shown = points, score, 0

    def __call__(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.shown += len(crops)
        return np.repeat(self.points[None], len(crops), 0), np.full(len(crops), self.score)


def face_at(along: float, height: float = 100.0) -> np.ndarray:
    """Return points whose middle lies at a share of the way between the sides of the face."""
    points = np.zeros((478, 3))
    points[234, 0], points[454, 0], points[[168, 13], 0] = 0, 100, 100 * along
    points[:, 1] = height
    return points


def mesh_of(front: Reads, turned: Reads) -> FaceMesh:
    mesh = FaceMesh.__new__(FaceMesh)
    mesh._front, mesh._turned = front, turned
    return mesh


CROPS = np.zeros((3, 192, 192, 3), np.uint8)


def test_a_frontal_face_is_looked_at_once():
    front, turned = Reads(face_at(0.45), 1.0), Reads(face_at(1.2, 60), 0.8)
    points, scores = mesh_of(front, turned)(CROPS)
    assert turned.shown == 0 and (scores == 1).all()
    assert np.array_equal(points[0], front.points)


@pytest.mark.parametrize(("along", "share"), [(0.9, 0.0), (0.96, 0.057), (1.04, 0.51), (1.2, 1.0)])
def test_how_far_the_second_look_counts_is_read_from_itself(along, share):
    front, turned = Reads(face_at(0.85), 1.0), Reads(face_at(along, 60), 0.8)
    points, scores = mesh_of(front, turned)(CROPS)
    assert turned.shown == 3
    assert points[:, 5, 1] == pytest.approx(100 - 40 * share, abs=1)
    assert scores == pytest.approx(1 - 0.2 * share, abs=0.01)


def test_a_face_that_the_first_network_lost_is_looked_at_again():
    front, turned = Reads(face_at(0.5), 0.02), Reads(face_at(1.6, 60), 0.97)
    points, scores = mesh_of(front, turned)(CROPS)
    assert np.array_equal(points[0], turned.points) and scores == pytest.approx(0.97)


def test_frontal_faces_keep_mediapipes_points():
    with np.load(Path(__file__).with_name("mediapipe.npz")) as stored:
        crops = np.stack([stored[f"{name}.crop"] for name in ("portrait", "portrait_man")])
    expected, expected_scores = MeshNetwork()(crops)
    points, scores = FaceMesh()(crops)
    assert np.array_equal(points, expected) and np.array_equal(scores, expected_scores)


def test_both_networks_agree_about_frontal_faces():
    """Between 35 and 50 degrees they are mixed, so that they must mean the same points."""
    with np.load(Path(__file__).with_name("mediapipe.npz")) as stored:
        crops = np.stack([stored[f"{name}.crop"] for name in ("portrait", "portrait_man")])
    one, other = MeshNetwork()(crops)[0], MeshNetwork("turned_mesh")(crops)[0]
    eyes = np.linalg.norm(one[:, 33, :2] - one[:, 263, :2], axis=1)
    away = np.linalg.norm(one[..., :2] - other[..., :2], axis=2).mean(1) / eyes
    assert away.max() < 0.04
