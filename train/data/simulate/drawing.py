"""Layers and the shapes that things before a face are drawn of: bars, balls, skin, surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

FINE = 256  # pixels of a layer's side
FACE_PX = FINE / 1.5  # face height in them
MOUTH = np.array([FINE / 2, 0.6 * FINE])
_SHIFT = 3  # bits of cv2's fractions of a pixel
SKINS = (
    (60, 40, 32),
    (96, 64, 48),
    (141, 99, 74),
    (186, 138, 108),
    (219, 176, 150),
    (238, 204, 184),
)


@dataclass
class Layer:
    """A picture and how far it covers.

    Attributes:
        colours: (FINE, FINE, 3) float32, 0 to 255.
        cover: (FINE, FINE) float32 in [0, 1].
    """

    colours: np.ndarray
    cover: np.ndarray

    @staticmethod
    def blank(colour: tuple[float, ...] = (0.0, 0.0, 0.0)) -> Layer:
        """Return a layer of one colour that covers nothing."""
        colours = np.empty((FINE, FINE, 3), np.float32)
        colours[:] = colour
        return Layer(colours, np.zeros((FINE, FINE), np.float32))

    def put(self, colours: np.ndarray | tuple[float, ...], mask: np.ndarray) -> None:
        """Paint colours, an array or one, over the layer where a uint8 mask says."""
        x, y, width, height = cv2.boundingRect(mask)
        box = slice(y, y + height), slice(x, x + width)
        where = mask[box] > 127
        self.colours[box][where] = colours[box][where] if np.ndim(colours) == 3 else colours
        self.cover[box][where] = 1.0


def near_mouth(rng: np.random.Generator, spread: float) -> np.ndarray:
    """Return x, y about the mouth and the chin; spread in face heights."""
    return MOUTH + FACE_PX * (rng.normal(0, spread, 2) + np.array([0, 0.07]))


def skin_colour(rng: np.random.Generator, skin_of: np.ndarray) -> np.ndarray:
    """Return a colour of skin (3,): mostly the person's own, lit otherwise."""
    own = np.median(skin_of.reshape(-1, 3), 0)
    colour = own if rng.random() < 0.7 else np.array(SKINS[rng.integers(len(SKINS))])
    return colour * rng.uniform(0.75, 1.2) * rng.normal(1, 0.03, 3)


def surface(rng: np.random.Generator, photo: np.ndarray) -> np.ndarray:
    """Return (FINE, FINE, 3) float32: plain, striped, blotched or printed with a photo."""
    kind = rng.random()
    if kind < 0.3:
        colours = np.roll(photo, rng.integers(FINE, size=2), (0, 1)).astype(np.float32)
        return colours * rng.uniform(0.6, 1.2) + rng.uniform(-30, 30)
    colours = np.empty((FINE, FINE, 3), np.float32)
    plain = rng.random()
    grey = rng.uniform(190, 250) if plain > 0.8 else rng.uniform(0, 250)
    colours[:] = rng.uniform(0, 250, 3) if plain < 0.6 else grey
    if kind < 0.5:
        axis = np.arange(FINE)
        waves = axis[None] * rng.normal(0, 0.15) + axis[:, None] * rng.normal(0, 0.15)
        colours[np.sin(waves) > rng.uniform(-0.5, 0.9)] = rng.uniform(0, 250, 3)
    elif kind < 0.7:
        cells = int(rng.integers(3, 40))
        noise = rng.normal(0, rng.uniform(5, 50), (cells, cells, 3)).astype(np.float32)
        colours += cv2.resize(noise, (FINE, FINE), interpolation=cv2.INTER_CUBIC)
    return colours.clip(0, 255)


def skinned(layer: Layer, rng: np.random.Generator, skin_of: np.ndarray) -> Layer:
    """Give a layer the blotches and pores of skin, and the soft light of round things."""
    cells = int(rng.integers(3, 9))
    soft = rng.normal(1, rng.uniform(0.02, 0.12), (cells, cells)).astype(np.float32)
    layer.colours *= cv2.resize(soft, (FINE, FINE), interpolation=cv2.INTER_CUBIC)[..., None]
    if rng.random() < 0.6:
        texture = cv2.resize(skin_of, (FINE // 2, FINE // 2), interpolation=cv2.INTER_CUBIC)
        texture = np.tile(np.concatenate([texture, texture[::-1]]), (1, 2, 1)).astype(np.float32)
        layer.colours *= 0.4 + 0.6 * texture / np.maximum(texture.mean((0, 1)), 8)
    if rng.random() < 0.4:
        layer.colours = cv2.GaussianBlur(layer.colours, (0, 0), float(rng.uniform(0.5, 2.5)))
    return grained(layer, rng, rng.uniform(0, 4))


def grained(layer: Layer, rng: np.random.Generator, deviation: float) -> Layer:
    """Add fine noise of a standard deviation, of 255."""
    noise = rng.normal(0, deviation, (FINE // 3, FINE // 3, 1)).astype(np.float32)
    noise = cv2.resize(noise, (FINE, FINE), interpolation=cv2.INTER_LINEAR)
    layer.colours += noise[..., None]
    return layer


def held(layer: Layer, at: np.ndarray, rng: np.random.Generator, skin_of: np.ndarray) -> Layer:
    """Lay a few fingers over a thing, often."""
    if rng.random() < 0.5:
        skin, side = skin_colour(rng, skin_of), rng.choice([-1, 1])
        for finger in range(int(rng.integers(1, 5))):
            tip = at + FACE_PX * np.array([side * rng.uniform(-0.1, 0.1), 0.09 * finger - 0.1])
            root = tip + FACE_PX * np.array([side * rng.uniform(0.3, 0.6), rng.normal(0.05, 0.05)])
            limb(layer, root, tip, FACE_PX * 0.05, FACE_PX * 0.042, skin, rng)
    return layer


def draw_finger(
    layer: Layer,
    root: np.ndarray,
    heading: float,
    length: float,
    curl: float,
    skin: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Draw three bones, each bent a little further, and perhaps a nail."""
    thick = FACE_PX * rng.uniform(0.045, 0.06)
    at, skin = root, skin * rng.uniform(0.92, 1.06)
    for bone, share in enumerate((0.45, 0.3, 0.25)):
        direction = np.array([np.cos(heading), np.sin(heading)])
        tip = at + direction * length * share
        narrow = 1 - 0.1 * bone
        limb(layer, at, tip, thick * narrow, thick * (narrow - 0.08), skin, rng)
        at, heading = tip, heading + curl * rng.uniform(0.3, 1)
    if rng.random() < 0.5:
        nail = ellipse(at, thick * np.array([0.75, 0.5]), float(heading))
        layer.put(tuple(skin * rng.uniform(0.95, 1.2) + rng.uniform(-20, 20, 3)), nail)


def limb(
    layer: Layer,
    start: np.ndarray,
    end: np.ndarray,
    start_px: float,
    end_px: float,
    colour: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Draw a round bar between two places with these radii: dark edges, a brighter ridge."""
    dark = rng.uniform(0.5, 0.97)
    ridge = rng.normal(0, 0.25)
    direction = (end - start) / max(np.linalg.norm(end - start), 1e-6)
    aside = np.array([-direction[1], direction[0]])
    for share in (1.0, 0.9, 0.75, 0.55, 0.3):
        shift = aside * ridge * (1 - share)
        ends = (start + shift * start_px, end + shift * end_px)
        mask = _capsule(*ends, start_px * share, end_px * share)
        shade = dark + (1.08 - dark) * np.sqrt(1 - share**2 * 0.98)
        layer.put(tuple(colour * shade), mask)


def ball(
    layer: Layer, centre: np.ndarray, radii: np.ndarray, angle: float, rng: np.random.Generator
) -> None:
    """Draw the head of a microphone: a grille of wire, or foam."""
    mask = ellipse(centre, radii, angle - np.pi / 2)
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    shading = 0.35 + 0.65 * np.sqrt(np.clip(depth / max(float(depth.max()), 1.0), 0, 1))
    colours = np.empty_like(layer.colours)
    if rng.random() < 0.6:
        colours[:] = rng.uniform(40, 210)
        step, dark = int(rng.integers(2, 7)), rng.uniform(0.2, 0.8)
        y, x = np.mgrid[:FINE, :FINE]
        if rng.random() < 0.5:
            y, x = y + x, y - x
        colours[(y % (2 * step) < step) ^ (x % (2 * step) < step)] *= dark
    else:
        foam = rng.uniform(5, 60) * np.ones(3) if rng.random() < 0.6 else rng.uniform(0, 240, 3)
        colours[:] = foam
        noise = rng.normal(0, 12, (FINE // 2, FINE // 2)).astype(np.float32)
        colours += cv2.resize(noise, (FINE, FINE))[..., None]
    layer.put(colours * shading[..., None].astype(np.float32), mask)
    spot = ellipse(centre - radii * rng.uniform(0.2, 0.5, 2), radii * 0.25, 0.0)
    bright = cv2.GaussianBlur(spot, (0, 0), float(radii[0] / 6 + 1)).astype(np.float32) / 255
    layer.colours += rng.uniform(0, 90) * bright[..., None]


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.round(np.asarray(points) * 2**_SHIFT).astype(np.int32)


def polygon(points: np.ndarray) -> np.ndarray:
    """Return a mask (FINE, FINE) uint8, 255 inside an outline (N, 2)."""
    return cv2.fillPoly(np.zeros((FINE, FINE), np.uint8), [_fixed(points)], 255, 8, _SHIFT)


def ellipse(centre: np.ndarray, radii: np.ndarray, angle: float) -> np.ndarray:
    """Return the mask of an ellipse, turned by radians."""
    turn = np.linspace(0, 2 * np.pi, 33)[:-1]
    x, y = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
    cos, sin = np.cos(angle), np.sin(angle)
    return polygon(centre + np.stack([cos * x - sin * y, sin * x + cos * y], 1))


def stroke(start: np.ndarray, end: np.ndarray, half_px: float) -> np.ndarray:
    """Return the mask of a bar with round ends."""
    return _capsule(start, end, half_px, half_px)


def _capsule(start: np.ndarray, end: np.ndarray, start_px: float, end_px: float) -> np.ndarray:
    """Return a mask of all that is near a line; the radius goes from `start_px` to `end_px`."""
    turn = np.arctan2(*(end - start)[::-1])
    back = np.linspace(turn + np.pi / 2, turn + 3 * np.pi / 2, 12)
    front = np.linspace(turn - np.pi / 2, turn + np.pi / 2, 12)
    outline = [
        at + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
        for at, radius, angles in ((start, start_px, back), (end, end_px, front))
    ]
    return polygon(np.concatenate(outline))


def rounded(centre: np.ndarray, half: np.ndarray, angle: float, roundness: float) -> np.ndarray:
    """Return the outline of a rectangle with round corners, turned."""
    radius = roundness * half.min()
    turn = np.linspace(0, np.pi / 2, 6)
    points = []
    for quarter, (x, y) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        angles = turn + quarter * np.pi / 2
        corner = (half - radius) * np.array([x, y])
        points.append(corner + radius * np.stack([np.cos(angles), np.sin(angles)], 1))
    points = np.concatenate(points)
    cos, sin = np.cos(angle), np.sin(angle)
    return centre + points @ np.array([[cos, sin], [-sin, cos]])
