"""The converted networks against mediapipe 0.10.21, on the drawn portraits of the examples.

mediapipe.npz holds the pixels and what mediapipe said of them, through its own graphs. Weights and
steps are mediapipe's own and arithmetic is float32 in both, so bounds are those of rounding.
Measured: mesh 0.0001 px, boxes 0.0002 px, shares 0.000003. Hands are seen in 8 bits.
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
from skyreels_avatar.media.image import Portrait

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


def test_a_drawn_person_without_hands_has_none(portrait):
    assert HandNetwork()(portrait[1]) == []


# Wrist and finger tips, px, as half-precision weights found them, 0.02 % from mediapipe.
_HANDS = {
    "p06_hand_at_face": [[[698, 608], [700, 424], [677, 410], [663, 408], [691, 393]]],
    "p11_halfbody_glasses_man": [
        [[450, 726], [394, 586], [366, 664], [346, 702], [343, 753]],
        [[82, 715], [175, 584], [187, 635], [205, 669], [199, 728]],
    ],
    "p13_product_lipstick_car": [[[58, 614], [93, 451], [40, 429], [48, 494], [31, 553]]],
    "p19_singer_mic_occlusion": [
        [[293, 629], [340, 512], [373, 519], [377, 557], [366, 581]],
        [[400, 702], [370, 592], [336, 616], [328, 636], [328, 661]],
    ],
    "p01_frontal_man": [],
}


@pytest.mark.parametrize("name", _HANDS)
def test_hands_are_mediapipes(shared, name):
    """Weights of 8 bits: as many hands, points within 5 % of the hand (measured: 1.9 % mean)."""
    pixels = Portrait.load(shared / "inputs" / "portraits" / f"{name}.jpg").pixels
    found = [points[[0, 4, 8, 12, 20]] for points, _ in HandNetwork()(pixels)]
    assert len(found) == len(_HANDS[name])
    for points, wanted in zip(found, np.array(_HANDS[name], float)):
        distance = np.linalg.norm(points - wanted, axis=1)
        assert distance.max() < 0.05 * np.ptp(wanted, axis=0).max() + 1  # rounded to pixels


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


def test_faces_are_found_without_mediapipe(root):
    code = (
        "import sys; sys.modules['mediapipe'] = None;"
        "from skyreels_avatar.faces.analyzer import FaceAnalyzer;"
        "from skyreels_avatar.media.image import Portrait;"
        "print(len(FaceAnalyzer().find(Portrait.load(sys.argv[1]).pixels)))"
    )
    portrait = root / "assets" / "examples" / "portrait.png"
    command = [sys.executable, "-c", code, str(portrait)]
    found = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "1"
