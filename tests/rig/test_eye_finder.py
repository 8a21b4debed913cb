"""The eye finder on drawn faces: large round eyes are found, where the mesh agrees it is kept."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.loading.checkpoints.load import load_module
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.rig.eye_finder import EyeFinder, correct_eyes, eye_crop
from skyreels_avatar.rig.face_rig import FaceRig
from skyreels_avatar.rig.geometry import EYES, IRISES, FaceFrame

WEIGHTS = Path(__file__).resolve().parents[2] / "assets/nano/vae.safetensors"
SKIN, WHITE, BROWN = (205, 160, 130), (250, 248, 244), (90, 50, 30)


@pytest.fixture(scope="module")
def finder() -> EyeFinder:
    return load_module(FaceRig, WEIGHTS).eval().eye_finder


@pytest.fixture(scope="module")
def landmarks() -> np.ndarray:
    return synthetic_landmarks((100.0, 130.0, 320.0, 380.0)).astype(np.float32)


def ring(landmarks: np.ndarray, eye: int) -> np.ndarray:
    upper, lower, _, _ = EYES[eye]
    return landmarks[[*upper, *lower[-2:0:-1]], :2]


def drawn(landmarks: np.ndarray, wide: float, high: float) -> np.ndarray:
    """Return a flat face whose eyes are ellipses of these sizes (px) round those of the mesh."""
    pixels = np.full((640, 520, 3), SKIN, np.uint8)
    for eye in (0, 1):
        x, y = ring(landmarks, eye).mean(0).round().astype(int).tolist()
        cv2.ellipse(pixels, (x, y), (round(wide), round(high)), 0, 0, 360, WHITE, -1, cv2.LINE_AA)
        cv2.ellipse(pixels, (x, y), (round(wide), round(high)), 0, 0, 360, (40, 20, 20), 4,
                    cv2.LINE_AA)  # fmt: skip
        cv2.circle(pixels, (x, y), round(0.5 * high), BROWN, -1, cv2.LINE_AA)
        cv2.circle(pixels, (x, y), round(0.25 * high), (10, 10, 10), -1, cv2.LINE_AA)
    return pixels


@pytest.mark.parametrize("wide,high", [(50, 46), (46, 38), (56, 54)])
def test_lids_are_put_round_the_large_eyes_of_a_cartoon(
    finder: EyeFinder, landmarks: np.ndarray, wide: float, high: float
) -> None:
    found = correct_eyes(finder, drawn(landmarks, wide, high), landmarks)
    for eye in (0, 1):
        middle = ring(landmarks, eye).mean(0)
        size = np.ptp(ring(found, eye), axis=0)
        assert np.abs(ring(found, eye).mean(0) - middle).max() < 0.25 * high
        assert size[0] == pytest.approx(2 * wide, rel=0.25)
        assert size[1] == pytest.approx(2 * high, rel=0.25)
        upper, _, fold, _ = (found[list(points), 1][1:-1] for points in EYES[eye])
        assert (fold < upper).all()
        iris = found[list(IRISES[eye]), :2]
        assert np.abs(iris[0] - middle).max() < 0.25 * high
    elsewhere = sorted(
        set(range(478)) - {i for e in EYES for r in e for i in r} - set(sum(IRISES, ()))
    )
    np.testing.assert_array_equal(found[elsewhere], landmarks[elsewhere])


@pytest.mark.parametrize("name", ["p01_frontal_man", "p09_glasses_woman_black", "p16_smile_street"])
def test_in_photos_the_mesh_is_kept(finder: EyeFinder, shared: Path, name: str) -> None:
    pixels = Portrait.load(shared / "inputs" / "portraits" / f"{name}.jpg").pixels
    (face,) = FaceAnalyzer(max_faces=1).find(pixels)[:1]
    assert correct_eyes(finder, pixels, face.landmarks) is face.landmarks


def test_on_a_painted_cartoon_lids_go_round_the_eyes(finder: EyeFinder, shared: Path) -> None:
    path = shared / "inputs" / "portraits" / "p22_cartoon3d_hair_occlusion.jpg"
    pixels = Portrait.load(path).pixels
    face = FaceAnalyzer(max_faces=1).find(pixels)[0]
    found = correct_eyes(finder, pixels, face.landmarks)
    for eye in (0, 1):
        grown = np.ptp(ring(found, eye), axis=0) / np.ptp(ring(face.landmarks, eye), axis=0)
        assert grown[1] > 1.6


def test_a_left_eye_is_seen_as_a_right_one(landmarks: np.ndarray) -> None:
    pixels = np.zeros((640, 520, 3), np.uint8)
    pixels[:, :260] = 255
    frame = FaceFrame.of(torch.from_numpy(landmarks)[None])
    middle = frame.from_pixels(torch.tensor([[[260.0, 300.0]]]))[0, 0].numpy()
    right = eye_crop(pixels, frame, middle, 0.2, mirrored=False)
    left = eye_crop(pixels, frame, middle, 0.2, mirrored=True)
    assert right[:, :30].min() > 200 and right[:, 34:].max() < 50
    np.testing.assert_allclose(left[:, ::-1].astype(int), right.astype(int), atol=2)
