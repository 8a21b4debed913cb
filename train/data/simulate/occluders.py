"""Things that stand before a face, drawn: hands, microphones, cups, paper, flowers and others.

Everything is drawn twice as fine as the face, in units of the face height, as a `Layer`.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from train.data.simulate.drawing import (
    FACE_PX,
    FINE,
    MOUTH,
    Layer,
    ball,
    draw_finger,
    ellipse,
    grained,
    held,
    limb,
    near_mouth,
    polygon,
    rounded,
    skin_colour,
    skinned,
    stroke,
    surface,
)


def draw_occluder(
    rng: np.random.Generator, skin_of: np.ndarray, photo: np.ndarray
) -> tuple[str, Layer]:
    """Return the name of a random thing and its layer, lit by a random light.

    Args:
        skin_of: (N, N, 3) uint8, a piece of the person's own cheek.
        photo: (FINE, FINE, 3) uint8, of another picture.
    """
    names = list(THINGS)
    weights = np.array([THINGS[name][1] for name in names])
    name = names[rng.choice(len(names), p=weights / weights.sum())]
    return name, lit(THINGS[name][0](rng, skin_of, photo), rng)


def lit(layer: Layer, rng: np.random.Generator) -> Layer:
    """Let a light fall across a layer from one side, brighter or darker on the whole."""
    angle = rng.uniform(0, 2 * np.pi)
    axis = np.linspace(-1, 1, FINE, dtype=np.float32)
    across = np.cos(angle) * axis[None] + np.sin(angle) * axis[:, None]
    light = rng.uniform(0.75, 1.15) * (1 + rng.uniform(0, 0.35) * across)
    tint = rng.normal(1, 0.05, 3)
    layer.colours *= light[..., None] * tint.astype(np.float32)
    return layer


def hand(rng: np.random.Generator, skin_of: np.ndarray, photo: np.ndarray) -> Layer:
    """Return a hand with two to five fingers, apart or together, from any side."""
    layer = Layer.blank()
    skin = skin_colour(rng, skin_of)
    size = rng.uniform(0.7, 1.15)  # a hand is about as long as a face
    heading = rng.uniform(0, 2 * np.pi) if rng.random() < 0.3 else rng.uniform(np.pi, 2 * np.pi)
    tips = near_mouth(rng, 0.30)
    reach = np.array([np.cos(heading), np.sin(heading)])
    aside = np.array([-reach[1], reach[0]]) * rng.choice([-1, 1])
    palm = tips - reach * size * FACE_PX * rng.uniform(0.3, 0.75)
    width = 0.20 * size * FACE_PX
    wrist = palm - reach * FACE_PX * 1.5
    number = int(rng.integers(2, 5))
    spread, curl = rng.uniform(0.0, 0.35), rng.uniform(-0.6, 0.6)
    shorter = 0.5 if rng.random() < 0.25 else 1.0  # a fist
    offsets = (np.arange(number) - (number - 1) / 2) / 2
    roots = [palm + aside * offset * width * 1.55 + reach * width * 0.8 for offset in offsets]
    if rng.random() < 0.8:
        sleeve = rng.random() < 0.5
        colour = rng.uniform(0, 230, 3) if sleeve else skin
        limb(layer, wrist, palm - reach * width * 0.9, width * 1.1, width * 0.85, colour, rng)
    if rng.random() < 0.5:
        base = [palm - reach * width * 1.4 + aside * side * width for side in (-0.8, 0.8)]
        knuckles = [root + aside * side * 6 for root, side in ((roots[0], -1), (roots[-1], 1))]
        layer.put(tuple(skin), polygon(np.array([base[0], knuckles[0], knuckles[1], base[1]])))
    limb(layer, palm - reach * width, palm + reach * width * 0.7, width, width * 1.1, skin, rng)
    order = np.arange(number) if rng.random() < 0.5 else np.arange(number)[::-1]
    for finger in order:
        length = size * FACE_PX * rng.uniform(0.36, 0.46) * (1 - 0.22 * abs(offsets[finger]))
        turn = heading + offsets[finger] * spread
        draw_finger(layer, roots[finger], turn, length * shorter, curl, skin, rng)
    if rng.random() < 0.6:
        turn = rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        root = palm + aside * np.sign(turn) * width * 0.6
        draw_finger(layer, root, heading + turn, size * FACE_PX * 0.36, -0.6 * turn, skin, rng)
    return skinned(layer, rng, skin_of)


def fingers(rng: np.random.Generator, skin_of: np.ndarray, photo: np.ndarray) -> Layer:
    """Return one to three fingers at the lips or the chin, the hand out of sight."""
    layer, skin = Layer.blank(), skin_colour(rng, skin_of)
    heading = rng.uniform(0, 2 * np.pi)
    reach = np.array([np.cos(heading), np.sin(heading)])
    aside = np.array([-reach[1], reach[0]])
    tip = near_mouth(rng, 0.18)
    for finger in range(int(rng.integers(1, 4))):
        length = FACE_PX * rng.uniform(0.7, 1.2)
        root = tip - reach * length + aside * finger * FACE_PX * 0.085
        draw_finger(
            layer, root, heading + rng.normal(0, 0.05), length, rng.normal(0, 0.2), skin, rng
        )
    return skinned(layer, rng, skin_of)


def microphone(rng: np.random.Generator, skin_of: np.ndarray, photo: np.ndarray) -> Layer:
    """Return a hand-held microphone: grille or foam, ring, handle, often a hand round it."""
    layer = Layer.blank()
    radius = FACE_PX * rng.uniform(0.08, 0.24)
    centre = near_mouth(rng, 0.26)
    angle = np.pi / 2 + rng.normal(0, 0.6)
    down = np.array([np.cos(angle), np.sin(angle)])
    dark = rng.uniform(8, 70) * np.ones(3) if rng.random() < 0.8 else rng.uniform(0, 235, 3)
    end = centre + down * FACE_PX * rng.uniform(0.8, 1.6)
    limb(layer, end, centre, radius * 0.5, radius * rng.uniform(0.55, 0.85), dark, rng)
    ball(layer, centre, radius * np.array([1, rng.uniform(1, 1.35)]), angle, rng)
    if rng.random() < 0.5:
        band = centre + down * radius
        aside = np.array([-down[1], down[0]]) * radius * 0.85
        mask = stroke(band - aside, band + aside, radius * 0.25)
        layer.put(tuple(rng.uniform(20, 235) * np.ones(3)), mask)
    if rng.random() < 0.5:
        skin, at = skin_colour(rng, skin_of), centre + down * radius * rng.uniform(1.8, 4)
        turn = rng.normal(0, 0.3)
        side = np.array([-down[1], down[0]]) * rng.choice([-1, 1])
        for finger in range(4):
            root = at + down * finger * FACE_PX * 0.1 + side * radius * 1.3
            tip = root - side * radius * 2.6 + np.array([0, turn * radius])
            limb(layer, root, tip, FACE_PX * 0.05, FACE_PX * 0.042, skin, rng)
    return grained(layer, rng, rng.uniform(0, 4))


def studio_microphone(rng: np.random.Generator, skin_of: np.ndarray, photo: np.ndarray) -> Layer:
    """Return a big microphone with its stand, or the disc of a pop filter."""
    layer = Layer.blank()
    centre = near_mouth(rng, 0.34)
    stand = centre + np.array([rng.normal(0, 0.5), rng.uniform(0.5, 1.5)]) * FACE_PX
    grey = rng.uniform(10, 120) * np.ones(3)
    limb(layer, stand, centre, FACE_PX * 0.03, FACE_PX * 0.03, grey, rng)
    if rng.random() < 0.4:
        radii = FACE_PX * rng.uniform(0.15, 0.4) * np.array([rng.uniform(0.3, 1), 1])
        mask = ellipse(centre, radii, rng.normal(0, 0.2))
        layer.put(tuple(rng.uniform(5, 60) * np.ones(3)), mask)
        layer.cover[mask > 127] = rng.uniform(0.75, 1)
        layer.put(tuple(grey), cv2.subtract(mask, ellipse(centre, radii * 0.92, 0.0)))
        return layer
    size = FACE_PX * np.array([rng.uniform(0.12, 0.26), rng.uniform(0.22, 0.45)])
    mask = polygon(rounded(centre, size / 2, rng.normal(0, 0.3), rng.uniform(0.2, 1)))
    colours = np.empty_like(layer.colours)
    colours[:] = rng.uniform(30, 200) * np.ones(3)
    step = int(rng.integers(3, 9))
    colours[::step] *= 0.5
    colours[:, ::step] *= rng.uniform(0.4, 1)
    shine = 1 - np.abs(np.arange(FINE) - centre[0] + size[0] / 6) / size[0]
    colours *= np.clip(0.4 + 0.8 * shine, 0.2, 1.3)[None, :, None]
    layer.put(colours.astype(np.float32), mask)
    return layer


def box(rng: np.random.Generator, skin_of: np.ndarray, photo: np.ndarray) -> Layer:
    """Return a phone, a card, a book or a sheet of paper, plain or printed, held or not."""
    layer = Layer.blank()
    half = FACE_PX * np.array([rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.5)])
    centre = near_mouth(rng, 0.25) + np.array([rng.normal(0, 0.2), rng.uniform(0, 0.4)]) * FACE_PX
    mask = polygon(rounded(centre, half, rng.normal(0, 0.5), rng.uniform(0.0, 0.3)))
    layer.put(surface(rng, photo), mask)
    return held(layer, centre + np.array([0, half[1]]), rng, skin_of)


def cup(rng: np.random.Generator, skin_of: np.ndarray, photo: np.ndarray) -> Layer:
    """Return a cup, a glass, a bottle or a can with round edges."""
    layer = Layer.blank()
    top = FACE_PX * rng.uniform(0.1, 0.26)
    bottom, high = top * rng.uniform(0.6, 1.1), FACE_PX * rng.uniform(0.25, 0.7)
    rim = near_mouth(rng, 0.2)
    foot = rim + np.array([rng.normal(0, 0.25), 1]) * high
    aside = np.array([1.0, 0.0])
    edges = rim - top * aside, rim + top * aside, foot + bottom * aside, foot - bottom * aside
    outline = np.array(edges)
    mask = polygon(outline)
    if rng.random() < 0.5:  # a handle
        side, wide = rng.choice([-1, 1]), top * rng.uniform(0.3, 0.6)
        at = rim + np.array([side * (top + wide * 0.4), high * rng.uniform(0.3, 0.5)])
        ring = ellipse(at, np.array([wide, wide * 1.2]), 0.0)
        mask |= cv2.subtract(ring, ellipse(at, np.array([wide, wide * 1.2]) * 0.65, 0.0))
    tilt = rng.uniform(0.15, 0.5)
    mask |= ellipse(foot, np.array([bottom, bottom * tilt]), 0.0)
    edge = ellipse(rim, np.array([top, top * tilt]), 0.0)
    colours = surface(rng, photo)
    across = (np.arange(FINE) - rim[0]) / top
    shading = np.clip(1 - 0.45 * across**2 + 0.3 * rng.normal() * across, 0.2, 1.4)
    colours = colours * shading[None, :, None].astype(np.float32)
    layer.put(colours, mask)
    inner = colours[min(FINE - 1, max(0, int(rim[1]))), min(FINE - 1, max(0, int(rim[0])))]
    layer.put(tuple(inner * rng.uniform(0.5, 1.2)), edge)
    return held(layer, (rim + foot) / 2, rng, skin_of)


def flower(rng: np.random.Generator, skin_of: np.ndarray, photo: np.ndarray) -> Layer:
    """Return a flower with petals, stem and leaves."""
    layer, centre = Layer.blank(), near_mouth(rng, 0.3)
    end = centre + np.array([rng.normal(0, 0.4), rng.uniform(0.6, 1.2)]) * FACE_PX
    green = np.array([rng.uniform(30, 90), rng.uniform(80, 150), rng.uniform(20, 80)])
    limb(layer, end, centre, FACE_PX * 0.02, FACE_PX * 0.02, green, rng)
    colour, size = rng.uniform(40, 255, 3), FACE_PX * rng.uniform(0.08, 0.2)
    number, start = int(rng.integers(5, 12)), rng.uniform(0, 6)
    for petal in range(number):
        angle = start + 2 * np.pi * petal / number
        at = centre + size * np.array([np.cos(angle), np.sin(angle)]) * 0.8
        mask = ellipse(at, size * np.array([0.75, rng.uniform(0.25, 0.45)]), angle)
        layer.put(tuple(colour * rng.uniform(0.7, 1.1)), mask)
    layer.put(tuple(rng.uniform(30, 240, 3)), ellipse(centre, size * np.array([0.3, 0.3]), 0.0))
    return grained(layer, rng, 6)


def cloth(rng: np.random.Generator, skin_of: np.ndarray, photo: np.ndarray) -> Layer:
    """Return a scarf, a collar or a mask over the lower face, in folds."""
    layer = Layer.blank()
    top = MOUTH[1] + FACE_PX * rng.uniform(-0.2, 0.25)
    x = np.linspace(-20, FINE + 20, 12)
    wave = rng.normal(0, 0.03, 12) * FACE_PX + FACE_PX * rng.normal(0, 0.15) * np.linspace(
        -1, 1, 12
    )
    wave = wave + FACE_PX * rng.uniform(-0.3, 0.2) * np.linspace(-1, 1, 12) ** 2
    edge = np.stack([x, top + wave], 1)
    mask = polygon(np.concatenate([edge, [[FINE + 20, FINE + 20], [-20, FINE + 20]]]))
    axis = np.arange(FINE, dtype=np.float32)
    waves = axis[:, None] * rng.uniform(0.02, 0.2) + axis[None] * rng.normal(0, 0.06)
    folds = 1 + rng.uniform(0.05, 0.3) * np.sin(waves + 2 * np.sin(axis / 40)[None])
    layer.put(surface(rng, photo) * folds[..., None].astype(np.float32), mask)
    return layer


def blob(rng: np.random.Generator, skin_of: np.ndarray, photo: np.ndarray) -> Layer:
    """Return a smooth random shape cut out of another picture, or of one colour: food, toys."""
    layer = Layer.blank()
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    radius = np.ones(40)
    for wave in range(1, 6):
        radius += rng.normal(0, 0.35 / wave) * np.cos(wave * angles + rng.uniform(0, 6))
    radius = FACE_PX * rng.uniform(0.08, 0.3) * np.clip(radius, 0.3, 2)
    stretch = np.array([rng.uniform(0.4, 1.2), rng.uniform(0.4, 1.2)])
    shape = np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None] * stretch
    mask = polygon(near_mouth(rng, 0.3) + shape)
    colours = surface(rng, photo)
    if rng.random() < 0.5:  # rounded
        depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
        colours = colours * np.clip(0.5 + depth / max(depth.max(), 1), 0, 1.2)[..., None]
    layer.put(colours.astype(np.float32), mask)
    return layer


def arm(rng: np.random.Generator, skin_of: np.ndarray, photo: np.ndarray) -> Layer:
    """Return a bare or a sleeved arm, a stick or an instrument across the lower face."""
    layer = Layer.blank()
    heading = rng.uniform(0, 2 * np.pi)
    reach = np.array([np.cos(heading), np.sin(heading)])
    tip = near_mouth(rng, 0.25)
    wide = FACE_PX * rng.uniform(0.03, 0.2)
    far = tip + reach * FACE_PX * (0 if rng.random() < 0.5 else 2)
    colour = skin_colour(rng, skin_of) if rng.random() < 0.4 else rng.uniform(0, 240, 3)
    limb(layer, tip - reach * FACE_PX * 2, far, wide * rng.uniform(0.8, 1.3), wide, colour, rng)
    return grained(layer, rng, rng.uniform(1, 8))


# Draws them, and how often they come.
THINGS: dict[str, tuple[Callable[..., Layer], float]] = {
    "hand": (hand, 5),
    "fingers": (fingers, 2),
    "microphone": (microphone, 4),
    "studio microphone": (studio_microphone, 2),
    "box": (box, 2),
    "cup": (cup, 2),
    "flower": (flower, 1),
    "cloth": (cloth, 1),
    "blob": (blob, 2),
    "arm": (arm, 1),
}
