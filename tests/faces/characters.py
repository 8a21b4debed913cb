"""Short videos of the drawn characters of assets/examples: shots, cuts, fades, crossings."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

SIDE = 256
_EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"


@cache
def character(name: str, side: int = SIDE) -> np.ndarray:
    """Return (side, side, 3) uint8: "portrait", a woman, or "portrait_man"."""
    pixels = cv2.cvtColor(cv2.imread(str(_EXAMPLES / f"{name}.png")), cv2.COLOR_BGR2RGB)
    return cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)


def shot(picture: np.ndarray, num_frames: int, zoom: float = 1.0) -> list[np.ndarray]:
    """Return frames of a picture that sways a little, nearer by `zoom`."""
    height, width = picture.shape[:2]
    frames = []
    for index in range(num_frames):
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0.0, zoom)
        matrix[0, 2] += 2 * np.sin(index / 5)
        frames.append(cv2.warpAffine(picture, matrix, (width, height), borderMode=1))
    return frames


def mixed(first: list[np.ndarray], second: list[np.ndarray]) -> list[np.ndarray]:
    """Return a cross-fade as long as both."""
    shares = (np.arange(len(first)) + 1) / (len(first) + 1)
    return [cv2.addWeighted(a, 1 - s, b, s, 0) for a, b, s in zip(first, second, shares)]


def crossing(front: str, back: str, num_frames: int) -> list[np.ndarray]:
    """Return frames of 512 x 256 in which two heads pass: `front` to the right, before `back`.

    Their faces are 86 x 104 pixels; their middles go from 90 to 422 and back.
    """
    mask = np.zeros((SIDE, SIDE, 1), np.float32)
    cv2.ellipse(mask, (SIDE // 2, SIDE // 2), (66, 84), 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 3)[..., None]
    frames = []
    for share in np.linspace(0, 1, num_frames):
        frame = np.full((SIDE, 2 * SIDE + 2 * SIDE, 3), 130.0, np.float32)
        for name, middle in ((back, 422 - 332 * share), (front, 90 + 332 * share)):
            left = round(middle) - SIDE // 2 + SIDE
            part = frame[:, left : left + SIDE]
            part += mask * (character(name) - part)
        frames.append(frame[:, SIDE : 3 * SIDE].round().astype(np.uint8))
    return frames
