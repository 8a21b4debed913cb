"""A picture as two layers with depth: person and background."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from torch import Tensor

from skyreels_avatar.camera.fill import defocus, interpolate_behind, spread
from skyreels_avatar.camera.geometry import intrinsics_from_hfov, unproject
from skyreels_avatar.camera.matting import least_share, refine_matte

MATTE_GROWTH = 0.0025
"""The matte grows by this share of the long side: a thin rim of true background that moves with
the person looks right, an outline of the person that stays behind does not."""

GAP_GROWTH = 0.006
"""The background is filled this share of the long side further out than the matte, so that no
color of the person is spread."""

RIM_TOLERANCE = 0.05
"""How far a half-covered pixel's person color may leave the possible range; it makes the two
layers add up to the picture also where a strand of hair escaped the matte."""

RIM_FADE = 0.012
"""Where the fill begins under the person it takes on the colors beside it, and loses them over
this share of the long side."""

BEHIND_DEFOCUS, MOST_DEFOCUS = 0.1, 0.01
"""Blur (sigma) of the fill behind a person per pixel of distance from what is known, and at most,
as a share of the long side: mirrored cars and bricks look out of focus, not like bent things."""

NEEDED, NEED_CONTRAST = (0.1, 0.3), 0.03
"""From which share on, and fully, pixels become the person's as far as their color differs from the
fill, and by how much it has to."""

SURE_MATTE = 0.9

HALF_SURE, BROAD_SHARE = (0.25, 0.97), 0.012
"""Which mask values are half sure, and the radius, as a share of the long side, of broad parts
(3 pixels at least: no edge is sharper)."""


@dataclass(frozen=True)
class Plate:
    """The whole photo, of which the video shows a part while the camera is static.

    image: (3, h, w) in [0, 1]. person_mask: (h, w) float, 1 on the person. left, top: pixels by
    which it goes on beyond that part on these sides.
    """

    image: Tensor
    person_mask: Tensor
    left: int = 0
    top: int = 0

    def part(self, size: tuple[int, int]) -> tuple:
        """Return the index of the (height, width) pixels that the video shows, in (..., h, w)."""
        return ..., slice(self.top, self.top + size[0]), slice(self.left, self.left + size[1])

    @cached_property
    def layers(self) -> tuple[Tensor, Tensor]:
        """Background (3, h, w) and person (4, h, w): see `Scene`."""
        picture = _array(self.image)
        matte = refine_matte(picture, _grown_matte(decided(self.person_mask.numpy())))
        known = _known_background(matte)
        filled = interpolate_behind(picture, known)
        matte = _needed(picture, filled, matte)
        away = cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, 5)
        filled = defocus(filled, (BEHIND_DEFOCUS * away).clip(0, MOST_DEFOCUS * max(away.shape)))
        background = _possible_background(picture, filled, matte, known)
        covered = 1 - matte[..., None]
        person = np.concatenate([picture - covered * background, matte[..., None]], axis=-1)
        return _tensor(background), _tensor(person)


@dataclass(frozen=True)
class Scene:
    """A picture as two layers with depth, through which a camera can be moved.

    image: (3, H, W) in [0, 1]. depth: (H, W) along z of what the picture shows.
    background: (3, H, W) the picture without the person, filled. background_depth: (H, W).
    person: (4, H, W) premultiplied color and coverage; person over background is the image.
    person_depth: (H, W), continued smoothly beyond the person. person_mask: (H, W) 0..1 as given.
    plate: the picture with what surrounds it. plate_layers: background (3, h, w) and person
    (4, h, w) of all of it.
    intrinsics: (3, 3). anchor: (3,) the face's center in the world. face_box: (x, y, w, h) pixels.
    """

    image: Tensor
    depth: Tensor
    background_depth: Tensor
    person_depth: Tensor
    person_mask: Tensor
    plate: Plate
    intrinsics: Tensor
    anchor: Tensor
    face_box: tuple[float, float, float, float]

    @property
    def background(self) -> Tensor:
        """(3, H, W): the part hidden by the person is synthesized at the first use."""
        return self.plate_layers[0][self.plate.part(tuple(self.depth.shape))]

    @property
    def person(self) -> Tensor:
        """(4, H, W): premultiplied color and coverage."""
        return self.plate_layers[1][self.plate.part(tuple(self.depth.shape))]

    @property
    def plate_layers(self) -> tuple[Tensor, Tensor]:
        """Background and person as far as the plate goes."""
        return self.plate.layers


def build_scene(
    image: Tensor,
    depth: Tensor,
    person_mask: Tensor,
    face_box: tuple[float, float, float, float],
    hfov_deg: float = 45.0,
    plate: Plate | None = None,
) -> Scene:
    """Split a picture into person and background.

    Args:
        image: (3, H, W) float in [0, 1], sRGB.
        depth: (H, W) along z, above 0; the unit is free, moves are in subject distances.
        person_mask: (H, W) float, 1 on the person, soft at the edge.
        face_box: (x, y, width, height) pixels of the face, which moves keep in the picture.
        hfov_deg: horizontal angle of view of the picture.
        plate: the same picture before it was cropped, at the same scale: where the camera looks
            beyond the crop it shows what is there.

    Raises:
        ValueError: sizes differ, depth is not positive, the face box is empty or outside, or the
            picture does not lie in the plate.
    """
    _check(image, depth, person_mask, face_box)
    height, width = depth.shape
    image, person_mask = image.detach().float(), person_mask.detach().float()
    if plate is None:
        plate = Plate(image, person_mask.clamp(0, 1))
    _check_plate(plate, height, width)
    matte = _grown_matte(person_mask.clamp(0, 1).numpy())
    known = _known_background(matte)
    depth = depth.detach().float()
    sure = _eroded(person_mask.numpy() > SURE_MATTE, MATTE_GROWTH)
    person_depth = _spread_depth(depth, sure if sure.any() else np.ones_like(sure))
    background_depth = _spread_depth(depth, known if known.any() else np.ones_like(known))
    intrinsics = intrinsics_from_hfov(height, width, hfov_deg)
    return Scene(
        image=image,
        depth=depth,
        background_depth=background_depth,
        person_depth=person_depth,
        person_mask=person_mask,
        plate=plate,
        intrinsics=intrinsics,
        anchor=_anchor(depth, person_mask, face_box, intrinsics),
        face_box=tuple(float(v) for v in face_box),
    )


def _check(image: Tensor, depth: Tensor, person_mask: Tensor, face_box: tuple[float, ...]) -> None:
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"image must be (3, H, W), got {tuple(image.shape)}")
    for name, value in (("depth", depth), ("person_mask", person_mask)):
        if value.shape != image.shape[1:]:
            raise ValueError(
                f"{name} must have the image's size {tuple(image.shape[1:])},"
                f" got {tuple(value.shape)}"
            )
    if not bool((depth > 0).all()):
        raise ValueError("depth must be above 0 everywhere; fill unknown depth first")
    x, y, w, h = face_box
    height, width = depth.shape
    if w <= 0 or h <= 0 or x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise ValueError(
            f"face_box (x, y, width, height) must lie in the {width}x{height} picture,"
            f" got {tuple(face_box)}"
        )


def _check_plate(plate: Plate, height: int, width: int) -> None:
    size = tuple(plate.person_mask.shape)
    inside = min(plate.left, plate.top) >= 0
    if not inside or plate.top + height > size[0] or plate.left + width > size[1]:
        raise ValueError(
            f"the {width}x{height} picture at ({plate.left}, {plate.top}) must lie in the plate of"
            f" {size[1]}x{size[0]}"
        )
    if tuple(plate.image.shape) != (3, *size):
        raise ValueError(f"the plate's image must be (3, {size[0]}, {size[1]}) as its mask is")


def _known_background(matte: np.ndarray) -> np.ndarray:
    return ~_dilated(matte > 0.03, GAP_GROWTH)


def _array(image: Tensor) -> np.ndarray:
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1), dtype=np.float32))


def _disc(shape: tuple[int, ...], share: float) -> np.ndarray:
    radius = max(1, round(share * max(shape)))
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def _dilated(mask: np.ndarray, share: float) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), _disc(mask.shape, share)) > 0


def _eroded(mask: np.ndarray, share: float) -> np.ndarray:
    return cv2.erode(mask.astype(np.uint8), _disc(mask.shape, share)) > 0


def decided(mask: np.ndarray) -> np.ndarray:
    """Return the mask with broad uncertain regions assigned to the person or to the background.

    Narrow ones are edges and hair. A broad one (a bright table, a dark wall, a halo of curls) would
    be drawn half in each layer as soon as the layers move apart. Each goes where its mean says.
    """
    half = ((mask > HALF_SURE[0]) & (mask < HALF_SURE[1])).astype(np.uint8)
    disc = _disc(mask.shape, max(BROAD_SHARE, 3 / max(mask.shape)))
    broad = cv2.morphologyEx(half, cv2.MORPH_OPEN, disc, borderType=cv2.BORDER_REPLICATE)
    broad = cv2.dilate(broad, disc) * (mask > HALF_SURE[0]).astype(np.uint8)
    _, labels = cv2.connectedComponents(broad)
    sums, sizes = (np.bincount(labels.ravel(), part.ravel()) for part in (mask * half, half))
    own = (sums >= 0.5 * sizes)[labels]
    kept = cv2.GaussianBlur((broad * own).astype(np.float32), (0, 0), 1.5)
    return np.maximum(np.where(broad * half * ~own, np.float32(0), mask), kept)


def _grown_matte(matte: np.ndarray) -> np.ndarray:
    grown = cv2.dilate(matte, _disc(matte.shape, MATTE_GROWTH))
    return cv2.GaussianBlur(grown, (0, 0), max(0.6, 0.5 * MATTE_GROWTH * max(matte.shape)))


def _needed(picture: np.ndarray, filled: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """Return a matte (H, W) that covers half-sure pixels as far as their colors need a person.

    Glints of metal and bright skin at the edge, of too small a share, would stay behind.
    """
    share = least_share(picture, filled, NEED_CONTRAST)
    half_sure = ((matte - NEEDED[0]) / (NEEDED[1] - NEEDED[0])).clip(0, 1)
    return np.maximum(matte, half_sure * share)


def _possible_background(
    picture: np.ndarray, filled: np.ndarray, matte: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """Bound the filled background so that the person's color at soft edges stays possible.

    The person's premultiplied color is picture - (1 - matte) * background. Where the fill is
    wrong that would leave [0, matte] and shine as a halo over any other background. What is filled
    without need, beside the matte, begins as the picture, so that no line is left there.
    """
    matte = matte[..., None]
    uncovered = np.maximum(1 - matte, 1e-3)
    away = cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, 5)[..., None]
    gap = GAP_GROWTH * max(known.shape)
    tolerance = RIM_TOLERANCE * np.minimum(away, gap) / gap
    low = (picture - matte - tolerance) / uncovered
    high = (picture + tolerance) / uncovered
    bounded = np.clip(filled, low, high)
    beside = ~known & (matte[..., 0] <= 0.03)
    bounded = np.where(beside[..., None], bounded, _continued(filled, bounded - filled, beside))
    return np.clip(np.clip(bounded, low, high), 0.0, 1.0)


def _continued(filled: np.ndarray, step: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Add the steps (H, W, 3) that a fill makes in a band (H, W); beyond they fade out."""
    if not band.any():
        return filled
    outside = (~band).astype(np.uint8)
    away, labels = cv2.distanceTransformWithLabels(
        outside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros((int(labels.max()) + 1, 3), np.float32)
    nearest[labels[band]] = step[band]
    fade_px = RIM_FADE * max(band.shape)
    nearest = cv2.GaussianBlur(nearest[labels], (0, 0), fade_px / 4)
    return filled + np.exp(-away / fade_px)[..., None] * nearest


def _spread_depth(depth: Tensor, known: np.ndarray) -> Tensor:
    """Continue depth from known pixels; in inverse depth, where a plane is linear."""
    inverse = spread(1 / depth.numpy()[..., None], known)
    return torch.from_numpy(1 / inverse[..., 0])


def _anchor(
    depth: Tensor, person_mask: Tensor, face_box: tuple[float, ...], intrinsics: Tensor
) -> Tensor:
    """Return the face's center (3,) at the median depth of the person inside the face box."""
    height, width = depth.shape
    x, y, w, h = face_box
    rows = slice(max(0, int(y)), min(height, int(np.ceil(y + h))))
    columns = slice(max(0, int(x)), min(width, int(np.ceil(x + w))))
    inside, on_person = depth[rows, columns], person_mask[rows, columns] > 0.5
    distance = (inside[on_person] if on_person.any() else inside).median()
    center = torch.tensor([x + w / 2, y + h / 2], dtype=torch.float32)
    return unproject(center, distance, intrinsics)
