"""Draw a face that the networks take for one, so that tests need no picture of a person."""

from __future__ import annotations

import cv2
import numpy as np

from skyreels_avatar.faces.face import FACE_OVAL
from skyreels_avatar.faces.template import synthetic_landmarks

SKIN, DARK_SKIN, HAIR, LIP = (214, 168, 140), (188, 136, 110), (58, 40, 32), (176, 84, 84)
RIGHT_EYE = [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7]
LEFT_EYE = [263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249]
RIGHT_BROW = [70, 63, 105, 66, 107, 55, 65, 52, 53, 46]
LEFT_BROW = [300, 293, 334, 296, 336, 285, 295, 282, 283, 276]
OUTER_LIPS = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181]
OUTER_LIPS += [91, 146]
INNER_LIPS = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178]
INNER_LIPS += [88, 95]


def draw_person(
    height: int, width: int, box: tuple[float, float, float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a drawing of a person, the points it was drawn from, and where the person is.

    Returns:
        (height, width, 3) uint8, (478, 3) float32 px, (height, width) bool.
    """
    points = synthetic_landmarks(box)
    x, y, face_width, face_height = box
    middle = (x + face_width / 2, y + face_height / 2)
    rows = np.linspace(150, 205, height)[:, None, None]
    picture = np.broadcast_to(rows * np.array([0.75, 0.9, 1.0]), (height, width, 3))
    picture = np.ascontiguousarray(picture.astype(np.uint8))
    person = np.zeros((height, width), np.uint8)

    def ellipse(center, axes, color):
        for canvas, paint in ((picture, color), (person, 1)):
            whole = tuple(int(v) for v in center), tuple(int(v) for v in axes)
            cv2.ellipse(canvas, *whole, 0, 0, 360, paint, -1, cv2.LINE_AA if paint != 1 else 8)

    ellipse(
        (middle[0], middle[1] - 0.15 * face_height), (0.62 * face_width, 0.68 * face_height), HAIR
    )
    ellipse(
        (middle[0], y + 1.75 * face_height), (1.25 * face_width, 0.75 * face_height), (70, 84, 120)
    )
    ellipse((middle[0], y + 1.0 * face_height), (0.25 * face_width, 0.35 * face_height), DARK_SKIN)

    def fill(indices, color):
        outline = np.round(points[indices, :2] * 8).astype(np.int32)
        cv2.fillPoly(picture, [outline], color, cv2.LINE_AA, 3)

    fill(FACE_OVAL, SKIN)
    nose = [168, 122, 198, 129, 98, 97, 2, 326, 327, 358, 420, 351]
    fill(nose, (202, 154, 126))
    fill([98, 97, 2, 326, 327, 294, 358, 1, 129, 64], (190, 138, 112))
    for brow, eye, iris in ((RIGHT_BROW, RIGHT_EYE, 468), (LEFT_BROW, LEFT_EYE, 473)):
        fill(brow, HAIR)
        fill(eye, (240, 236, 232))
        center = tuple(int(v) for v in points[iris, :2])
        radius = max(1, int(0.04 * face_width))
        cv2.circle(picture, center, radius, (60, 40, 30), -1, cv2.LINE_AA)
        lid = np.round(points[eye[:9], :2] * 8).astype(np.int32)
        thick = max(1, round(face_width / 90))
        cv2.polylines(picture, [lid], False, HAIR, thick, cv2.LINE_AA, 3)
    fill(OUTER_LIPS, LIP)
    inner = np.round(points[INNER_LIPS, :2] * 8).astype(np.int32)
    cv2.polylines(picture, [inner], True, (90, 30, 34), 1, cv2.LINE_AA, 3)
    return cv2.GaussianBlur(picture, (0, 0), max(0.6, face_width / 150)), points, person > 0


CROP_MOUTH = (64, 77)  # of a face crop: x, y


def mask_with(center: tuple[int, int], radius: int, share: float) -> np.ndarray:
    """Return the mask (128, 128) of a crop with a disc in it."""
    mask = np.zeros((128, 128), np.float32)
    return cv2.circle(mask, center, radius, share, -1)
