"""Small drawn faces whose parts are known."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from skyreels_avatar.faces.template import synthetic_landmarks

SIZE = 320
SKIN, INK, WHITE = (250, 222, 200), (24, 20, 24), (250, 250, 252)


@dataclass(frozen=True)
class Drawing:
    """A drawn face: its pixels, and where it is in them.

    Attributes:
        eyes: middle x, middle y, half width, half height of the person's right and left eye.
        mouth: left, right, and the row of the line.
        chin: row.
    """

    pixels: np.ndarray
    eyes: np.ndarray
    mouth: tuple[int, int, int]
    chin: int

    def mesh(self) -> np.ndarray:
        """Return (478, 3) landmarks as a mesh lays them: eyes and lips of the usual size."""
        return synthetic_landmarks((85.0, 90.0, 150.0, 190.0))


def draw_face(
    mouth_height: int = 0, grain: float = 0.0, inside: tuple[int, int, int] = (150, 50, 55)
) -> Drawing:
    """Draw a face with large round eyes and a small mouth.

    Args:
        mouth_height: of a mouth that is open; 0 is a line.
        inside: its color.
        grain: standard deviation of noise, as a photo's skin has.
    """
    fine = 4
    picture = np.full((SIZE * fine, SIZE * fine, 3), (120, 150, 190), np.uint8)

    def ellipse(x, y, half_width, half_height, color, thickness=-1):
        center, axes = (round(x * fine), round(y * fine)), (half_width, half_height)
        axes = tuple(round(axis * fine) for axis in axes)
        width = thickness * fine if thickness > 0 else -1
        cv2.ellipse(picture, center, axes, 0, 0, 360, color, width, cv2.LINE_AA)

    ellipse(160, 180, 88, 105, SKIN)
    ellipse(160, 180, 88, 105, INK, 2)
    eyes = np.array([[120.0, 178.0, 20.0, 27.0], [200.0, 178.0, 20.0, 27.0]])
    for x, y, half_width, half_height in eyes:
        ellipse(x, y, half_width, half_height, INK)
        ellipse(x, y + 2, half_width - 2, half_height - 4, WHITE)
        ellipse(x, y + 2, 11, 15, (70, 110, 190))
        ellipse(x, y + 2, 5, 7, INK)
        cv2.line(picture, (round((x - 18) * fine), 138 * fine),
                 (round((x + 18) * fine), 138 * fine), INK, 2 * fine, cv2.LINE_AA)  # fmt: skip
    left, right, row = 143, 177, 246
    if mouth_height:
        corners = np.array([[left, row], [right, row], [160, row + mouth_height]]) * fine
        cv2.fillPoly(picture, [corners], inside)
        cv2.polylines(picture, [corners], True, INK, 2 * fine, cv2.LINE_AA)
    else:
        cv2.line(picture, (left * fine, row * fine), (right * fine, row * fine), INK, 3 * fine)
    pixels = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    if grain:
        noise = np.random.default_rng(0).normal(0, 1, (SIZE, SIZE, 1))
        noise = cv2.GaussianBlur(noise, (0, 0), 3.0)[..., None]
        pixels = (pixels + grain * noise / noise.std()).clip(0, 255).astype(np.uint8)
    return Drawing(pixels, eyes, (left, right, row), 285)
