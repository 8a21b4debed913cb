"""Wide open mouths of footage, which are narrowed before the rig moves them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.narrowed_mouth import WIDE, narrow_mouths, narrowing
from skyreels_avatar.rig.geometry import (
    GAP_PAIRS,
    INNER_LOWER,
    INNER_UPPER,
    MOUTH_CORNERS,
    OUTER_LOWER,
    OUTER_UPPER,
    FaceFrame,
    lip_gap,
    row_slant,
)
from tests.faces.test_closed_mouth import RED, draw, face_with
from tests.rig.test_source_teeth import DARK, ENAMEL

REGION = (-0.46, -0.26, 0.46, 0.56)


def turned(gap: float, yaw_deg: float = 35.0, roll_deg: float = 20.0) -> Face:
    """Return a face whose round mouth is open by a share of H, turned and tilted."""
    face = face_with(gap)
    middle = face.landmarks.mean(0)
    yaw, roll = np.radians([yaw_deg, roll_deg])
    to_side = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    tilt = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    points = (face.landmarks - middle) @ (tilt @ to_side).T + middle
    return Face(face.box, points.astype(np.float32), 1.0, 1.0)


def points_of(landmarks: np.ndarray) -> torch.Tensor:
    return FaceFrame.of(torch.from_numpy(landmarks).float()[None]).points


@pytest.fixture(scope="module", params=[0.0, 30.0])
def shout(request) -> tuple[np.ndarray, Face]:
    face = turned(0.18, request.param)
    return draw(face), face


def test_only_wide_mouths_are_narrowed_and_only_as_far_as_the_voice_wants():
    shut = points_of(face_with(0.0).landmarks)
    points = shut.repeat(8, 1, 1)
    for pair in GAP_PAIRS:
        points[:, pair[1], 1] = points[:, pair[0], 1]
        points[:, pair[1], 1] += torch.tensor([0.0, WIDE[0], 0.065, WIDE[1], 0.2, 0.2, 0.2, 0.2])
    wanted = torch.tensor([0.0, 0.0, 0.0, 0.0, -0.01, 0.1, 0.2, 0.3])
    expected = [0.0, 0.0, 0.5, 1.0, 1.0, 0.5, 0.0, 0.0]
    assert narrowing(points, wanted).tolist() == pytest.approx(expected, abs=0.01)


def test_heads_whose_far_lips_are_not_seen_are_left_to_the_rig():
    for yaw_deg, expected in ((0.0, 1.0), (-25.0, 1.0), (40.0, 0.0), (-62.0, 0.0)):
        points = points_of(turned(0.18, yaw_deg, 0.0).landmarks)
        assert float(narrowing(points, torch.zeros(1))) == pytest.approx(expected, abs=0.01)


def test_lips_of_turned_and_tilted_heads_meet_along_the_line_of_the_eyes(shout):
    """The rig folded them: the line between lips was crooked, and they were as tall as wide."""
    picture, face = shout
    pixels, moved = narrow_mouths(picture[None], face.landmarks[None], np.ones(1, np.float32))
    before, after = points_of(face.landmarks), points_of(moved[0])
    assert float(lip_gap(before)) > 0.13 and float(lip_gap(after)) < 0.004
    slant, line = float(row_slant(after)[0]), after[0, list(INNER_UPPER), :2]
    level = line[:, 1] - slant * line[:, 0]
    assert float(level.max() - level.min()) < 0.03
    width = [float((p[0, 291, :2] - p[0, 61, :2]).norm()) for p in (before, after)]
    assert 0.95 < width[1] / width[0] < 1.5
    thick = [float((p[0, 17, :2] - p[0, 14, :2]).norm()) for p in (before, after)]
    assert 0.8 < thick[1] / thick[0] < 1.5
    assert pixels.shape == picture[None].shape


def test_neither_teeth_nor_the_dark_are_left_between_lips(shout):
    picture, face = shout
    pixels, moved = narrow_mouths(picture[None], face.landmarks[None], np.ones(1, np.float32))
    ring = moved[0, list(OUTER_UPPER + OUTER_LOWER), :2]
    low, high = np.floor(ring.min(0)).astype(int), np.ceil(ring.max(0)).astype(int)
    mouth = pixels[0, low[1] : high[1], low[0] : high[0]] / 255.0
    for color in (ENAMEL, DARK):
        assert (np.abs(mouth - color).max(-1) < 0.1).mean() < 0.01
    inner, outer = moved[0, 14, :2], moved[0, 17, :2]
    x, y = ((inner + outer) / 2).astype(int)
    assert np.abs(pixels[0, y, x] / 255.0 - RED).max() < 0.25


def test_half_the_way_leaves_half_the_gap_and_the_jaw_follows(shout):
    picture, face = shout
    gaps, chins = [], []
    for share in (0.0, 0.5, 1.0):
        moved = narrow_mouths(picture[None], face.landmarks[None], np.float32([share]))[1][0]
        opening = np.linalg.norm(moved[14, :2] - moved[13, :2])
        gaps.append(opening / np.linalg.norm(face.landmarks[14, :2] - face.landmarks[13, :2]))
        chins.append(np.linalg.norm(moved[152, :2] - moved[10, :2]))
    assert gaps == pytest.approx([1.0, 0.5, 0.0], abs=0.05)
    assert chins[0] - chins[2] > 20 and chins[0] > chins[1] > chins[2]


def test_frames_without_need_and_pixels_beyond_the_region_stay(shout):
    picture, face = shout
    frames, points = np.stack([picture] * 2), np.stack([face.landmarks] * 2)
    pixels, moved = narrow_mouths(frames, points, np.float32([0.0, 1.0]), REGION)
    np.testing.assert_array_equal(pixels[0], picture)
    np.testing.assert_array_equal(moved[0], face.landmarks)
    frame = FaceFrame.of(torch.from_numpy(face.landmarks)[None])
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    at = frame.from_pixels(torch.from_numpy(np.stack([x, y], -1)).float().reshape(1, -1, 2))
    low, high = torch.tensor(REGION[:2]), torch.tensor(REGION[2:])
    outside = ((at <= low) | (at >= high)).any(-1)[0].numpy().reshape(y.shape)
    assert (pixels[1] != picture).any()
    np.testing.assert_array_equal(pixels[1][outside], picture[outside])
    assert narrow_mouths(frames, points, np.zeros(2, np.float32), REGION)[0] is frames


def test_corners_stay_corners(shout):
    picture, face = shout
    moved = narrow_mouths(picture[None], face.landmarks[None], np.ones(1, np.float32))[1]
    points = points_of(moved[0])[0]
    right, left = points[list(MOUTH_CORNERS), 0]
    inner = points[list(INNER_UPPER[1:-1] + INNER_LOWER[1:-1]), 0]
    assert float(right) < float(inner.min()) and float(left) > float(inner.max())
