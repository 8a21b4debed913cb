"""The layers of a scene, extrapolated beyond the border of the picture for a moving camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from torch import Tensor

from skyreels_avatar.camera.extrude import extrude
from skyreels_avatar.camera.fill import defocus, spread, without_unique_details
from skyreels_avatar.camera.scene import SURE_MATTE, Scene

CONTOUR_SHARE = 0.06
"""The person's outline goes on beyond the border in the direction of its last part, this share of
the picture's long side."""

DEFOCUS = 0.04
"""Blur (sigma) of what is continued per pixel of distance: repeated buttons lose their edge. With
0.12 the outer tenth of a pan looks smeared."""

CROWN_SHARE = 0.35
"""Highest crown that is added to a head cut by the upper side, as a share of the face height."""

CROWN_RIM = 0.008

TEXTURE_SHARE = 0.05
"""Of clothes without lines only what is finer than this share of the long side is mirrored."""

HEAD_SHARE = 0.015
"""A head that a side cuts ends this share of the long side beyond it: hair drawn on would be a
second head."""

SHOULDER_SLOPE = 1.0
"""Below the chin a body may go on so much further for each row: at once would be a step."""

SOFTNESS_REACH_PX = 8.0
SEAM_PX = 2.0
"""So far beyond the border all of a mirror image is shown; letters begin again in a wider band."""

EDGE_PX = 3.0
"""Width of the person's edge beyond the border, where no matte tells it."""


@dataclass(frozen=True)
class Layer:
    """One layer on a canvas that is `margin` pixels larger than the picture on each side.

    values: (H + 2 margin, W + 2 margin, C) float32 colors, premultiplied with coverage as fourth
    channel for the person. seen: (same) uint8, 255 where the picture really showed this layer.
    inverse_depth: (same) float32.
    """

    values: np.ndarray
    seen: np.ndarray
    inverse_depth: np.ndarray
    margin: int


def background_layer(scene: Scene, margin: int) -> Layer:
    """Return the filled background; beyond the border its lines go on, and the rest is mirrored.

    Not copied patches: they keep no object whole, while a mirrored street is still a street.
    """
    background, person = scene.plate_layers
    place = _Placement(scene, margin)
    picture = np.ascontiguousarray(place.cut(background.permute(1, 2, 0).numpy()))
    seen = place.cut(person[3].numpy()) < 0.5
    outside = place.put(np.zeros(seen.shape, np.uint8), cv2.BORDER_CONSTANT, 1)
    lined, certain = extrude(picture, place.pads)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 5)
    mirrored = _mirrored(picture, place, distance)
    values = mirrored + certain[..., None] * (lined - mirrored)
    return Layer(
        defocus(values, DEFOCUS * np.maximum(distance - SOFTNESS_REACH_PX, 0.0)),
        place.put(seen.astype(np.uint8) * 255, cv2.BORDER_CONSTANT),
        _pad(_inverse(scene.background_depth), margin, cv2.BORDER_REPLICATE),
        margin,
    )


def person_layer(scene: Scene, margin: int) -> Layer:
    """Return the person, with outline and clothes extrapolated beyond the border."""
    place = _Placement(scene, margin)
    values = np.ascontiguousarray(place.cut(scene.plate_layers[1].permute(1, 2, 0).numpy()))
    seen = (values[..., 3] >= 0.5).astype(np.uint8) * 255
    if margin > 0:
        values = _extended_person(scene, values, place)
    return Layer(
        values,
        place.put(seen, cv2.BORDER_CONSTANT),
        _pad(_inverse(scene.person_depth), margin, cv2.BORDER_REPLICATE),
        margin,
    )


class _Placement:
    """Where the plate lies on a canvas that goes on by `margin` pixels beyond the picture."""

    def __init__(self, scene: Scene, margin: int):
        plate, (height, width) = scene.plate, scene.depth.shape
        beyond = (plate.top, plate.person_mask.shape[0] - plate.top - height)
        beyond += (plate.left, plate.person_mask.shape[1] - plate.left - width)
        used = [min(margin, pixels) for pixels in beyond]
        self.pads = tuple(margin - pixels for pixels in used)  # above, below, left, right
        self.offset = used[2], used[0]
        self._rows = slice(plate.top - used[0], plate.top + height + used[1])
        self._columns = slice(plate.left - used[2], plate.left + width + used[3])

    def cut(self, array: np.ndarray) -> np.ndarray:
        """Return what the canvas holds of an array of the plate's size."""
        return array[self._rows, self._columns]

    def put(self, array: np.ndarray, border: int, value: int = 0) -> np.ndarray:
        """Return the canvas with what `cut` returned in its place."""
        return cv2.copyMakeBorder(array, *self.pads, border, value=value)


def _inverse(depth: Tensor) -> np.ndarray:
    return (1 / depth).numpy().astype(np.float32)


def _pad(array: np.ndarray, margin: int, border: int, value: int = 0) -> np.ndarray:
    return cv2.copyMakeBorder(array, margin, margin, margin, margin, border, value=value)


def _extended_person(scene: Scene, values: np.ndarray, place: _Placement) -> np.ndarray:
    """Extrapolate the outline along its direction and the clothes along their lines."""
    above, below, left, right = place.pads
    outside = place.put(np.zeros(values.shape[:2], np.uint8), cv2.BORDER_CONSTANT, 1)
    matte = values[..., 3]
    contour = _signed_distance(matte)
    x, y, *size = scene.face_box
    crown = _crown(contour, above, (x + place.offset[0], y + place.offset[1], *size))
    contour = _continued(contour, above, below)
    contour[:above] = np.minimum(contour[:above], crown)
    contour = _continued(contour.T, left, right).T
    width, chin = values.shape[1], above + round(y + place.offset[1] + size[1])
    columns = np.arange(contour.shape[1])
    away = np.maximum(left - columns, columns - (left + width - 1))
    ends = np.where(away > 0, HEAD_SHARE * max(values.shape) - away, np.inf)
    below = np.maximum(np.arange(len(contour)) - chin, 0)[:, None]
    contour = np.minimum(contour, ends + SHOULDER_SLOPE * below)
    # Near the border the matte's own softness, further out a clean soft edge.
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 5)
    outward = np.clip(distance / SOFTNESS_REACH_PX, 0.0, 1.0)
    edge = np.clip(contour / EDGE_PX + 0.5, 0.0, 1.0)
    near = np.clip(contour / EDGE_PX + 1.0, 0.0, 1.0) * place.put(matte, cv2.BORDER_REPLICATE)
    coverage = near * (1 - outward) + edge * outward

    color = np.ascontiguousarray(place.cut(scene.plate.image.permute(1, 2, 0).numpy()))
    color = spread(color, values[..., 3] > SURE_MATTE)
    lined, certain = extrude(color, place.pads)
    woven = _woven(lined, _mirrored(color, place, distance))
    color = woven + certain[..., None] * (lined - woven)
    color = defocus(color, DEFOCUS * np.maximum(distance - SOFTNESS_REACH_PX, 0.0))

    coverage = coverage[..., None]
    extended = np.concatenate([color * coverage, coverage], axis=-1).astype(np.float32)
    extended[above : above + len(values), left : left + values.shape[1]] = values
    return extended


def _mirrored(picture: np.ndarray, place: _Placement, distance: np.ndarray) -> np.ndarray:
    """Return a picture on a canvas, beyond the border its mirror image but for what is unique.

    Args:
        distance: (H, W) px from the border of the known.
    """
    whole, plain = (
        place.put(one, cv2.BORDER_REFLECT_101) for one in (picture, without_unique_details(picture))
    )
    share = np.clip(distance / SEAM_PX, 0.0, 1.0)[..., None]  # no line at the border
    return whole + share * (plain - whole)


def _woven(colors: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Return colors (H, W, 3) with the texture of another picture: no large shape is repeated."""
    sigma = TEXTURE_SHARE * max(colors.shape)
    return (pattern + cv2.GaussianBlur(colors - pattern, (0, 0), sigma)).clip(0, 1)


def _signed_distance(matte: np.ndarray) -> np.ndarray:
    """Return the distance to the person's outline in pixels, positive inside, (H, W) float32."""
    person = (matte >= 0.5).astype(np.uint8)
    if person.all() or not person.any():
        return np.full(matte.shape, 1e3 if person.any() else -1e3, np.float32)
    inside = cv2.distanceTransform(person, cv2.DIST_L2, 5)
    return inside - cv2.distanceTransform(1 - person, cv2.DIST_L2, 5)


def _crown(
    contour: np.ndarray, margin: int, face_box: tuple[float, float, float, float]
) -> np.ndarray:
    """Return the signed distance (margin, W) to a head's outline above a picture that cuts it.

    Straight lines would end in a spike: the outline closes in an arc through its two ends. Huge
    where the upper side cuts no head.
    """
    width = contour.shape[1]
    open_sky = np.full((margin, width), np.inf, np.float32)
    x, y, face_width, face_height = face_box
    runs = np.diff(np.concatenate([[0], contour[0] > 0, [0]]).astype(np.int8))
    starts, ends = np.flatnonzero(runs > 0), np.flatnonzero(runs < 0)
    # In a side view the crown is beside the face.
    over_face = np.minimum(ends, x + 2 * face_width) - np.maximum(starts, x - face_width)
    if y > 1.5 * face_height or margin == 0 or not len(starts) or over_face.max() <= 0:
        return open_sky
    start, end = starts[over_face.argmax()], ends[over_face.argmax()]
    reach = max(2, min(len(contour) - 1, round(CONTOUR_SHARE * max(contour.shape))))
    # The matte is a little wider than the head: one that just touches the side is not cut.
    rim = CROWN_RIM * max(contour.shape)
    middle, half = (start + end - 1) / 2, (end - start) / 2
    inner = contour[reach] > 0
    left, right = inner[: int(middle) + 1][::-1], inner[int(middle) :]
    half_inner = ((~left).argmax() if not left.all() else len(left)) + (
        (~right).argmax() if not right.all() else len(right)
    )
    lean = max(0.0, (0.5 * half_inner - half) / reach)  # 0: upright sides, the arc a half circle
    angle = np.arctan2(1.0, lean)
    radius = half / np.sin(angle)
    rise = radius * (1 - np.cos(angle))
    stretch = max(1.0, rise / (CROWN_SHARE * face_height))
    columns = np.arange(width, dtype=np.float32)
    up = np.arange(margin, 0, -1, dtype=np.float32)[:, None] * stretch + radius * np.cos(angle)
    arc = radius - np.hypot(columns - middle, up) - rim
    if len(starts) == 1:
        return arc.astype(np.float32)
    between = np.abs(columns[:, None] - 0.5 * (starts + ends - 1)) - 0.5 * (ends - starts)
    own = between.argmin(axis=1) == over_face.argmax()
    return np.where(own, arc, open_sky).astype(np.float32)


def _continued(contour: np.ndarray, above: int, below: int) -> np.ndarray:
    """Continue a signed distance linearly by so many rows above and below."""
    reach = max(2, min(len(contour) - 1, round(CONTOUR_SHARE * max(contour.shape))))

    def beyond(edge: np.ndarray, inner: np.ndarray, count: int) -> np.ndarray:
        distance = np.arange(1, count + 1, dtype=np.float32)[:, None]
        slope = cv2.blur(((edge - inner) / reach)[None], (9, 1))
        return edge[None] + distance * np.clip(slope, -1.0, 1.0)

    upper = beyond(contour[0], contour[reach], above)[::-1]
    lower = beyond(contour[-1], contour[-1 - reach], below)
    return np.ascontiguousarray(np.concatenate([upper, contour, lower]))
