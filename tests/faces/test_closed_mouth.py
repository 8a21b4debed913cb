"""Wide open mouths of pictures, which are shut before they are animated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from skyreels_avatar.faces.closed_mouth import (
    FURTHEST_TURN,
    LEAST_GAP,
    LOWER_SKIN,
    _skin_below,
    is_wide_open,
    shut_mouth,
)
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.template import synthetic_landmarks
from skyreels_avatar.rig.geometry import (
    INNER_LOWER,
    INNER_UPPER,
    OUTER_LOWER,
    OUTER_UPPER,
    FaceFrame,
    lip_gap,
)
from tests.rig.test_source_teeth import DARK, ENAMEL, SKIN

H, SIDE = 280, 400
RED = (0.75, 0.2, 0.25)


def face_with(gap: float) -> Face:
    """Return a face whose lips are apart by a share of H: an arc each, the jaw lowered."""
    points = synthetic_landmarks((80.0, 40.0, 240.0, float(H)))
    arch = np.sin(np.linspace(0, np.pi, 11)) ** 0.5 * gap * H
    points[list(INNER_UPPER), 1] -= 0.3 * arch
    points[list(OUTER_UPPER), 1] -= 0.3 * arch
    points[list(INNER_LOWER[1:-1]), 1] += 0.7 * arch[1:-1]
    points[list(OUTER_LOWER[1:-1]), 1] += 0.7 * arch[1:-1]
    for index in (18, 83, 313, 199, 200, 175, 152, 148, 377, 176, 400, 201, 421, 208, 428):
        points[index, 1] += 0.6 * gap * H
    return Face((80.0, 40.0, 240.0, float(H)), points, 1.0, 1.0)


def draw(face: Face) -> np.ndarray:
    """Return (400, 400, 3) bytes: red lips round a dark mouth with teeth, in a face of skin."""
    picture = np.ones((SIDE, SIDE, 3)) * SKIN
    x, y = np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5)

    def between(upper: tuple[int, ...], lower: tuple[int, ...], share: float = 1.0) -> np.ndarray:
        top, bottom = (
            np.interp(x, *face.landmarks[list(edge), :2].T, left=np.nan, right=np.nan)
            for edge in (upper, lower)
        )
        return (y > top) & (y < top + share * (bottom - top))

    picture[between(OUTER_UPPER, OUTER_LOWER)] = RED
    picture[between(INNER_UPPER, INNER_LOWER)] = DARK
    picture[between(INNER_UPPER, INNER_LOWER, 0.3)] = ENAMEL
    return np.round(255 * picture).astype(np.uint8)


@pytest.fixture(scope="module")
def opened() -> tuple[np.ndarray, Face]:
    face = face_with(0.2)
    return draw(face), face


@pytest.fixture(scope="module")
def shut(opened: tuple[np.ndarray, Face]) -> tuple[np.ndarray, Face]:
    return shut_mouth(*opened)


def test_mouths_that_are_open_a_little_or_turned_away_are_left_to_the_rig():
    wide, narrow = face_with(LEAST_GAP + 0.05).landmarks, face_with(LEAST_GAP - 0.04).landmarks
    assert is_wide_open(wide) and not is_wide_open(narrow)
    turned = wide.copy()  # the ears tell how far
    turned[454, 2] += np.tan(FURTHEST_TURN + 0.1) * (wide[454, 0] - wide[234, 0])
    assert not is_wide_open(turned)


def test_lips_are_shut_as_thick_as_the_persons_and_not_wide_open_again(opened, shut):
    before, after = (
        FaceFrame.of(torch.from_numpy(face.landmarks)[None]).points[0]
        for face in (opened[1], shut[1])
    )
    assert float(lip_gap(before[None])) > 0.15 and float(lip_gap(after[None])) < 0.002
    assert not is_wide_open(shut[1].landmarks)
    for inner, outer in ((13, 0), (14, 17)):
        thick = [float((p[outer] - p[inner]).norm()) * h for p, h in ((before, 1), (after, 0.85))]
        assert 0.9 < thick[1] / thick[0] < 1.4


def test_neither_teeth_nor_the_dark_are_left_and_lips_lie_where_the_landmarks_say(opened, shut):
    picture, face = shut
    lips = face.landmarks[[0, 17, 37, 267, 84, 314, 13], :2]
    middle = face.landmarks[13, :2]
    for lip in lips:
        x, y = np.floor(0.5 * (lip + middle)).astype(int)
        color = picture[y, x] / 255.0
        assert np.abs(color - RED).max() < 0.25, (lip, color)
    low, high = face.landmarks[list(OUTER_UPPER + OUTER_LOWER), :2].min(0), lips.max(0)
    mouth = picture[int(low[1]) : int(high[1]) + 1, int(low[0]) : int(high[0]) + 1] / 255.0
    enamel = np.abs(mouth - ENAMEL).max(-1) < 0.08
    dark = np.abs(mouth - DARK).max(-1) < 0.08
    assert not enamel.any() and not dark.any()


def test_what_is_above_the_nose_and_far_from_the_face_stays(opened, shut):
    np.testing.assert_array_equal(opened[0][:100], shut[0][:100])
    above = opened[1].landmarks[:, 1] < opened[1].landmarks[2, 1] - 1
    moved = np.abs(opened[1].landmarks - shut[1].landmarks)[above]
    assert moved.max() < 1e-3


def test_the_jaw_follows_and_its_pixels_too(opened, shut):
    rise = (opened[1].landmarks - shut[1].landmarks)[152, 1] / H
    assert 0.08 < rise < 0.16  # 0.65 of an opening of 0.2


def test_the_color_of_the_teeth_is_told(opened, shut):
    assert np.abs(np.array(shut[1].teeth) - ENAMEL).max() < 0.05
    dark = draw(opened[1])
    dark[np.abs(dark / 255.0 - ENAMEL).max(-1) < 0.02] = np.round(255 * np.array(DARK))
    assert shut_mouth(dark, opened[1])[1].teeth is None


def test_the_shadow_below_a_lip_is_no_part_of_it(opened):
    """The mesh lays the edge of a wide mouth into that shadow: shut lips had a black lower half."""
    picture, face = opened
    face = replace(face, landmarks=face.landmarks.copy())
    lip = face.landmarks[17, 1] - face.landmarks[14, 1]
    lower = list(OUTER_LOWER[1:-1])
    edge = face.landmarks[lower].copy()
    face.landmarks[lower, 1] += 0.4 * lip
    picture = picture.copy()
    for column in range(int(edge[:, 0].min()), int(edge[:, 0].max())):
        top = np.interp(column + 0.5, edge[:, 0], edge[:, 1])
        picture[int(top) : int(top + 0.5 * lip), column] = np.array(SKIN) * 90
    picture, face = shut_mouth(picture, face)
    inner, outer = face.landmarks[14, :2], face.landmarks[17, :2]
    column = picture[int(inner[1]) + 3 : int(outer[1]) - 1, int(inner[0])] / 255.0
    assert len(column) > 8
    assert np.abs(column - RED).max() < 0.25


def test_skin_below_a_lip_that_the_mesh_folds_lies_between_lip_and_chin(opened):
    """Its points lay above the edge of the lip, and what they hid was stretched over the chin."""
    _, face = opened
    folded = face.landmarks[:, :2].astype(np.float64)
    skin, edge = list(LOWER_SKIN[1:-1]), list(OUTER_LOWER[1:-1])
    folded[skin, 1] = folded[edge, 1] - 5.0
    below = _skin_below(folded)[1:-1]
    assert (below[:, 1] > folded[edge, 1] + 3.0).all()
    assert (below[:, 1] < folded[152, 1]).all()
