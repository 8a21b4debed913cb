"""Mattes that follow hair."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from skyreels_avatar.camera import build_scene
from skyreels_avatar.camera.matting import refine_matte

SIZE = 256
HAIR, WALL = np.float32([0.15, 0.1, 0.08]), np.float32([0.7, 0.85, 0.8])


def _disc(radius: float) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    return np.clip(radius - np.hypot(x - 128, y - 140) + 0.5, 0, 1).astype(np.float32)


def _drawn(noise: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a head with strands before a wall, the true matte, and one that misses the strands."""
    head = _disc(60)
    strands = np.zeros((SIZE, SIZE), np.uint8)
    cv2.line(strands, (120, 82), (112, 72), 255, 1, cv2.LINE_AA)
    cv2.line(strands, (140, 77), (148, 73), 255, 1, cv2.LINE_AA)  # touches nothing
    truth = np.maximum(head, strands.astype(np.float32) / 255)
    wall = WALL + noise * np.random.default_rng(0).standard_normal((SIZE, SIZE, 3))
    picture = truth[..., None] * HAIR + (1 - truth[..., None]) * wall
    return picture.clip(0, 1).astype(np.float32), truth, head


def test_strands_that_the_matte_misses_are_found_before_a_wall():
    picture, truth, given = _drawn(noise=0.01)
    refined = refine_matte(picture, given)
    missed = truth - given > 0.3
    assert missed.sum() > 15
    assert refined[missed].mean() > 0.8 * truth[missed].mean()
    assert np.abs(refined - truth).mean() < 0.003


def test_a_matte_that_is_too_wide_shrinks_to_the_outline_before_a_wall():
    """A rim of wall that moves with the head is seen as a halo."""
    picture, truth, _ = _drawn()
    wide = _disc(62.5)
    assert np.abs(refine_matte(picture, wide) - truth).sum() < 0.4 * np.abs(wide - truth).sum()


def test_before_a_busy_background_the_matte_stays():
    picture, _, given = _drawn(noise=0.25)
    assert np.abs(refine_matte(picture, given) - given).mean() < 0.003


def test_an_object_of_the_room_that_the_head_touches_stays_in_the_room():
    picture, _, given = _drawn()
    picture[60:68, 130:] = HAIR  # a shelf of the color of the hair, which goes on to the side
    refined = refine_matte(picture, given)
    assert refined[60:68, 200:].max() == 0
    assert refined[60:68, 140:180].mean() < 0.1


@pytest.mark.parametrize("given", [np.zeros((64, 64)), np.ones((64, 64))])
def test_without_an_outline_nothing_changes(given: np.ndarray):
    given = given.astype(np.float32)
    picture = np.random.default_rng(1).random((64, 64, 3)).astype(np.float32)
    assert np.array_equal(refine_matte(picture, given), given)


def test_no_strand_stays_behind_when_the_camera_moves():
    """Hair tips that the mask missed stayed in the background and floated beside the head."""
    picture, truth, given = _drawn(noise=0.01)
    image = torch.from_numpy(picture).permute(2, 0, 1)
    mask = torch.from_numpy(given)
    depth = torch.where(mask > 0.5, 1.0, 3.0)
    scene = build_scene(image, depth, mask, (90.0, 90.0, 76.0, 100.0))
    missed = truth - given > 0.3
    assert (scene.background.permute(1, 2, 0).numpy()[missed] - WALL).mean() > -0.06
    together = scene.person[:3] + (1 - scene.person[3]) * scene.background
    assert torch.allclose(together, image, atol=1e-5)


@pytest.mark.parametrize("row", [100, 140])
def test_a_line_of_the_room_that_ends_at_the_head_stays_in_the_room(row):
    """Its end was taken for a strand where it is paler than the hair, and moved with the head."""
    picture, _, given = _drawn()
    free = given[row] < 0.02
    free[:128] = False
    picture[row, free] = 0.3
    refined = refine_matte(picture, given)
    end = int(np.flatnonzero(free)[0])
    assert refined[row, end + 4 : end + 40].max() < 0.05


def test_a_curl_before_a_wall_of_near_brightness_moves_with_the_head():
    """Afro curls on a dark red wall stayed in the plate and hung in the air beside the head."""
    given = _disc(60)
    curl = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(curl, (178, 106), (8, 5), -35, 0, 360, 255, 2, cv2.LINE_AA)
    truth = np.maximum(given, curl.astype(np.float32) / 255)
    hair, wall = np.float32([0.1, 0.08, 0.07]), np.float32([0.5, 0.12, 0.1])
    noise = 0.015 * np.random.default_rng(2).standard_normal((SIZE, SIZE, 1))
    picture = truth[..., None] * hair + (1 - truth[..., None]) * (wall + noise)
    refined = refine_matte(picture.clip(0, 1).astype(np.float32), given)
    missed = truth - given > 0.6
    assert refined[missed].mean() > 0.6
