"""Faces with and without things before them: crops of portraits, and samples made from them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from skyreels_avatar.faces.face_crop import CROP_PX, SIDE, extract_crop, picture_from_crop
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.mouth import make_look
from skyreels_avatar.rig.reference_clip import ReferenceClip, as_pixels
from skyreels_avatar.rig.renderer import render, rest_motion
from train.data.simulate.drawing import FINE
from train.data.simulate.face_looks import change_look
from train.data.simulate.occluders import draw_occluder
from train.data.simulate.portraits import FacePicture

logger = logging.getLogger(__name__)
WIDE_PX, WIDE = 192, 1.4  # of the kept crops: side, and times the side of a sample
COVERED_SHARE = 0.6  # of samples with something before the face
DRAWN_SHARE = 0.2  # of samples in training: drawing costs more than learning
KEPT_DRAWINGS = 4000


@dataclass(frozen=True)
class FaceCrops:
    """N upright faces, wider than a sample.

    Attributes:
        pixels: (N, 192, 192, 3) uint8.
        points: (N, 478, 2) pixels in them.
        skin: (N, 24, 24, 3) uint8, a piece of a cheek.
        kept_out: (N,) bool, for validation only.
    """

    pixels: np.ndarray
    points: np.ndarray
    skin: np.ndarray
    kept_out: np.ndarray

    def part(self, chosen: np.ndarray) -> FaceCrops:
        """Return the crops at a mask or indices."""
        return FaceCrops(*(values[chosen] for values in vars(self).values()))


def face_crops(faces: list[FacePicture], cache: Path) -> FaceCrops:
    """Return the crops of all portraits, each as it is and once more with its mouth open."""
    if not cache.is_file():
        cut = [crop_of(face) for face in faces]
        rng = np.random.default_rng(0)
        spoken = [(_opened(*crop[:2], rng), *crop[1:]) for crop in cut]
        crops = FaceCrops(*(np.stack(values) for values in zip(*cut, *spoken)))
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, **vars(crops))
    with np.load(cache) as stored:
        crops = FaceCrops(**stored)
    return FaceCrops(crops.pixels, crops.points[..., :2], crops.skin, crops.kept_out)


def crop_of(face: FacePicture) -> tuple[np.ndarray, ...]:
    """Return the fields of `FaceCrops` for one portrait; points (478, 3) have their depth."""
    matrix = picture_from_crop(face.landmarks, WIDE_PX, WIDE * SIDE)
    pixels = extract_crop(face.pixels(), matrix, WIDE_PX)
    inverse = np.linalg.inv(matrix[:, :2])
    points = (face.landmarks[:, :2] - matrix[:, 2]) @ inverse.T
    depth = face.landmarks[:, 2:] * np.sqrt(np.linalg.det(inverse))
    x, y = points[205].round().astype(int).clip(12, WIDE_PX - 13)
    skin = pixels[y - 12 : y + 12, x - 12 : x + 12]
    return pixels, np.concatenate([points, depth], 1).astype(np.float32), skin, face.kept_out


@torch.no_grad()
def _opened(pixels: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a face with its mouth open and its head turned, as the renderer draws it."""
    landmarks = torch.from_numpy(points)
    picture = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    motion = rest_motion(landmarks[None])
    opening = float(rng.uniform(0.02, 0.14))
    for name, value in (
        ("lip_gap", opening), ("jaw_drop", 0.6 * opening), ("yaw", rng.normal(0, 0.1)),
        ("smile", rng.uniform(0, 0.5)), ("pitch", rng.normal(0, 0.06)),
    ):  # fmt: skip
        motion[0, MOTION_INDEX[name]] = value
    clip = ReferenceClip(
        as_pixels(pixels[None]), landmarks[None], torch.zeros(1),
        make_look(picture, landmarks, int(rng.integers(1000))),
    )  # fmt: skip
    drawn, matte = render(motion, clip)
    drawn = drawn[0, :3].permute(1, 2, 0).numpy()
    return np.where(matte[0, 0, :, :, None].numpy(), drawn, pixels)


class OccludedFaces:
    """Samples without end: faces, and masks of what is before them.

    Drawing i depends on (seed, i) alone and batch k on (seed, k): a run that goes on sees what it
    would have seen.

    Args:
        crops: of the people who may be shown.
        seed: of everything that is drawn.
        drawn_share: of samples; the others were drawn before and are photographed again.
    """

    def __init__(self, crops: FaceCrops, seed: int, drawn_share: float = DRAWN_SHARE):
        self._crops, self._seed, self._rng = crops, seed, np.random.default_rng(seed)
        self._drawn_share = drawn_share
        self._drawn: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def batch(self, number: int, index: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        """Return faces (B, 3, 128, 128) in [0, 1] and masks (B, 1, 128, 128) in [0, 1].

        Args:
            number: B, the same for all batches.
            index: which batch, from 0.
        """
        fresh = max(1, round(self._drawn_share * number))
        stop = fresh * (index + 1)
        start = max(0, stop - KEPT_DRAWINGS)
        rng = np.random.default_rng([self._seed, 1, index])
        chosen = [*range(stop - fresh, stop), *rng.integers(start, stop, number - fresh)]
        drawings = [self._drawing(int(one)) for one in chosen]
        for old in [one for one in self._drawn if one < start]:
            del self._drawn[old]
        self._rng = rng
        pairs = [self._sample(*drawing) for drawing in drawings]
        faces, masks = (torch.from_numpy(np.stack(values)) for values in zip(*pairs))
        return faces.permute(0, 3, 1, 2).float() / 255, masks[:, None]

    def _sample(self, face: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a face (128, 128, 3) uint8 and the mask (128, 128) of what is before it."""
        if self._rng.random() < 0.5:
            face, mask = face[:, ::-1], mask[:, ::-1]
        mask = np.ascontiguousarray(mask).astype(np.float32) / 255
        return self._photographed(face.astype(np.float32)), mask

    def _drawing(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a face and a mask as bytes, before any camera; kept for later batches."""
        if number not in self._drawn:
            self._rng = np.random.default_rng([self._seed, 2, number])
            self._drawn[number] = self._draw()
        return self._drawn[number]

    def _draw(self) -> tuple[np.ndarray, np.ndarray]:
        rng, crops = self._rng, self._crops
        index = int(rng.integers(len(crops.pixels)))
        wide = change_look(crops.pixels[index], crops.points[index], rng)
        face = cv2.remap(wide, *self._placing(), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros((CROP_PX, CROP_PX), np.float32)
        if rng.random() < COVERED_SHARE:
            for _ in range(1 + (rng.random() < 0.15)):
                face, mask = self._covered(face.astype(np.float32), mask, crops.skin[index])
        return face.clip(0, 255).astype(np.uint8), (255 * mask + 0.5).astype(np.uint8)

    def _placing(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y (128, 128) of a sample's pixels in a wide crop, a little beside the truth.

        Some faces are narrowed, or narrowed on one side, as heads are that turn away.
        """
        rng = self._rng
        angle, zoom = rng.normal(0, 0.07), np.exp(rng.normal(0, 0.06))
        across, down = np.meshgrid(*2 * [(np.arange(CROP_PX) + 0.5) / CROP_PX - 0.5])
        down = down - 0.1  # from the mouth, of the crop's side
        if rng.random() < 0.35:
            across = across * rng.uniform(1, 1.5)
        if rng.random() < 0.35:
            across = across + rng.uniform(-0.35, 0.35) * np.clip(0.5 - 2 * across**2, 0, 1)
        x = np.cos(angle) * across - np.sin(angle) * down
        y = np.sin(angle) * across + np.cos(angle) * down
        shift = rng.normal(0, 0.025, 2) + np.array([0.5, 0.5]) * WIDE + np.array([0, 0.1])
        side = WIDE_PX / WIDE
        places = (side * (zoom * one + by) - 0.5 for one, by in zip((x, y), shift))
        return tuple(place.astype(np.float32) for place in places)

    def _covered(
        self, face: np.ndarray, mask: np.ndarray, skin: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Put a random thing before a face, with the shadow that it throws."""
        rng = self._rng
        other = self._crops.pixels[rng.integers(len(self._crops.pixels))]
        photo = cv2.resize(other, (FINE, FINE))
        _, layer = draw_occluder(rng, skin, photo)
        size = (CROP_PX, CROP_PX)
        colours = cv2.resize(layer.colours, size, interpolation=cv2.INTER_AREA)
        cover = cv2.resize(layer.cover, size, interpolation=cv2.INTER_AREA)
        if rng.random() < 0.6:
            shift = rng.normal(0, 4, 2)
            move = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
            shadow = cv2.GaussianBlur(
                cv2.warpAffine(cover, move, size), (0, 0), float(rng.uniform(1, 7))
            )
            face = face * (1 - rng.uniform(0.1, 0.6) * shadow[..., None])
        blur = float(rng.choice([0.3, 0.6, 1.2, 2.0], p=[0.4, 0.3, 0.2, 0.1]))
        inside = cv2.GaussianBlur(colours * cover[..., None], (0, 0), blur)
        soft = cv2.GaussianBlur(cover, (0, 0), blur)
        solid = (cover > 0.3).astype(np.float32)
        face = face * (1 - soft[..., None]) + inside
        return face, np.maximum(mask, solid if cover.max() < 1 else soft)

    def _photographed(self, face: np.ndarray) -> np.ndarray:
        """Return uint8 pixels: other light, less resolution, noise, compression."""
        rng = self._rng
        face = 255 * (face.clip(0, 255) / 255) ** np.float32(np.exp(rng.normal(0, 0.2)))
        face = (face - 128) * rng.uniform(0.75, 1.25) + 128 + rng.normal(0, 14)
        face = face * rng.normal(1, 0.05, 3)
        if rng.random() < 0.08:
            face = np.repeat(face.mean(-1, keepdims=True), 3, -1)
        if rng.random() < 0.35:
            small = int(CROP_PX * rng.uniform(0.35, 0.9))
            face = cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA)
            face = cv2.resize(face, (CROP_PX, CROP_PX), interpolation=cv2.INTER_LINEAR)
        if rng.random() < 0.5:
            face = face + rng.normal(0, rng.uniform(0, 7), face.shape)
        face = np.ascontiguousarray(face.clip(0, 255).astype(np.uint8))
        if rng.random() < 0.35:
            coded = cv2.imencode(
                ".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))]
            )
            face = cv2.imdecode(coded[1], cv2.IMREAD_COLOR)
        return face
