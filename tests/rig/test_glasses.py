"""Glasses are told by where edges run round the eyes, however thin their rims are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from skyreels_avatar.rig.glasses import BAND_PX, edge_histograms, eye_band, wears_glasses
from tests.rig.test_eye_look import POINTS, paint

LOOK = POINTS[:, :2]


def bytes_of(glasses: str) -> np.ndarray:
    return (paint(glasses).permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)


def with_thin_rims(thickness: int) -> np.ndarray:
    """Return a face with rims of a few pixels, little darker than its skin."""
    fine, bridge = 4, LOOK[[133, 362]].mean(0)
    drawn = cv2.resize(bytes_of(""), None, fx=fine, fy=fine, interpolation=cv2.INTER_CUBIC)
    color, parts = (120, 80, 62), (int(thickness), cv2.LINE_AA)
    for corners, side in (((33, 133), -1), ((362, 263), 1)):
        x, y = LOOK[list(corners)].mean(0) * fine
        middle = int(x), int(y + 16)
        cv2.ellipse(drawn, middle, (124, 88), 0, 0, 360, color, *parts)
        start = middle[0] + side * 124, middle[1] - 30
        cv2.line(drawn, start, (start[0] + side * 160, start[1] - 10), color, *parts)
    x, y = (bridge * fine).astype(int).tolist()
    cv2.ellipse(drawn, (x, y + 4), (40, 14), 0, 180, 360, color, *parts)
    return cv2.resize(drawn, None, fx=1 / fine, fy=1 / fine, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("glasses", ["clear", "dark"])
def test_dark_rims_are_glasses_and_a_bare_face_has_none(glasses):
    assert wears_glasses(bytes_of(glasses), LOOK)
    assert not wears_glasses(bytes_of(""), LOOK)


@pytest.mark.parametrize("thickness", [6, 10])
def test_thin_rims_are_glasses(thickness):
    """Rims that differ from skin less than wrinkles do bent with the brows."""
    assert wears_glasses(with_thin_rims(thickness), LOOK)


def test_the_band_is_upright_and_as_large_wherever_the_face_is():
    """A face turned in its plane and half as large shows the same band."""
    picture, size = cv2.GaussianBlur(bytes_of("clear"), (0, 0), 2.0), 320
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), 25, 0.8)
    turned = cv2.warpAffine(picture, turn, (size, size), borderMode=cv2.BORDER_REPLICATE)
    points = LOOK @ turn[:, :2].T + turn[:, 2]
    plain, band = eye_band(picture, LOOK), eye_band(turned, points.astype(np.float32))
    assert band.shape == (BAND_PX[1], BAND_PX[0], 3)
    assert np.abs(plain.astype(float) - band)[4:-4, 12:-12].mean() < 4
    first, second = edge_histograms(plain), edge_histograms(band)
    assert np.corrcoef(first, second)[0, 1] > 0.9
