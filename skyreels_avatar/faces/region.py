"""Where a face is, as geometry: boxes, square crop regions, and cutting them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

Box = tuple[float, float, float, float]  # x, y, width, height in pixels

CROP_SIZE = 192  # pixels: side of the crops that the mesh network reads
ROI_SCALE = 1.5  # the mesh network was trained on crops this much larger than the face
EYES = (33, 263)  # outer eye corners: right eye of the person, left eye


@dataclass(frozen=True)
class Region:
    """A square of a picture, upright for the face in it: center, side and angle (radians)."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    @classmethod
    def of_landmarks(cls, landmarks: np.ndarray) -> Region:
        """Return the crop for a face whose points are known: their upright bounds x 1.5."""
        across = landmarks[EYES[1], :2] - landmarks[EYES[0], :2]
        return cls._round(landmarks[:, :2], float(np.arctan2(across[1], across[0])))

    @classmethod
    def of_detection(cls, box: np.ndarray, keypoints: np.ndarray) -> Region:
        """Return the crop for a detected face: its box x 1.5, turned by the line of the eyes."""
        across = keypoints[1] - keypoints[0]
        side = ROI_SCALE * float(max(box[2], box[3]))
        center = box[:2] + box[2:] / 2
        return cls(
            float(center[0]), float(center[1]), side, float(np.arctan2(across[1], across[0]))
        )

    @classmethod
    def of_box(cls, box: Box, angle: float = 0.0, scale: float = ROI_SCALE) -> Region:
        """Return the square round a box."""
        x, y, width, height = box
        return cls(x + width / 2, y + height / 2, scale * max(width, height), angle)

    @classmethod
    def _round(cls, points: np.ndarray, angle: float) -> Region:
        cosine, sine = np.cos(angle), np.sin(angle)
        upright = points @ np.array([[cosine, -sine], [sine, cosine]])
        low, high = upright.min(0), upright.max(0)
        middle = np.array([[cosine, -sine], [sine, cosine]]) @ ((low + high) / 2)
        side = ROI_SCALE * float((high - low).max())
        return cls(float(middle[0]), float(middle[1]), side, angle)

    def shifted(self, right: float, down: float, scale: float) -> Region:
        """Return the region moved by parts of its side and scaled."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        x = self.x + self.side * (right * cosine - down * sine)
        y = self.y + self.side * (right * sine + down * cosine)
        return Region(float(x), float(y), self.side * scale, self.angle)

    def box(self) -> Box:
        """Return the box of the face inside the region, x, y, width, height."""
        size = self.side / ROI_SCALE
        return self.x - size / 2, self.y - size / 2, size, size

    def distance(self, other: Region) -> float:
        """Return pixels between the centers of two regions."""
        return float(np.hypot(self.x - other.x, self.y - other.y))

    def matrix(self) -> np.ndarray:
        """Return the (2, 3) map from picture pixels to pixels of the mesh network's crop."""
        scale = CROP_SIZE / self.side
        cosine, sine = scale * np.cos(self.angle), scale * np.sin(self.angle)
        turn = np.array([[cosine, sine], [-sine, cosine]])
        center = np.array([self.x, self.y])
        return np.concatenate([turn, (CROP_SIZE / 2 - turn @ center)[:, None]], 1)


def cut(pixels: np.ndarray, region: Region) -> np.ndarray:
    """Return the (CROP_SIZE, CROP_SIZE, 3) crop of a region, without aliasing."""
    matrix = region.matrix()
    reduction = int(region.side // (1.5 * CROP_SIZE))
    if reduction > 1:  # average blocks of the part that is needed, then sample
        height, width = pixels.shape[:2]
        reach = region.side * 0.75
        left, top = max(0, int(region.x - reach)), max(0, int(region.y - reach))
        right, bottom = min(width, int(region.x + reach)), min(height, int(region.y + reach))
        blocks_x, blocks_y = (right - left) // reduction, (bottom - top) // reduction
        if blocks_x > 1 and blocks_y > 1:
            part = pixels[top : top + blocks_y * reduction, left : left + blocks_x * reduction]
            pixels = cv2.resize(part, (blocks_x, blocks_y), interpolation=cv2.INTER_AREA)
            matrix[:, 2] += matrix[:, :2] @ np.array([left, top])
            matrix[:, :2] *= reduction
    # OpenCV counts from the center of the first pixel, we from its corner.
    matrix[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    size = (CROP_SIZE, CROP_SIZE)
    return cv2.warpAffine(
        pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def box_of(landmarks: np.ndarray) -> Box:
    """Return x, y, width, height of (N, 2 or more) points."""
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])


def union(boxes: Iterable[Box]) -> Box:
    """Return the box round several boxes."""
    return box_of(np.array([c for x, y, w, h in boxes for c in ((x, y), (x + w, y + h))]))


def overlap(one: Box, other: Box) -> float:
    """Return the shared area of two boxes / the area of the smaller one."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    smaller = min(one[2] * one[3], other[2] * other[3])
    return max(width, 0.0) * max(height, 0.0) / max(smaller, 1e-6)


def tiles(pixels: np.ndarray, parts: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield (left, top, part): windows of 1/parts of each side, overlapping by half."""
    height, width = pixels.shape[:2]
    for row in range(2 * parts - 1):
        for column in range(2 * parts - 1):
            top, left = row * height // (2 * parts), column * width // (2 * parts)
            yield left, top, pixels[top : top + height // parts, left : left + width // parts]
