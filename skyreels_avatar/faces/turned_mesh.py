"""The face mesh for every angle: MediaPipe's for frontal faces, ours for turned and drawn ones."""

from __future__ import annotations

import cv2
import numpy as np

from skyreels_avatar.faces.face import frontality_of
from skyreels_avatar.faces.networks import MeshNetwork
from skyreels_avatar.faces.region import CROP_SIZE, Region, cut

# Frontality: 0.4 is a head turned by 25 degrees, 0.1 by 35, -0.25 by 50. MediaPipe's mesh reads
# less than that beyond 60 degrees, and loses the face, so that it only says where to look twice.
_LOOK, _DOUBT = 0.4, 0.9
_FRONT, _TURNED = 0.1, -0.25


class FaceMesh:
    """Two mesh networks behind the interface of one; between 35 and 50 degrees both count.

    Frontal faces cost what MediaPipe's network costs and get its points unchanged.
    """

    def __init__(self) -> None:
        self._front, self._turned = MeshNetwork(), MeshNetwork("turned_mesh")

    def __call__(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return points and scores of crops, as `MeshNetwork` does."""
        points, scores = self._front(crops)
        unsure = (frontality_of(points) < _LOOK) | (scores < _DOUBT)
        if unsure.any():
            turned, turned_scores = self._turned(crops[unsure])
            share = (_FRONT - frontality_of(turned)) / (_FRONT - _TURNED)
            share = np.clip(share, 0.0, 1.0)
            points[unsure] += share[:, None, None] * (turned - points[unsure])
            scores[unsure] += share * (turned_scores - scores[unsure])
        return points, scores


def mesh_of_regions(
    network: FaceMesh | MeshNetwork, pixels: np.ndarray, *regions: Region
) -> tuple[np.ndarray, float]:
    """Return the mean points (478, 3) of some regions, in picture pixels, and the mean score."""
    points, scores = network(np.stack([cut(pixels, region) for region in regions]))
    for mesh, region in zip(points, regions):
        back = cv2.invertAffineTransform(region.matrix())
        mesh[:, :2] = mesh[:, :2] @ back[:, :2].T + back[:, 2]
        mesh[:, 2] *= region.side / CROP_SIZE
    return points.mean(0).astype(np.float32), float(scores.mean())


def drawn_mesh(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (478, 3) points of a drawn face near some landmarks, by the mesh taught on drawings.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        landmarks: (478, 3) pixels.
    """
    network = MeshNetwork("turned_mesh")
    for _ in range(3):
        region = Region.of_landmarks(landmarks)
        landmarks, _ = mesh_of_regions(network, pixels, region)
    return landmarks
