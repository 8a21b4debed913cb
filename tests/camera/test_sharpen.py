"""Sharpening of enlarged pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.camera import CameraMove, ReferenceVideo, plan_path
from skyreels_avatar.camera.sharpen import sharpened, sharpening


def _photo(size: int) -> np.ndarray:
    """Return discs and lines, (size, size, 3) uint8, the same for every size."""
    large = np.full((768, 768, 3), 120, np.uint8)
    generator = np.random.default_rng(0)
    for _ in range(150):
        color = generator.integers(20, 235, 3).tolist()
        x, y, radius = (int(v) for v in generator.integers((0, 0, 4), (768, 768, 60)))
        cv2.circle(large, (x, y), radius, color, -1, cv2.LINE_AA)
    return cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)


def _detail(pixels: np.ndarray) -> float:
    return float(cv2.Laplacian(pixels.astype(np.float32), cv2.CV_32F).var())


def test_an_enlarged_picture_gets_detail_back_and_comes_closer_to_the_truth():
    truth = _photo(384)
    soft = cv2.resize(_photo(240), (384, 384), interpolation=cv2.INTER_CUBIC)
    sharp = sharpened(soft, float(sharpening(np.float64([1.6]))[0]))
    assert _detail(soft) < 0.5 * _detail(truth) < 0.75 * _detail(truth) < _detail(sharp)
    away = [np.abs(one.astype(float) - truth).mean() for one in (soft, sharp)]
    assert away[1] < away[0]


def test_nothing_rings():
    """A bright or dark line beside an edge is what sharpening is recognized by."""
    edge = cv2.GaussianBlur(np.repeat(np.uint8([[60] * 20 + [200] * 20]), 40, 0), (0, 0), 1.5)
    sharp = sharpened(edge, 3.0)
    assert sharp.min() >= edge.min() and sharp.max() <= edge.max()
    assert (np.diff(sharp.astype(int), axis=1) >= 0).all()
    assert np.diff(sharp.astype(int), axis=1).max() > 1.5 * np.diff(edge.astype(int), axis=1).max()


def test_noise_and_edges_of_jpeg_blocks_do_not_grow():
    """More sharpening made smooth skin blotchy and showed the blocks of a compressed picture."""
    noise = np.random.default_rng(0).integers(-1, 2, (64, 64, 3))
    blocks = 2 * ((np.arange(64) // 8 + np.arange(64)[:, None] // 8) % 2)[..., None]
    for faint in (noise, blocks):
        skin = (140 + faint + np.zeros((64, 64, 3))).astype(np.uint8)
        assert np.array_equal(sharpened(skin, 3.0), skin)


def test_what_is_not_enlarged_stays():
    amounts = sharpening(np.float64([0.5, 1.0, 1.25, 1.6]))
    assert amounts[0] == amounts[1] == 0 < amounts[2] < amounts[3]
    picture = _photo(64)
    assert np.array_equal(sharpened(picture, 0.0), picture)


@pytest.mark.parametrize(("name", "sharpens"), [("push_in", True), ("push_out", False)])
def test_frames_are_sharpened_as_the_subject_comes_nearer(name: str, sharpens: bool, scene):
    video = ReferenceVideo(scene, plan_path(CameraMove(name), scene, 9, 25))
    assert video.sharpening[0] == 0
    assert (np.diff(video.sharpening) >= 0).all()
    assert (video.sharpening[-1] > 0.5) == sharpens
