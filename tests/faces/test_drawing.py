"""Eyes, mouth and chin of flat drawings are found where they are drawn."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.faces.analyzer import FaceAnalyzer
from skyreels_avatar.faces.drawing import fit_drawing
from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.region import box_of
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.rig.geometry import EYES, INNER_LOWER, INNER_UPPER
from tests.drawings import Drawing, draw_face


def face_of(points: np.ndarray) -> Face:
    return Face(box_of(points), points, 0.7, 1.0)


def errors(drawing: Drawing, face: Face) -> tuple[float, float, float]:
    """Return how far lids, lips and chin are off, in pixels."""
    points = face.landmarks[:, :2]
    lids = []
    for (upper, lower, _, _), (x, y, half_width, half_height) in zip(EYES, drawing.eyes):
        found = points[[upper[0], upper[-1], upper[4], lower[4]]]
        right = [
            [x - half_width, y],
            [x + half_width, y],
            [x, y - half_height],
            [x, y + half_height],
        ]
        lids.append(np.abs(found - np.array(right)).max())
    left, right, row = drawing.mouth
    corners = points[[61, 291]] - np.array([[left, row], [right, row]])
    return max(lids), float(np.abs(corners).max()), abs(float(points[152, 1]) - drawing.chin)


def test_large_eyes_a_small_mouth_and_the_chin_are_found():
    """The mesh lays eyes and lips of the usual size: the mouth never opened, a blink smeared."""
    drawing = draw_face()
    before = face_of(drawing.mesh())
    found = fit_drawing(drawing.pixels, before)
    assert found.drawn and not before.drawn
    lids, lips, chin = errors(drawing, found)
    assert lids < 7.5 and lips < 3 and chin < 4
    assert min(errors(drawing, before)[:2]) > 8
    inner = found.landmarks[[*INNER_UPPER, *INNER_LOWER], 1]
    assert np.abs(inner - drawing.mouth[2]).max() < 1.5


def test_an_open_drawn_mouth_has_two_edges():
    drawing = draw_face(mouth_height=16)
    points = fit_drawing(drawing.pixels, face_of(drawing.mesh())).landmarks
    assert points[13, 1] == pytest.approx(drawing.mouth[2] + 1, abs=2.5)
    assert points[14, 1] == pytest.approx(drawing.mouth[2] + 15, abs=2.5)


def test_a_mesh_that_lies_elsewhere_is_replaced():
    """On a child's drawing the mesh stood on its side, with an eye on the mouth."""
    drawing = draw_face()
    points = drawing.mesh()
    middle = points.mean(0)
    turned = (points - middle) @ np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1.0]]) + middle
    lids, lips, chin = errors(drawing, fit_drawing(drawing.pixels, face_of(turned)))
    assert lids < 7.5 and lips < 3 and chin < 4


def test_photos_are_left_as_they_are(root):
    rough = draw_face(grain=6.0)
    face = face_of(rough.mesh())
    assert fit_drawing(rough.pixels, face) is face
    for name in ("portrait.png", "portrait_man.png"):
        pixels = Portrait.load(root / "assets" / "examples" / name).pixels
        face = FaceAnalyzer().find(pixels)[0]
        assert fit_drawing(pixels, face) is face


def test_a_drawing_without_a_mouth_gets_the_mesh_taught_on_drawings():
    drawing = draw_face()
    left, right, row = drawing.mouth
    drawing.pixels[row - 4 : row + 4, left - 4 : right + 4] = drawing.pixels[row + 12, 160]
    face = face_of(drawing.mesh())
    found = fit_drawing(drawing.pixels, face)
    assert not found.drawn and found.confidence == face.confidence
    assert errors(drawing, found)[0] < errors(drawing, face)[0]


def test_brows_that_are_more_alike_than_the_eyes_below_them_are_not_eyes():
    """Of a face that winks the brows were the largest pair, and came down in a blink."""
    drawing = draw_face()
    (_, right_y, *_), (x, y, half_width, half_height) = drawing.eyes
    skin = drawing.pixels[drawing.mouth[2] + 12, 160].tolist()
    box = [int(v) for v in (x - half_width - 6, y - half_height - 6)]
    end = [int(v) for v in (x + half_width + 6, y + half_height + 6)]
    cv2.rectangle(drawing.pixels, box, end, skin, -1)
    cv2.line(drawing.pixels, (int(x - 14), int(y)), (int(x + 14), int(y)), (20, 15, 15), 3)
    for eye in drawing.eyes:
        middle = int(eye[0]), int(eye[1] - eye[3] - 14)
        cv2.ellipse(drawing.pixels, middle, (22, 6), 0, 0, 360, (20, 15, 15), -1)
    found = fit_drawing(drawing.pixels, face_of(drawing.mesh()))
    assert found.drawn
    assert found.landmarks[EYES[0][1][4], 1] > right_y
    assert found.landmarks[EYES[1][0][4], 1] > y - 8


def test_a_very_wide_mouth_counts_if_it_shows_teeth():
    for color, counts in (((250, 250, 250), True), ((40, 20, 20), False)):
        drawing = draw_face()
        left, right, row = drawing.mouth
        middle = (left + right) // 2, row
        face_px = float(np.linalg.norm(drawing.mesh()[10, :2] - drawing.mesh()[152, :2]))
        half = int(0.28 * face_px)
        cv2.ellipse(drawing.pixels, middle, (half, 8), 0, 0, 360, color, -1)
        found = fit_drawing(drawing.pixels, face_of(drawing.mesh()))
        assert found.drawn is counts
        if counts:
            assert np.ptp(found.landmarks[[61, 291], 0]) == pytest.approx(2 * half, abs=8)


def test_a_nose_close_below_wide_set_eyes_is_no_mouth():
    """On childlike drawings the mesh lay too high, and the nose opened."""
    drawing = draw_face()
    for x, y, half_width, half_height in drawing.eyes:  # small eyes
        box = [int(v) for v in (x - half_width - 2, y - half_height - 2)]
        end = [int(v) for v in (x + half_width + 2, y + half_height + 2)]
        cv2.rectangle(drawing.pixels, box, end, drawing.pixels[258, 160].tolist(), -1)
        cv2.circle(drawing.pixels, (int(x), int(y)), 8, (20, 15, 15), -1)
    cv2.ellipse(drawing.pixels, (160, 200), (16, 3), 0, 0, 360, (20, 15, 15), -1)
    points = drawing.mesh() - np.float32([0, 40, 0])
    found = fit_drawing(drawing.pixels, face_of(points))
    assert found.drawn
    assert errors(drawing, found)[1] < 3
