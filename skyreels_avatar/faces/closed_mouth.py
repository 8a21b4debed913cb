"""Shut a mouth that is wide open in a picture, before the face is animated.

The lips of a shout are arcs, each twice as long as the shut mouth is wide: moved up and down alone,
they become bows, and their corners streaks. Here each lip is unrolled along the line where lips
meet, with the proportions of the average face and the thickness of the person's own; the jaw
follows.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import torch

from skyreels_avatar.faces.face import Face
from skyreels_avatar.faces.inpainting import inpaint
from skyreels_avatar.faces.template import template
from skyreels_avatar.faces.thin_plate import ThinPlateSpline
from skyreels_avatar.rig.curves import refine
from skyreels_avatar.rig.geometry import (
    INNER_LOWER,
    INNER_UPPER,
    MOUTH_CORNERS,
    OUTER_LOWER,
    OUTER_UPPER,
    SIDES,
    FaceFrame,
    head_turn,
    lip_gap,
)
from skyreels_avatar.rig.mouth_light import shown_teeth

LEAST_GAP = 0.085  # of H: lips that are open less are shut by the rig
FURTHEST_TURN = 0.45  # radians: the far side of a mouth turned further is not seen
UPPER_SHARE = (0.08, 0.25)  # of an opening, by which the upper lip is raised
UPPER_SKIN_LENGTH = 1.05  # of the average, from the nose to where lips meet: longer is not raised
JAW_SHARE = 0.65  # of an opening, by which the chin is lowered
CORNER_LEVEL = 0.35  # of an opening, from the upper lip: corners above that smile
LIFTED = (-0.015, 0.025)  # of H, corners of the shut mouth over its middle
USUAL_WIDTH = 0.56  # of the distance of the outer corners of the eyes
WIDEST = 1.3  # times as wide as in the picture
SWELLING = 1.15  # of lips that are no longer stretched
LEAST_CORNER = 0.015  # of H, of lip beside a corner of the opening
LOOKED_BELOW = (0.1, 1.9)  # from the inner edge of the lower lip, in times its thickness
SHADOW, SHADOW_LIGHT = (0.5, 1.3), 0.8  # where a shadow below it may lie, and its most light
LEAST_HALF = 0.02  # of H, of the average mouth: less is seen of its far half
LEAST_LIP = 0.5  # of the thickness
HOLE_RIM = 0.008  # of H round the opening: teeth and the dark mix with the lips there
LIP_RIM = 0.18  # of a lip's thickness, hidden when lips meet
STIFFNESS, SKIN_STIFFNESS = 1e-4, 5e-3  # of lips, which are told exactly, and skin
GRID_STEP = 0.01  # of H, between places whose way is computed
SEAM, SEAM_DARK = 0.0045, (0.3, 0.45, 0.45)  # half height in H of the shadow where lips meet, depth
BESIDE = 0.05  # of H beyond the corners, where the layers of both lips become one
BOX = (-0.75, -0.6, 0.75, 0.8)  # left, top, right, bottom in H: all that moves
FADED = 0.15  # of H inside the box
# The skin round each lip, point by point beside those of `OUTER_UPPER` and `OUTER_LOWER`.
UPPER_SKIN = (57, 186, 92, 165, 167, 164, 393, 391, 322, 410, 287)
LOWER_SKIN = (57, 43, 106, 182, 83, 18, 313, 406, 335, 273, 287)
JAW = (
    152, 148, 176, 149, 377, 400, 378, 175, 199, 200, 171, 396, 208, 428, 201, 421, 150, 136, 172,
    58, 379, 365, 397, 288, 211, 431, 210, 430, 202, 422, 204, 424, 194, 418,
)  # fmt: skip
FIXED = (
    2, 98, 327, 1, 203, 423, 50, 280, 117, 346, 33, 263, 168, 10, 234, 454, 93, 323, 132, 361,
)  # fmt: skip
LAYERS = ((INNER_UPPER, OUTER_UPPER, UPPER_SKIN), (INNER_LOWER, OUTER_LOWER, LOWER_SKIN))

Layer = tuple[np.ndarray, np.ndarray, np.ndarray]


def is_wide_open(landmarks: np.ndarray) -> bool:
    """Return whether a mouth is open so wide that it is shut before it is animated.

    Args:
        landmarks: (478, 3) pixels of the face mesh.
    """
    points = FaceFrame.of(torch.from_numpy(landmarks).float()[None]).points
    turned = float(head_turn(points).abs()) > FURTHEST_TURN
    return not turned and float(lip_gap(points)) > LEAST_GAP


def shut_mouth(pixels: np.ndarray, face: Face) -> tuple[np.ndarray, Face]:
    """Return a picture in which an open mouth is shut, and the face there with what teeth it had.

    Args:
        pixels: (H, W, 3) uint8.
        face: whose mouth is open, seen from the front.
    """
    frame = FaceFrame.of(torch.from_numpy(face.landmarks).float()[None])
    points = frame.points[0].numpy().astype(np.float64)
    flat = points[:, :2]
    for corner, inner in zip(MOUTH_CORNERS, INNER_UPPER[:: len(INNER_UPPER) - 1]):
        side = np.sign(flat[corner, 0] - flat[0, 0])  # the dark may reach beyond the mesh's corner
        flat[corner, 0] = side * max(side * flat[corner, 0], side * flat[inner, 0] + LEAST_CORNER)
    _raise_lower_edge(pixels, frame, flat)
    lips = shut_lips(flat, average_face())
    layers = mouth_layers(points, lips)
    seam = np.stack([lips[i] for i in INNER_UPPER]).T
    seam = refine(torch.from_numpy(seam)).numpy().T  # as the rig draws it
    picture = unrolled(_without_hole(pixels, frame, flat), frame, layers, seam)
    landmarks = face.landmarks.copy()
    places = torch.from_numpy(moved_points(flat, layers, lips)).float()
    landmarks[:, :2] = frame.to_pixels(places[None])[0].numpy()
    return picture, replace(face, landmarks=landmarks, teeth=_teeth_color(pixels, face, frame))


def mouth_layers(points: np.ndarray, lips: dict[int, np.ndarray]) -> list[Layer]:
    """Return the upper and the lower layer: places, where they go, and how stiff each is.

    Args:
        points: (478, 3) face coordinates.
        lips: of `shut_lips`.
    """
    flat, layers = points[:, :2], []
    skin = _jaw_and_fixed(points, lips)
    for (inner, outer, beside), ring in zip(LAYERS, (flat[list(UPPER_SKIN)], _skin_below(flat))):
        source = [*flat[list(inner)], *flat[list(outer)], *ring, *skin[0]]
        for k in range(1, len(inner) - 1):
            source[k] = source[k] + LIP_RIM * (flat[outer[k]] - flat[inner[k]])
        target = [*(lips[i] for i in (*inner, *outer, *beside)), *skin[1]]
        stiffness = np.full(len(source), SKIN_STIFFNESS)
        stiffness[: len(inner) + len(outer)] = STIFFNESS
        layers.append((np.stack(source), np.stack(target), stiffness))
    return layers


def _raise_lower_edge(pixels: np.ndarray, frame: FaceFrame, flat: np.ndarray) -> None:
    """Move the outer edge of the lower lip, in place, to above the shadow that a lip casts.

    The mesh of a wide mouth lays it into that shadow, which shuts as a part of the lip.
    """
    inner, outer = flat[list(INNER_LOWER[1:-1])], flat[list(OUTER_LOWER[1:-1])]
    shares = np.linspace(*LOOKED_BELOW, 81)
    places = inner[2:-2, None] + shares[:, None] * (outer - inner)[2:-2, None]
    at = frame.to_pixels(torch.from_numpy(places).float().reshape(1, -1, 1, 2))[0].numpy() - 0.5
    light = cv2.remap(pixels, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    light = light.reshape(*places.shape[:2], 3).mean(2)
    edges = []
    for column in light:
        lip = np.median(column[shares < SHADOW[0]])
        beyond = np.median(column[shares > SHADOW[1]])
        valley = np.where((shares >= SHADOW[0]) & (shares <= SHADOW[1]), column, np.inf)
        lowest, end = valley.min(), int(valley.argmin())
        bright = np.flatnonzero(column[:end] > (lip + lowest) / 2)
        shaded = lowest < SHADOW_LIGHT * min(lip, beyond) and len(bright)
        edges.append(shares[bright[-1]] if shaded else 1.0)
    share = np.clip(np.median(edges), LEAST_LIP, 1.0)
    flat[list(OUTER_LOWER[1:-1])] = inner + share * (outer - inner)


def _teeth_color(
    pixels: np.ndarray, face: Face, frame: FaceFrame
) -> tuple[float, float, float] | None:
    whole = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    points = torch.from_numpy(face.landmarks).float()
    color = shown_teeth(whole, points, frame.points[0], is_wide=True)
    return None if color is None else tuple(color.tolist())


def shut_lips(
    flat: np.ndarray,
    average: np.ndarray,
    slant: float = 0.0,
    hidden: tuple[float, float] = (0.0, 0.0),
) -> dict[int, np.ndarray]:
    """Return where the landmarks of lips, and of the skin round them, lie in the shut mouth.

    Args:
        flat: (478, 2) face coordinates.
        average: (478, 2) of the average face in the same pose, from the middle of its lips.
        slant: by how much rows across the face fall to the right.
        hidden: in 0..1, how far the right and the left end of the lips are out of sight.
    """
    top, bottom = flat[13], flat[14]
    ends = np.stack([flat[INNER_UPPER[0]], flat[INNER_UPPER[-1]]])
    gap = bottom[1] - top[1]
    longest = UPPER_SKIN_LENGTH * (average[13, 1] - average[2, 1])
    share = np.clip((longest - (top[1] - flat[2, 1])) / gap, *UPPER_SHARE)
    line, middle = top[1] + share * gap, (top[0] + bottom[0]) / 2
    level = ends[:, 1] - (top[1] + CORNER_LEVEL * gap) - slant * (ends[:, 0] - middle)
    lifted = np.clip(level, -LIFTED[1], -LIFTED[0])
    usual = USUAL_WIDTH * np.linalg.norm(flat[263] - flat[33])
    wider = np.clip(usual / max(ends[1, 0] - ends[0, 0], 1e-3), 1.0, WIDEST)
    usual_half = np.abs(average[[INNER_UPPER[0], INNER_UPPER[-1]], 0]).clip(LEAST_HALF)
    across = wider * np.array([middle - ends[0, 0], ends[1, 0] - middle]) / usual_half
    thick = [
        SWELLING
        * np.median(np.linalg.norm(flat[list(outer[3:8])] - flat[list(inner[3:8])], axis=1))
        for inner, outer, _ in LAYERS
    ]
    chin = flat[152, 1] - JAW_SHARE * gap
    room = (
        (line - thick[0] - flat[2, 1]) / (average[0, 1] - average[2, 1]),
        (chin - line - thick[1]) / (average[152, 1] - average[17, 1]),
    )
    found = {}
    for layer, (inner, outer, beside) in enumerate(LAYERS):
        tall = thick[layer] / abs(average[outer[5], 1])
        for k, (lip, edge, skin) in enumerate(zip(inner, outer, beside)):
            side = int(k > 5)
            x = average[[lip, edge, skin], 0]
            beyond = average[[edge, skin], 1] - slant * x[1:]
            out = np.array([0.0, tall * beyond[0], 0.0])
            out[2] = out[1] + room[layer] * (beyond[1] - beyond[0])
            far = np.minimum(np.abs(x) / usual_half[side], 1.1)
            x, own = middle + across[side] * x, flat[[lip, edge, skin], 0]
            x = x + hidden[side] * (own - x)  # there the outline of the head stays
            places = np.stack([x, line + slant * (x - middle) + lifted[side] * far**2 + out], 1)
            found[lip], found[edge], found[skin] = places
    return found


def _skin_below(flat: np.ndarray) -> np.ndarray:
    """Return (11, 2) places of `LOWER_SKIN`, between the lower lip and the chin as on average.

    The mesh of a wide mouth lays them on the lip or above its edge: what lies there, as the shadow
    below a lip, would be stretched over the place of both.
    """
    average, found = average_face(), flat[list(LOWER_SKIN)].copy()
    skin, edge = (average[list(points[1:-1])] for points in (LOWER_SKIN, OUTER_LOWER))
    wide = np.ptp(flat[list(MOUTH_CORNERS), 0]) / np.ptp(average[list(MOUTH_CORNERS), 0])
    tall = (flat[152, 1] - flat[17, 1]) / (average[152, 1] - average[17, 1])
    found[1:-1] = flat[list(OUTER_LOWER[1:-1])] + (skin - edge) * (wide, tall)
    return found


def _jaw_and_fixed(
    points: np.ndarray, lips: dict[int, np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return places of skin that are told, and where they go: the jaw turns about the ears."""
    flat = points[:, :2]
    rise = JAW_SHARE * (flat[14, 1] - flat[13, 1])
    lip, chin = flat[17, 1], flat[152, 1]
    lip_rise = lip - lips[17][1]
    ears, front = points[list(SIDES), 2].mean(), points[[152, 199], 2].mean()
    source = [flat[index] for index in FIXED]
    source += [np.array([x, y]) for x in (-0.75, 0.75) for y in (-0.6, -0.2, 0.2, 0.6)]
    moved = list(source)
    for index in JAW:
        below = np.clip((flat[index, 1] - lip) / (chin - lip), 0.0, 1.0)
        forward = np.clip((ears - points[index, 2]) / (ears - front), 0.0, 1.0)
        source.append(flat[index])
        moved.append(flat[index] - (0.0, forward * (lip_rise + below * (rise - lip_rise))))
    for below, share in ((0.1, 0.6), (0.22, 0.2), (0.4, 0.0)):  # the neck
        for x in (-0.45, -0.2, 0.0, 0.2, 0.45):
            source.append(flat[152] + (x, below))
            moved.append(source[-1] - (0.0, rise * share * (1 - 2 * abs(x))))
    return source, moved


@cache
def average_face() -> np.ndarray:
    """Return (478, 2) face coordinates of the average face, from the front."""
    points = FaceFrame.of(torch.from_numpy(template().copy())[None]).points
    return points[0, :, :2].numpy().astype(np.float64)


def _without_hole(pixels: np.ndarray, frame: FaceFrame, flat: np.ndarray) -> np.ndarray:
    """Return a picture whose open mouth has the color of the lips, and no teeth."""
    ring = torch.from_numpy(flat[[*INNER_UPPER, *INNER_LOWER[-2:0:-1]]]).float()
    ring = frame.to_pixels(ring[None])[0].numpy()
    hole = np.zeros(pixels.shape[:2], np.float32)
    cv2.fillPoly(hole, [np.round(ring - 0.5).astype(np.int32)], 1.0)
    reach = 2 * round(HOLE_RIM * float(frame.height_px[0])) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    return inpaint(pixels, cv2.dilate(hole, disc))


def unrolled(
    pixels: np.ndarray,
    frame: FaceFrame,
    layers: list[Layer],
    seam: np.ndarray,
    box: tuple[float, float, float, float] = BOX,
    shade: float = 1.0,
) -> np.ndarray:
    """Return a picture (H, W, 3) whose lips are drawn from their layers, and meet at a seam (K, 2).

    Args:
        box: left, top, right, bottom in face coordinates of what may move.
        shade: share of the shadow where lips meet.
    """
    left, top, right, bottom = box
    corners = torch.tensor([[left, top], [right, top], [left, bottom], [right, bottom]])
    corners = frame.to_pixels(corners[None])[0].numpy()
    low = np.clip(np.floor(corners.min(0)).astype(int), 0, pixels.shape[1::-1])
    size = np.clip(np.ceil(corners.max(0)).astype(int), 0, pixels.shape[1::-1]) - low
    step = max(2, round(GRID_STEP * float(frame.height_px[0])))
    coarse = -(-size // step) + 1

    def places(columns: int, rows: int, apart: int) -> tuple[np.ndarray, np.ndarray]:
        steps = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1)
        at = (low + apart * steps + 0.5).astype(np.float32)
        points = frame.from_pixels(torch.from_numpy(at).reshape(1, -1, 2))[0]
        return at, points.numpy().reshape(rows, columns, 2)

    _, at = places(*coarse, step)
    margin = np.minimum(at - (left, top), (right, bottom) - at).min(-1)
    window = np.clip(margin / FADED, 0.0, 1.0)[..., None]
    pixel, points = places(*size, 1)
    grid = (pixel - 0.5 - low.astype(np.float32)) / np.float32(step)
    axes = (frame.axes[0] * frame.height_px[0]).numpy()
    looked = []
    for source, target, stiffness in layers:
        spline = ThinPlateSpline.of(target, source, stiffness)
        move = (spline(at.reshape(-1, 2)).reshape(at.shape) * window).astype(np.float32) @ axes
        looked.append(pixel - 0.5 + cv2.remap(move, grid, None, cv2.INTER_LINEAR))
    x, y, seam = points[..., 0], points[..., 1], seam.astype(np.float32)
    line, height_px = (
        np.interp(x, seam[:, 0], seam[:, 1]).astype(np.float32),
        float(frame.height_px[0]),
    )
    inner = np.minimum(x - seam[0, 0], seam[-1, 0] - x)
    beyond = np.maximum(-inner, 0.0)
    below = np.clip((y - line) / (1 / height_px + 0.8 * beyond) + 0.5, 0.0, 1.0)[..., None]
    color = _of_both_layers(pixels, looked, below, np.clip(beyond / BESIDE, 0.0, 1.0)[..., None])
    dark = shade * np.exp(-(((y - line) / max(SEAM, 0.8 / height_px)) ** 2))
    dark = np.float32(SEAM_DARK) * (dark * np.clip(inner / 0.03 + 0.3, 0.0, 1.0))[..., None]
    result = pixels.copy()
    part = result[low[1] : low[1] + size[1], low[0] : low[0] + size[0]]
    part[:] = np.clip(color * (1 - dark) + 0.5, 0, 255)
    return result


def _of_both_layers(
    pixels: np.ndarray, looked: list[np.ndarray], below: np.ndarray, one: np.ndarray
) -> np.ndarray:
    """Return (h, w, 3) float colors at places of the upper and of the lower layer, mixed.

    Args:
        looked: (h, w, 2) px of each layer.
        below: (h, w, 1) share of the lower layer.
        one: (h, w, 1) how far the places of both are one.
    """

    def colors(places: np.ndarray) -> np.ndarray:
        drawn = cv2.remap(pixels, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return drawn.astype(np.float32)

    both = looked[0] + below * (looked[1] - looked[0])
    color = colors(both)
    mixed = ((below > 0) & (below < 1) & (one < 1))[..., 0]  # elsewhere both places are one
    if mixed.any():
        whole, share = both[mixed], one[mixed]
        upper, lower = (
            colors((where[mixed] + share * (whole - where[mixed]))[:, None])[:, 0]
            for where in looked
        )
        color[mixed] = upper + below[mixed] * (lower - upper)
    return color


def moved_points(flat: np.ndarray, layers: list[Layer], lips: dict[int, np.ndarray]) -> np.ndarray:
    """Return (478, 2) where all landmarks go; those above the nose stay."""
    upper, lower = flat[list(INNER_UPPER)], flat[list(INNER_LOWER)]
    line = np.interp(flat[:, 0], upper[:, 0], (upper[:, 1] + lower[:, 1]) / 2)
    moves = [ThinPlateSpline.of(*layer)(flat) for layer in layers]
    moved = flat + np.where((flat[:, 1] > line)[:, None], moves[1], moves[0])
    still = flat[:, 1] < flat[2, 1]
    moved[still] = flat[still]
    for index, place in lips.items():
        moved[index] = place
    return moved
