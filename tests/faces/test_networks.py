"""The converted networks against mediapipe 0.10.21, on the drawn portraits of the examples.

mediapipe.npz holds the pixels and what mediapipe said of them, through its own graphs; hands with a
threshold so low that the networks see some in collars and hair.
Weights and steps are mediapipe's own and arithmetic is float32 in both, so bounds are those of
rounding. Measured: mesh 0.0001 px, boxes 0.0002 px, shares 0.000003, hands 0.05 px and 0.0013 of
the score (the place of their crops hangs on a box, and is rounded to 1/32 pixel).
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.faces import networks
from skyreels_avatar.faces.networks import Detector, HandNetwork, MeshNetwork, Segmenter

NAMES = ["portrait", "portrait_man"]


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name("mediapipe.npz")) as stored:
        return dict(stored)


@pytest.fixture(scope="module", params=NAMES)
def portrait(request, expected) -> tuple[str, np.ndarray]:
    """The name of a drawn portrait and its (256, 256, 3) pixels."""
    return request.param, expected[f"{request.param}.pixels"]


def test_the_mesh_is_mediapipes(portrait, expected):
    name, _ = portrait
    crop = expected[f"{name}.crop"]
    points, scores = MeshNetwork()(np.stack([crop, crop[:, ::-1], crop]))
    assert points.shape == (3, 478, 3) and scores.shape == (3,)
    for one in (0, 2):
        assert np.abs(points[one] - expected[f"{name}.mesh"]).max() < 0.02  # pixels of 192
        assert scores[one] == pytest.approx(expected[f"{name}.presence"], abs=1e-4)
    assert scores.min() > 0.99


@pytest.mark.parametrize("reach", ["short", "full"])
def test_detections_are_mediapipes(portrait, expected, reach):
    name, pixels = portrait
    found = Detector(reach, 0.1)(pixels)
    values = np.array([np.r_[box, keypoints.ravel(), score] for box, keypoints, score in found])
    assert values.shape == expected[f"{name}.{reach}"].shape
    assert np.abs(values - expected[f"{name}.{reach}"])[:, :-1].max() < 0.1  # pixels of 256
    assert np.abs(values - expected[f"{name}.{reach}"])[:, -1].max() < 1e-3
    sure = Detector(reach, 0.5)(pixels)
    assert len(sure) == 1 and sure[0][2] == found[0][2]


def test_segmentation_is_mediapipes(portrait, expected):
    name, pixels = portrait
    share = Segmenter()(pixels)
    assert share.shape == (256, 256) and share.dtype == np.float32
    blocks = share.reshape(64, 4, 64, 4).mean((1, 3))
    assert np.abs(blocks - expected[f"{name}.segmenter"]).max() < 1e-3


def test_hands_are_mediapipes(portrait, expected, monkeypatch):
    name, pixels = portrait
    assert HandNetwork()(pixels) == []
    monkeypatch.setattr(networks, "_MIN_PALM", 0.02)
    monkeypatch.setattr(networks, "_MIN_HAND", -1.0)
    found = HandNetwork()(pixels)
    values = np.array([np.r_[points.ravel(), score] for points, score in found])
    assert values.shape == expected[f"{name}.hands"].shape
    assert np.abs(values - expected[f"{name}.hands"])[:, :-1].max() < 0.5  # pixels of 256
    assert np.abs(values - expected[f"{name}.hands"])[:, -1].max() < 1e-2


@pytest.mark.parametrize("angle_deg", [0, 90, -135])
def test_a_hand_is_looked_for_upright_ahead_of_its_palm(angle_deg):
    """The region is a square in pixels, whatever the picture's proportions."""
    turn = np.deg2rad(angle_deg)
    ahead = np.array([np.sin(turn), -np.cos(turn)])  # fingers up at 0 degrees, then clockwise
    keypoints = np.zeros((7, 2))
    keypoints[0], keypoints[2] = (300, 200), (300, 200) + 30 * ahead
    matrix = networks._hand_region(np.array([270.0, 170.0, 60.0, 60.0]), keypoints)
    side = matrix[:, :2] @ [224, 0]
    assert np.linalg.norm(side) == pytest.approx(2.6 * 60)
    assert side @ ahead == pytest.approx(0, abs=1e-9)
    assert matrix @ [112, 112, 1] == pytest.approx(np.array([300, 200]) + 30 * ahead)
    assert (matrix[:, :2] @ [0, -1]) @ ahead > 0  # fingers point up in the network's input


def test_two_regions_of_one_hand_count_once():
    def region(x: float) -> np.ndarray:
        return np.array([[1.0, 0, x], [0, 1.0, 0]])

    first, same, other = region(0), region(30), region(150)
    kept = networks._distinct([first, same, other])
    assert [matrix[0, 2] for matrix in kept] == [30, 150]


def test_networks_may_be_used_by_several_threads(portrait, expected):
    name, pixels = portrait
    crop, mesh, detector = expected[f"{name}.crop"], MeshNetwork(), Detector("short", 0.5)

    def look(_: int) -> tuple[np.ndarray, np.ndarray]:
        return mesh(crop[None])[0], detector(pixels)[0][0]

    alone = look(0)
    with ThreadPoolExecutor(4) as pool:
        for points, box in pool.map(look, range(12)):
            assert (points == alone[0]).all() and (box == alone[1]).all()


def test_missing_networks_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(networks, "asset_path", lambda name: tmp_path / name)
    networks._network.cache_clear()
    try:
        with pytest.raises(CheckpointError, match="face_networks"):
            Segmenter()
    finally:
        networks._network.cache_clear()


def test_faces_are_found_without_mediapipe():
    code = (
        "import sys; sys.modules['mediapipe'] = None; import numpy as np;"
        "from skyreels_avatar.faces.analyser import FaceAnalyser;"
        "FaceAnalyser().start()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
