"""Identity of faces: embeddings that lie near each other for pictures of one person."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from skyreels_avatar.faces.alignment import align, fit_similarity, head_angles_deg
from skyreels_avatar.faces.template import template

if TYPE_CHECKING:
    from skyreels_avatar.models.face_embedder import FaceEmbedder

# Distances of embeddings. Two frames of one talking person: 0.3 in the middle, 95 of 100 below
# 0.49. Of two persons: 0.85, 1 of 100 below 0.56, 1 of 5,000 below 0.45 (train/LOG.md, "identity").
SAME = 0.45  # up to this distance it is the person
OTHER = 0.6  # from this distance on it is another person; in between it is undecided
_NEW_LOOK = 0.15  # a face that differs more from the known ones is kept
_MOST_LOOKS = 12
_MOST_YAW_DEG = 50  # no identification in profile
WEIGHTS = "nano/identity.safetensors"
_CHIP_PX = 150
_PADDING = 0.25  # of the square below, on each side, as the network was trained
# Outer and inner corners of the eyes, then the base of the nose, in a square round the face.
_POINTS = (263, 362, 33, 133, 2)
_TARGET = np.array(
    [(0.85957, 0.21350), (0.64606, 0.22897), (0.12058, 0.21373), (0.33409, 0.22906),
     (0.49011, 0.62780)]
)  # fmt: skip


def face_chip(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return an upright face crop, as the embedding network was trained on.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        landmarks: (478, 3) pixels in it.

    Returns:
        (150, 150, 3) uint8.

    Source: `get_face_chip_details` of dlib (Davis King), with five points and padding 0.25.
    """
    target = (_TARGET + _PADDING) / (1 + 2 * _PADDING) * _CHIP_PX
    points = landmarks[list(_POINTS), :2].astype(np.float64)
    low, high = points.min(0), points.max(0)
    reach = 1.5 * (high - low).max()  # the chip shows no more round the eyes and the nose
    limit = np.array(pixels.shape[1::-1])
    first = np.clip(np.floor(low - reach).astype(int), 0, limit - 1)
    last = np.clip(np.ceil(high + reach).astype(int), first + 1, limit)
    pixels = pixels[first[1] : last[1], first[0] : last[0]]
    scale, rotation, shift = (part[0] for part in fit_similarity((points - first)[None], target))
    matrix = np.concatenate([scale * rotation, shift[:, None]], 1)
    if scale < 0.7:  # shrink first, or the warp would skip pixels
        size = [max(1, round(side * float(scale))) for side in pixels.shape[1::-1]]
        matrix[:, :2] *= np.array(pixels.shape[1::-1]) / size
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    # Pixel centers are at +0.5 here, at whole numbers in OpenCV.
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    return cv2.warpAffine(pixels, matrix, (_CHIP_PX, _CHIP_PX), borderMode=cv2.BORDER_REPLICATE)


@cache
def _embedder() -> FaceEmbedder:
    # PyTorch and the network are loaded only when identities are compared.
    from skyreels_avatar.folders import asset_path
    from skyreels_avatar.loading.checkpoints.load import load_module
    from skyreels_avatar.models.face_embedder import FaceEmbedder

    return load_module(FaceEmbedder, asset_path(WEIGHTS))


def embed_chip(chip: np.ndarray, mirror: bool = True) -> np.ndarray:
    """Return the embedding (128,) of a `face_chip`; with `mirror`, the mean over both."""
    return _embedder().embed(np.stack([chip, chip[:, ::-1]] if mirror else [chip])).mean(0)


def embed_face(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return the embedding (128,) of a face in a picture; arguments as in `face_chip`."""
    return embed_chip(face_chip(pixels, landmarks))


def is_recognizable(landmarks: np.ndarray) -> bool:
    """Return whether a face (478, 3) is frontal enough to be identified."""
    _, rotation = align(landmarks[None].astype(np.float64), template().astype(np.float64))
    return bool(abs(head_angles_deg(rotation)[0, 0]) < _MOST_YAW_DEG)


class Person:
    """One person, as embeddings of some of their faces."""

    def __init__(self) -> None:
        self._looks: list[np.ndarray] = []

    def learn(self, embedding: np.ndarray) -> None:
        """Keep another face of the person if it differs from the known ones."""
        if self.distance(embedding) > _NEW_LOOK and len(self._looks) < _MOST_LOOKS:
            self._looks.append(embedding)

    def distance(self, embedding: np.ndarray) -> float:
        """Return the distance of a face to the nearest known one; infinity if none is known."""
        if not self._looks:
            return float("inf")
        return float(np.linalg.norm(np.stack(self._looks) - embedding, axis=1).min())

    def distance_of_mean(self, embedding: np.ndarray) -> float:
        """Return the distance of a face to the mean of the known ones."""
        return float(np.linalg.norm(np.mean(self._looks, 0) - embedding))

    def copy(self) -> Person:
        """Return an independent copy."""
        twin = Person()
        twin._looks = list(self._looks)
        return twin

    def __bool__(self) -> bool:
        return bool(self._looks)


def describe_distance(distance: float) -> str:
    """Return what a distance of two faces means, for messages."""
    if distance <= SAME:
        return "the same person"
    return "similar, but not surely the same" if distance < OTHER else "another person"
