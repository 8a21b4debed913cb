"""Crops of faces with their landmarks for the mesh of turned faces, and how they are varied."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from skyreels_avatar.faces.face import NUM_LANDMARKS
from skyreels_avatar.faces.networks import MeshNetwork
from skyreels_avatar.faces.region import CROP_SIZE, Region, cut
from skyreels_avatar.faces.template import template

_NUM_MESH = 468
# Crops whose points a teacher averages: right, down, scale, degrees round the face's own.
_LOOKS = ((0, 0, 1, 0), (0.02, -0.01, 1.03, 4), (-0.02, 0.02, 0.97, -4), (0.01, 0.02, 1.0, 2))
_STEEP_DEG = 50  # beyond, the line of the eyes says nothing about the roll of a head


@dataclass(frozen=True)
class MeshPicture:
    """A picture with one face.

    Attributes:
        pixels: (S, S, 3) uint8.
        landmarks: (478, 3) pixels.
        weights: (478,) how far each landmark is known.
        yaw_deg: turn of the head, 0 if it is not known.
        is_rendered: depths are exact but for their origin.
    """

    pixels: np.ndarray
    landmarks: np.ndarray
    weights: np.ndarray
    yaw_deg: float = 0.0
    is_rendered: bool = False


@cache
def mirror() -> np.ndarray:
    """Return (478,): the landmark that each becomes in a mirror."""
    points = template()
    flipped = points * np.float32([-1, 1, 1])
    flipped[:, 0] += 2 * points[[168, 6, 1, 4, 0, 17, 152], 0].mean()
    index = np.zeros(NUM_LANDMARKS, int)
    for part in (slice(0, _NUM_MESH), slice(_NUM_MESH, NUM_LANDMARKS)):
        apart = np.linalg.norm(flipped[part, None] - points[None, part], axis=2)
        index[part] = linear_sum_assignment(apart)[1] + part.start
    return index


def teacher_landmarks(network: MeshNetwork, pixels: np.ndarray, region: Region) -> np.ndarray:
    """Return the mean landmarks (478, 3) px of eight crops, half of them mirrored."""
    regions = []
    for right, down, scale, angle_deg in _LOOKS:
        turned = Region(region.x, region.y, region.side, region.angle + np.radians(angle_deg))
        regions.append(turned.shifted(right, down, scale))
    crops = np.stack([cut(pixels, one) for one in regions])
    points, _ = network(np.concatenate([crops, crops[:, :, ::-1]]))
    half = len(regions)
    points[half:, :, 0] = CROP_SIZE - points[half:, :, 0]
    points[half:] = points[half:, mirror()]
    for mesh, one in zip(points, regions * 2):
        back = cv2.invertAffineTransform(one.matrix())
        mesh[:, :2] = mesh[:, :2] @ back[:, :2].T + back[:, 2]
        mesh[:, 2] *= one.side / CROP_SIZE
    return points.mean(0)


def vary(
    picture: MeshPicture, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a crop (CROP_SIZE, CROP_SIZE, 3) uint8, its landmarks (478, 3) px and weights."""
    region = Region.of_landmarks(picture.landmarks)
    angle = region.angle if abs(picture.yaw_deg) < _STEEP_DEG and rng.random() < 0.8 else 0.0
    far = rng.random() < 0.15
    angle += np.radians(rng.normal(0, 14 if far else 5))
    region = Region(region.x, region.y, region.side, angle)
    right, down = rng.normal(0, 0.05 if far else 0.02, 2)
    region = region.shifted(right, down, float(np.exp(rng.normal(0, 0.12 if far else 0.05))))
    crop, matrix = cut(picture.pixels, region), region.matrix()
    points, weights = picture.landmarks.astype(np.float64), picture.weights
    points[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    points[:, 2] *= CROP_SIZE / region.side
    if rng.random() < 0.5:
        crop = np.ascontiguousarray(crop[:, ::-1])
        points[:, 0] = CROP_SIZE - points[:, 0]
        points, weights = points[mirror()], weights[mirror()]
    if rng.random() < 0.65:
        crop = _spoiled(crop.astype(np.float32), rng)
    return crop, points.astype(np.float32), weights


def _spoiled(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return uint8: other light, something before the face, blur, few pixels, noise, JPEG."""
    if rng.random() < 0.6:
        crop = crop * rng.uniform(0.6, 1.35) * (1 + rng.normal(0, 0.06, 3)) + rng.normal(0, 10)
    if rng.random() < 0.2:
        crop = 255 * (crop.clip(0, 255) / 255) ** np.exp(rng.normal(0, 0.3))
    if rng.random() < 0.2:
        light = rng.uniform(0.5, 1.3, (2, 2)).astype(np.float32)
        crop = crop * cv2.resize(light, (CROP_SIZE, CROP_SIZE))[..., None]
    if rng.random() < 0.06:
        crop = np.repeat(crop.mean(2, keepdims=True), 3, 2)
    if rng.random() < 0.12:
        crop = np.ascontiguousarray(crop, np.float32)
        color = tuple(rng.uniform(0, 255, 3).tolist())
        (x, y), axes = rng.integers(20, 170, 2).tolist(), rng.integers(8, 30, 2).tolist()
        cv2.ellipse(crop, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, color, -1)
    if rng.random() < 0.2:
        crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.5, 1.8))
    if rng.random() < 0.12:
        share = rng.uniform(0.3, 0.7)
        small = cv2.resize(crop, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        crop = cv2.resize(small, (CROP_SIZE, CROP_SIZE))
    if rng.random() < 0.15:
        crop = crop + rng.normal(0, rng.uniform(2, 10), crop.shape)
    crop = crop.clip(0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))]
        crop = cv2.imdecode(cv2.imencode(".jpg", crop, quality)[1], cv2.IMREAD_COLOR)
    return crop
