"""Relight pictures: shading on the relief of the person, then a color grade of all pixels.

Code values are taken as light to the power of 1 / 2.2, so that twice the light is one and the same
factor for every pixel: black stays black, and a light falls on dark and bright skin alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace

import cv2
import numpy as np

from skyreels_avatar.models.depth import face_relief
from skyreels_avatar.models.light_encoder import Light

_GAMMA = 2.2
_LUMA = (0.2126, 0.7152, 0.0722)
# Stops that warmth and tint give to red, green and blue; strong colors grow faster.
_WARM_STOPS, _TINT_STOPS, _STRONGER = (0.9, 0.0, -1.3), (0.55, -0.9, 0.55), 0.45
_COLDER = 0.75  # eyes are quick to call a light blue
_COLOR_STOPS, _COLOR_OVERLAP = 0.5, 0.5
_KNEE = 0.7  # above, light is compressed so that white stays the brightest value there is
_PIVOTS, _STEEP, _FLAT = (0.25, 0.45), 1.3, 0.35  # of contrast
_VIVID = 0.5
# A lamp beside the person: how much light is left in its shadow, and how it wraps round.
_FILL, _KEY, _WRAP, _TOWARDS = 0.15, 1.5, 0.18, 0.32
_FALLOFF = 0.5  # stops on the wall behind, from its middle to the edges
_SPOT_NEAR, _SPOT_FAR, _SPOT_BODY = 2.2, 1.6, 1.4  # stops
_BACK_SHADE, _BACK_RIM, _BACK_WALL = 1.5, 2.6, 0.5  # stops
# Light on a face (linear) at which words count in full; darkness and brightness have an end.
_USUAL, _DARKEST, _BRIGHTEST, _LEAST = 0.18, 0.008, 0.8, 0.25
_RELIEF_PX = 320  # long side; shading is smooth
# Slopes of a face mesh, which is flatter than a face; its smallest features, of its width; how far
# features and shape are the mesh's.
_DEEP, _FEATURE, _FEATURES, _SHAPE = 1.6, 0.02, 0.8, 0.35


@dataclass(frozen=True, eq=False)
class Relief:
    """Coarse surface normals of a picture: of the person and of the background.

    Attributes:
        normals: (h, w, 3) of the person, x to the right, y down, z to the viewer.
        person: (h, w) 0 to 1.
        rim: (h, w) 0 to 1, what of the person faces a light behind it.
        distance: (h, w) from the middle of the face, in face heights.
        places: (h, w, 2) x and y in the picture, -1 to 1.
    """

    normals: np.ndarray
    person: np.ndarray
    rim: np.ndarray
    distance: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, person: np.ndarray, faces: Sequence[np.ndarray]) -> Relief:
        """Return the relief of a picture: heads are round, faces have features, bodies bulge.

        Args:
            person: (H, W) in 0..1.
            faces: (478, 3) landmarks in pixels, of each person; the first is in the light of spots.
        """
        height, width = person.shape
        scale = min(1.0, _RELIEF_PX / max(height, width))
        size = (max(2, round(width * scale)), max(2, round(height * scale)))
        person = cv2.resize(person.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        faces = [points[:468].astype(np.float32) * np.float32(scale) for points in faces]
        rows, columns = np.mgrid[: size[1], : size[0]].astype(np.float32) + 0.5
        boxes = [_Box.of(points) for points in faces]
        leaning = _bulging(person, 0.45 * boxes[0].width)
        for points, box in zip(faces, boxes):
            leaning = _with_head(leaning, points, box, rows, columns)
        steep = np.linalg.norm(leaning, axis=-1, keepdims=True)
        leaning = leaning * np.minimum(1, 0.97 / np.maximum(steep, 1e-6))
        facing = np.sqrt(1 - (leaning**2).sum(-1, keepdims=True))
        box = boxes[0]
        distance = np.hypot(columns - box.x, rows - box.y) / box.height
        places = np.stack([columns / size[0], rows / size[1]], -1) * 2 - 1
        thin = cv2.GaussianBlur(person, (0, 0), 0.035 * box.width, borderType=cv2.BORDER_REPLICATE)
        rim = np.maximum(0.6 * (1 - facing[..., 0]) ** 1.5, (1.8 * (1 - thin)).clip(0, 1))
        return cls(np.concatenate([leaning, facing], -1), person, rim, distance, places)

    def halved(self) -> Relief:
        """Return the relief at half the size."""
        size = tuple(max(2, side // 2) for side in self.person.shape[::-1])
        values = (getattr(self, field.name) for field in fields(self))
        return Relief(*(cv2.resize(value, size, interpolation=cv2.INTER_AREA) for value in values))


@dataclass(frozen=True)
class _Box:
    """Middle and size of a face in pixels of the relief."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def of(cls, points: np.ndarray) -> _Box:
        low, high = points[:, :2].min(0), points[:, :2].max(0)
        (x, y), (width, height) = (low + high) / 2, high - low
        # Of a face that is turned the mesh is narrow, the head is not.
        return cls(float(x), float(y), float(max(width, 0.7 * height)), float(height))


def _bulging(person: np.ndarray, reach_px: float) -> np.ndarray:
    """Return (h, w, 2): how far surfaces lean to the side, from the outline alone."""
    leaning = np.zeros((*person.shape, 2), np.float32)
    for share, weight in ((1.0, 0.5), (0.4, 0.3), (0.15, 0.2)):
        sigma = max(0.7, share * reach_px)
        # The person goes on beyond the border of the picture.
        soft = cv2.GaussianBlur(person, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        for axis, (dx, dy) in enumerate(((1, 0), (0, 1))):
            slope = cv2.Sobel(soft, cv2.CV_32F, dx, dy, borderType=cv2.BORDER_REPLICATE) / 8
            leaning[..., axis] -= weight * 2.3 * sigma * slope
    return leaning


def _with_head(
    leaning: np.ndarray, points: np.ndarray, box: _Box, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Return (h, w, 2) with a round head, and the face in front of it."""
    head_x = (columns - box.x) / (0.66 * box.width)
    head_y = (rows - (box.y - 0.16 * box.height)) / (0.8 * box.height)
    radius = np.hypot(head_x, head_y)
    ball = np.stack([head_x, 0.8 * head_y], -1) * (0.95 / np.maximum(radius, 1))[..., None]
    weight = 1 - _smoothstep((radius - 0.85) / 0.5)
    leaning = leaning + (0.75 * weight)[..., None] * (ball - leaning)
    surface, inside = face_relief(rows.shape, points, box.width)
    surface = cv2.GaussianBlur(surface, (0, 0), max(0.7, _FEATURE * box.width))
    slopes = [
        cv2.Sobel(surface, cv2.CV_32F, dx, dy, scale=_DEEP * box.width / 8)
        for dx, dy in ((1, 0), (0, 1))
    ]
    face = np.stack(slopes, -1)
    face /= np.sqrt(1 + (face**2).sum(-1, keepdims=True))
    broad = cv2.GaussianBlur(face, (0, 0), 0.2 * box.width)
    inside = (cv2.GaussianBlur(inside, (0, 0), 0.06 * box.width) * inside)[..., None]
    # The mesh is flat, the ball round: features are the mesh's, the shape is of both.
    return leaning + inside * (_FEATURES * (face - broad) + _SHAPE * (broad - leaning))


def limit_exposure(light: Light, level: float) -> Light:
    """Return a light for a face: a dark one is not made much darker, nor a bright one brighter.

    Args:
        level: of `face_level`.
    """
    end = _DARKEST if light.exposure < 0 else _BRIGHTEST
    room = math.log(level / end) / math.log(_USUAL / end)
    return replace(light, exposure=light.exposure * min(max(room, _LEAST), 1.0))


def face_level(picture: np.ndarray, face_box: tuple[float, float, float, float]) -> float:
    """Return the linear luminance of a face, 0 to 1.

    Args:
        picture: (H, W, 3) in 0..1.
        face_box: x, y, width, height in pixels; where it is outside, the whole picture counts.
    """
    x, y, width, height = (round(value) for value in face_box)
    face = picture[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)]
    luma = (face if face.size else picture) @ np.float32(_LUMA)
    return max(float((luma**_GAMMA).mean()), 1e-4)


def pivot_of(level: float) -> float:
    """Return the code value that contrast leaves unchanged, for a face of a luminance."""
    return min(max(level ** (1 / _GAMMA), _PIVOTS[0]), _PIVOTS[1])


def shading(light: Light, relief: Relief) -> tuple[np.ndarray, np.ndarray]:
    """Return factors (h, w) of the code values of the person and of what is behind."""
    stops = np.zeros((2, *relief.person.shape), np.float32)
    strength = min(1.0, math.hypot(light.side, light.above))
    if strength > 0:
        lamp = np.float32([light.side, -light.above, _TOWARDS * strength])
        lamp /= np.linalg.norm(lamp)
        facing = ((relief.normals @ lamp + _WRAP) / (1 + _WRAP)).clip(0)
        stops[0] = np.log2(1 + strength * (_FILL + _KEY * facing - 1))
        across = light.side * relief.places[..., 0] - light.above * relief.places[..., 1]
        stops[1] = _FALLOFF * (across - strength)
    if light.back > 0:
        stops[0] += light.back * (_BACK_RIM * relief.rim - _BACK_SHADE)
        stops[1] += light.back * _BACK_WALL
    if light.spot > 0:
        far = _smoothstep((relief.distance - 0.8) / 2.6)
        stops[0] -= light.spot * _SPOT_BODY * far
        stops[1] -= light.spot * (_SPOT_NEAR + _SPOT_FAR * far)
    person, behind = np.exp2(stops / _GAMMA)
    return person, behind


def is_shaded(light: Light) -> bool:
    """Return whether a light falls differently on different places."""
    return any((light.side, light.above, light.back, light.spot))


@dataclass(frozen=True, eq=False)
class Grade:
    """The color grade of a light, the same at every pixel.

    Attributes:
        saturation: 0 = grey, 1 = as it is.
        gains: factors of the code values of red, green and blue.
        peak: factor of the brightest place.
        contrast: as in `Light`.
        pivot: the value that contrast leaves: that of the face, so that it is not lost.
    """

    saturation: float
    gains: tuple[float, float, float]
    peak: float
    contrast: float
    pivot: float

    @classmethod
    def of(cls, light: Light, peak: float = 1.0, pivot: float = _PIVOTS[1]) -> Grade:
        """Return the grade of a light.

        Args:
            peak: largest factor of its shading.
            pivot: see `pivot_of`.
        """
        stronger = 1 + _STRONGER * (light.warmth**2 + light.tint**2)
        warmth = light.warmth * (_COLDER if light.warmth < 0 else 1)
        pairs = zip(_WARM_STOPS, _TINT_STOPS)
        stops = [stronger * (warmth * warm + light.tint * tint) for warm, tint in pairs]
        luminance = math.log2(sum(share * 2**stop for share, stop in zip(_LUMA, stops)))
        # A little color keeps the light as it is; in a strong one the brightest channel does.
        strong = float(_smoothstep(np.float32(math.hypot(light.warmth, light.tint) - 0.5) / 0.6))
        level = light.exposure - (1 - strong) * luminance - strong * (max(stops) - _COLOR_STOPS)
        gains = tuple(2 ** ((stop + level) / _GAMMA) for stop in stops)
        saturation = 1 + light.saturation * (_VIVID if light.saturation > 0 else 1)
        # Colored lamps are no single wavelength: what they light keeps its shades.
        saturation *= 1 - _COLOR_OVERLAP * strong
        return cls(saturation, gains, peak, light.contrast, pivot)

    def mix(self) -> np.ndarray | None:
        """Return (3, 3) that changes the saturation of R G B; None for none."""
        if self.saturation == 1:
            return None
        grey = np.tile(np.float32(_LUMA), (3, 1))
        return grey + np.float32(self.saturation) * (np.eye(3, dtype=np.float32) - grey)

    def curve(self, values: np.ndarray, channel: int) -> np.ndarray:
        """Return what values 0..peak of a channel become, 0..1; they rise wherever those do."""
        values = values * np.float32(self.gains[channel])
        top = self.peak * self.gains[channel]
        if top > 1:
            share = (values - _KNEE).clip(0) / (top - _KNEE)
            steep = (top - _KNEE) / (1 - _KNEE)
            bent = _KNEE + (1 - _KNEE) * steep * share / (1 + (steep - 1) * share)
            values = np.where(values > _KNEE, bent, values)
        values = values.clip(0, 1)
        if self.contrast > 0:
            away = values * (1 - values) * (values - self.pivot)
            values = values + _STEEP * self.contrast * away
        elif self.contrast < 0:
            values = values + _FLAT * self.contrast * (values - self.pivot)
        return values

    def table(self) -> np.ndarray:
        """Return (256, 3) uint8: what bytes become whose shading is divided by `peak` already."""
        values = np.arange(256, dtype=np.float32) / 255 * np.float32(self.peak)
        columns = [self.curve(values, channel) for channel in range(3)]
        return (255 * np.stack(columns, -1)).round().clip(0, 255).astype(np.uint8)


def relight(
    picture: np.ndarray,
    light: Light,
    relief: Relief | None,
    matte: np.ndarray,
    pivot: float = _PIVOTS[1],
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
) -> np.ndarray:
    """Return a picture in another light.

    Args:
        picture: (H, W, 3) float32 in 0..1.
        relief: of the picture, at any size; a light that falls alike everywhere needs none.
        matte: (H, W) 0..1, the person, as fine as the picture.
        pivot: see `pivot_of`.
        window: left, top, width, height of the picture in shares of what the relief shows; beyond
            that the light goes on as at its border.
    """
    size = picture.shape[1::-1]
    peak, factors = 1.0, None
    if is_shaded(light):
        parts = shading(light, relief)
        peak = max(1.0, *(float(part.max()) for part in parts))
        person, behind = (_seen_through(part, window, size) for part in parts)
        factors = (behind + matte * (person - behind))[..., None]
    grade = Grade.of(light, peak, pivot)
    mix = grade.mix()
    if mix is not None:
        picture = cv2.transform(picture, mix).clip(0, 1)
    if factors is not None:
        picture = picture * factors
    return np.stack([grade.curve(picture[..., i], i) for i in range(3)], -1)


def _seen_through(
    values: np.ndarray, window: tuple[float, float, float, float], size: tuple[int, int]
) -> np.ndarray:
    """Return values (h, w) in a window, see `relight`, at a size (width, height)."""
    left, top, width, height = window
    rows, columns = values.shape
    across, down = columns * width / size[0], rows * height / size[1]
    start = left * columns + across / 2 - 0.5, top * rows + down / 2 - 0.5
    way = np.float32([[across, 0, start[0]], [0, down, start[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(values, way, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _smoothstep(share: np.ndarray) -> np.ndarray:
    share = share.clip(0, 1)
    return share * share * (3 - 2 * share)


def is_plain(light: Light) -> bool:
    """Return whether a light changes nothing."""
    return not any(astuple(replace(light, flicker=0.0)))
