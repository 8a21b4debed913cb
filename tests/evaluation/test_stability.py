"""Tremor, likeness and sharpness on made-up faces."""

import cv2
import numpy as np
import pytest

from skyreels_avatar.evaluation.appearance import face_color, face_sharpness
from skyreels_avatar.evaluation.stability import drift_windows, jitter, sample_frames, shake
from skyreels_avatar.faces.pixel_cosine import aligned_pixels, pixel_cosine
from skyreels_avatar.faces.template import template
from tests.faces.turned import turned


@pytest.fixture
def textured(rng) -> tuple[np.ndarray, np.ndarray]:
    """A picture (512, 512, 3) of smooth colors with fine grain, and landmarks in it."""
    coarse = rng.integers(0, 255, (12, 12, 3), np.uint8)
    pixels = cv2.resize(coarse, (512, 512), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 12, pixels.shape)
    pixels = np.clip(pixels + grain, 0, 255).astype(np.uint8)
    return pixels, (template() * 280 + (116, 90, 0)).astype(np.float32)


def test_a_still_face_does_not_tremble_and_noise_does(rng):
    face = np.repeat(template()[None] * 300, 60, axis=0)
    assert jitter(face) == pytest.approx(0, abs=1e-3) and shake(face) == pytest.approx(0, abs=1e-3)
    noisy = face + rng.normal(0, 0.3, face.shape)
    assert 0.5 < jitter(noisy) < 10
    assert jitter(face + rng.normal(0, 0.6, face.shape)) > 1.7 * jitter(noisy)


def test_smooth_head_motion_is_no_jitter():
    swing = 8 * np.sin(2 * np.pi * np.arange(75) / 50)
    face = np.stack([turned(template() * 300, yaw=degrees) for degrees in swing])
    face[..., 0] += 2 * swing[:, None]
    assert jitter(face) < 0.1 and 0.1 < shake(face) < 3


def test_a_trembling_head_shakes_without_jitter(rng):
    moves = rng.normal(0, 1, (60, 1, 2))
    face = np.repeat(template()[None] * 300, 60, axis=0)
    face[..., :2] += moves
    assert jitter(face) < 0.05 and shake(face) > 3


def test_the_same_face_is_alike_wherever_it_stands(textured):
    pixels, points = textured
    signature = aligned_pixels(pixels, points)
    assert pixel_cosine(signature, signature) == pytest.approx(1)
    matrix = cv2.getRotationMatrix2D((256, 256), 12, 0.7)
    moved = cv2.warpAffine(pixels, matrix, (512, 512), flags=cv2.INTER_AREA)
    moved_points = points.copy()
    moved_points[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    assert pixel_cosine(aligned_pixels(moved, moved_points), signature) > 0.97


def test_light_and_noise_change_likeness_little_and_another_face_much(textured, rng):
    pixels, points = textured
    signature = aligned_pixels(pixels, points)
    darker = (pixels * 0.7).astype(np.uint8)
    assert pixel_cosine(aligned_pixels(darker, points), signature) > 0.99
    other = cv2.resize(rng.integers(0, 255, (12, 12, 3), np.uint8), (512, 512))
    assert abs(pixel_cosine(aligned_pixels(other, points), signature)) < 0.6


def test_blur_lowers_sharpness_and_size_does_not(textured):
    pixels, points = textured
    height = float(np.linalg.norm(points[10, :2] - points[152, :2]))
    sharp = face_sharpness(pixels, points, height / 2)
    blurred = cv2.GaussianBlur(pixels, (0, 0), 2)
    assert face_sharpness(blurred, points, height / 2) < 0.5 * sharp
    soft = cv2.GaussianBlur(pixels, (0, 0), 1.5)  # white grain would measure the resizing
    sharp = face_sharpness(soft, points, height / 2)
    half = cv2.resize(soft, (256, 256), interpolation=cv2.INTER_AREA)
    assert face_sharpness(half, points / 2, height / 2) == pytest.approx(sharp, rel=0.15)


def test_color_is_measured_in_the_face_alone(textured):
    _, points = textured
    pixels = np.full((512, 512, 3), 30, np.uint8)
    hull = cv2.convexHull(points[:, :2].astype(np.int32))
    cv2.fillConvexPoly(pixels, hull, (200, 200, 200))
    lightness, a, b = face_color(pixels, points)
    assert lightness == pytest.approx(80.6, abs=1) and abs(a) < 1 and abs(b) < 1


@pytest.mark.parametrize("num_frames", [1, 2, 10, 75, 250, 3000])
def test_samples_are_frames_and_cover_both_drift_windows(num_frames):
    picks = sample_frames(num_frames, 25.0)
    assert picks[0] == 0 and picks[-1] == num_frames - 1 and len(picks) <= 72
    assert (np.diff(picks) > 0).all()
    for window in drift_windows(num_frames, 25.0):
        inside = (picks >= window.start) & (picks < window.stop)
        assert inside.sum() >= min(12, window.stop - window.start) and window.start >= 0


def test_drift_counts_from_second_five_in_long_clips():
    begin, end = drift_windows(1500, 25.0)
    assert (begin.start, begin.stop) == (100, 150) and (end.start, end.stop) == (1450, 1500)
