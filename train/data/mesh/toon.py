"""Faces drawn from landmarks, and photos bent and painted like drawings: all landmarks known."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

from skyreels_avatar.faces.face import FACE_OVAL, NUM_LANDMARKS
from skyreels_avatar.rig.geometry import (
    BROW_EDGES,
    EYES,
    INNER_LOWER,
    INNER_UPPER,
    IRISES,
    OUTER_LOWER,
    OUTER_UPPER,
)

Warp = Callable[[np.ndarray], np.ndarray]

_INNER = [*INNER_UPPER, *INNER_LOWER[-2:0:-1]]
_OUTER = [*OUTER_UPPER, *OUTER_LOWER[-2:0:-1]]
_RINGS = [[*eye[0], *eye[1][-2:0:-1]] for eye in EYES]
_NOSE = [1, 2, 98, 327, 4, 5, 19, 94, 45, 275, 44, 274, 48, 278, 64, 294, 97, 326, 129, 358, 195]
_SKINS = (
    (250, 225, 200), (245, 205, 175), (225, 175, 140), (190, 135, 105), (140, 95, 70),
    (255, 235, 215), (255, 240, 230), (200, 225, 250), (160, 200, 120),
)  # fmt: skip
_UNDRAWN = 0.12  # weight of landmarks of which nothing is drawn


def axes_of(points: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the face height in pixels, and unit vectors (2, 2) across and down the face."""
    down = points[152, :2] - points[10, :2]
    height = float(np.linalg.norm(down))
    down = down / height
    return height, np.array([[down[1], -down[0]], down])


def random_warps(points: np.ndarray, amount: float, rng: np.random.Generator) -> list[Warp]:
    """Return smooth maps of the plane that give a face large eyes, a small mouth, another chin."""
    height, axes = axes_of(points)

    def local(center: list[int], factor: tuple, shift: tuple, reach: tuple) -> Warp:
        middle = points[center, :2].mean(0)

        def warp(places: np.ndarray) -> np.ndarray:
            away = (places - middle) @ axes.T / height
            far = np.linalg.norm(away / reach, axis=-1, keepdims=True)
            share = (2 - far).clip(0, 1)
            share = share * share * (3 - 2 * share)
            return places + share * ((away * (np.array(factor) - 1) + shift) @ axes) * height

        return warp

    large = np.exp(amount * rng.uniform(-0.05, 0.75))
    wide, drop = large ** rng.uniform(0.3, 0.9), amount * rng.uniform(-0.01, 0.05)
    reach = np.array([0.13, 0.095]) * max(1, wide**0.5)
    warps = [local(ring, (wide, large), (0, drop), reach) for ring in _RINGS]
    mouth = np.exp(amount * rng.uniform(-0.7, 0.25))
    factor, shift = (mouth, mouth ** rng.uniform(0.5, 1.3)), (0, rng.uniform(-0.02, 0.02))
    warps.append(local(_INNER + _OUTER, factor, shift, (0.19, 0.1)))
    if rng.random() < 0.6:
        nose = np.exp(amount * rng.uniform(-0.5, 0.1))
        warps.append(local(_NOSE, (nose, nose), (0, 0), (0.12, 0.1)))
    if rng.random() < 0.5:
        shift = (0, rng.uniform(-0.05, 0.04))
        warps.append(local([152], (rng.uniform(0.6, 1.25), 1), shift, (0.26, 0.12)))
    return warps


def apply_warps(warps: list[Warp], places: np.ndarray) -> np.ndarray:
    """Return places (..., 2 or more) with the first two coordinates warped."""
    moved = places.astype(np.float64)
    for warp in warps:
        moved[..., :2] = warp(moved[..., :2])
    return moved


def warp_picture(pixels: np.ndarray, warps: list[Warp]) -> np.ndarray:
    """Return a square picture (S, S, 3) warped; the inverse is found by iteration."""
    side, count = len(pixels), 96
    axis = (np.arange(count) + 0.5) * side / count
    goal = np.stack(np.meshgrid(axis, axis), -1)
    source = goal.copy()
    for _ in range(12):
        source -= 0.8 * (apply_warps(warps, source) - goal)
    at = cv2.resize((source - 0.5).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    return cv2.remap(
        pixels, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def paint_over(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a photo (S, S, 3) uint8 as flat colors, with lines, as line art, or as a painting."""
    kind, side, smooth = rng.integers(6), len(pixels), pixels
    for _ in range(rng.integers(1, 4)):
        smooth = cv2.bilateralFilter(smooth, 7, rng.uniform(25, 70), rng.uniform(3, 7))
    if kind <= 2:
        steps, lab = rng.integers(4, 9), cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).astype(np.float32)
        light = np.round(lab[..., 0] / 255 * steps + rng.uniform(-0.3, 0.3))
        lab[..., 0], lab[..., 1:] = light * 255 / steps, lab[..., 1:] - 128
        lab[..., 1:] = lab[..., 1:] * rng.uniform(0.8, 1.7) + 128
        smooth = cv2.cvtColor(lab.clip(0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    gray = cv2.GaussianBlur(gray, (0, 0), rng.uniform(0.6, 1.3) * side / 256)
    dark = cv2.GaussianBlur(gray, (0, 0), rng.uniform(1.8, 3) * side / 256) - gray
    line = ((dark - rng.uniform(1, 4)) / rng.uniform(3, 9)).clip(0, 1)[..., None]
    if kind == 4:
        shade = (gray / 255)[..., None] ** rng.uniform(0.3, 1)
        paper = rng.uniform(200, 255) * np.array([1, 1, rng.uniform(0.85, 1)])
        smooth = paper * (1 - 0.6 * rng.random() * (1 - shade))
    if kind == 5:
        smooth = cv2.stylization(pixels, sigma_s=rng.uniform(10, 40), sigma_r=rng.uniform(0.2, 0.5))
    if 1 <= kind <= 4:
        smooth = smooth * (1 - line) + rng.uniform(0, 70, 3) * line
    return np.clip(smooth, 0, 255).astype(np.uint8)


def open_mouth(points: np.ndarray, amount: float) -> np.ndarray:
    """Return landmarks whose lower lip and chin are lowered by an amount in face heights."""
    (height, axes), opened = axes_of(points), points.copy()
    away = (points[:, :2] - points[[13, 14], :2].mean(0)) @ axes.T
    half = np.linalg.norm(points[61, :2] - points[291, :2]) / 2
    lips = np.zeros(NUM_LANDMARKS)
    lips[[*INNER_LOWER[1:-1], *OUTER_LOWER[1:-1]]] = 1
    lips *= np.sqrt((1 - (away[:, 0] / half) ** 2).clip(0))
    chin = ((away[:, 1] / height - 0.1) / 0.2).clip(0, 1)
    lowered = np.where(lips > 0, lips, 0.8 * chin) * amount * height
    opened[:, :2] += lowered[:, None] * axes[1]
    return opened


class _Canvas:
    """A picture of twice the size on which shapes of landmark coordinates are painted."""

    def __init__(self, side: int, background: np.ndarray) -> None:
        self.side = side
        self.picture = np.ascontiguousarray(cv2.resize(background, (2 * side, 2 * side)))

    def fill(self, points: np.ndarray, color: np.ndarray, cover: float = 1.0) -> None:
        over = self.picture.copy()
        cv2.fillPoly(over, [_fixed(points)], _color(color), cv2.LINE_AA, 4)
        self.picture = over if cover == 1 else self.picture * (1 - cover) + over * cover

    def line(self, points: np.ndarray, color: np.ndarray, width: float, closed=False) -> None:
        width = max(1, round(width))
        cv2.polylines(self.picture, [_fixed(points)], closed, _color(color), width, cv2.LINE_AA, 4)

    def inside(self, outline: np.ndarray) -> np.ndarray:
        mask = np.zeros(self.picture.shape[:2], np.uint8)
        return cv2.fillPoly(mask, [_fixed(outline)], 255, cv2.LINE_AA, 4)[..., None] / 255


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.round(32 * np.asarray(points)).astype(np.int32)


def _color(color: np.ndarray) -> tuple[float, ...]:
    return tuple(map(float, color))


def _smooth(points: np.ndarray, closed: bool = False) -> np.ndarray:
    if closed:
        points = np.concatenate([points, points[:1]])
    times = np.linspace(0, len(points) - 1, 6 * len(points))
    return CubicSpline(range(len(points)), points, bc_type="periodic" if closed else "natural")(
        times
    )


def _disc(center: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 40)[:, None]
    return center + np.cos(angle) * across + np.sin(angle) * down


def draw_toon(
    points: np.ndarray, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a cartoon of landmarks in random colors and lines.

    Args:
        points: (478, 2 or more) in a picture of `side` pixels.

    Returns:
        (side, side, 3) uint8, and how far each landmark (478,) can be seen, 0.12 to 1.
    """
    height, (right, down) = axes_of(points)
    at, weights = points[:, :2], np.full(NUM_LANDMARKS, _UNDRAWN, np.float32)
    skin = _SKINS[rng.integers(len(_SKINS))] + rng.normal(0, 6, 3)
    ink = rng.uniform(0, 80, 3) if rng.random() < 0.8 else 0.45 * skin
    hair = rng.uniform(10, 250, 3) if rng.random() < 0.5 else rng.uniform(15, 130) * skin / 255
    width = max(1, height * rng.uniform(0.008, 0.032))
    corners = rng.uniform(20, 250, (2, 2, 3)).astype(np.float32)
    canvas = _Canvas(side, corners.mean((0, 1)) + 0.5 * (corners - corners.mean((0, 1))))
    _draw_head(canvas, at, (skin, ink, hair), width, rng)
    weights[FACE_OVAL] = 1
    dark = skin * rng.uniform(0.7, 0.92, 3)
    nose = rng.integers(4)
    if nose == 0:
        canvas.line(at[[98, 97, 2, 326, 327]], dark if rng.random() < 0.5 else ink, width)
    elif nose == 1:
        canvas.line(at[[168, 6, 197, 195, 5, 4, 1, 2]], dark, width)
    elif nose == 2:
        canvas.fill(at[[168, 122, 198, 129, 98, 97, 2, 326, 327, 358, 420, 351]], dark)
    else:
        for pair in ([98, 97], [326, 327]):
            canvas.fill(_disc(at[pair].mean(0), 0.014 * height * right, 0.01 * height * down), ink)
    weights[[1, 2, 4, 98, 97, 326, 327]] = 0.5
    color = 0.7 * hair if rng.random() < 0.5 else ink
    for upper, lower in BROW_EDGES if rng.random() < 0.9 else ():
        full = rng.random() < 0.5
        upper, lower = list(upper), list(lower)
        if full:
            canvas.fill(np.concatenate([_smooth(at[upper]), _smooth(at[lower])[::-1]]), color)
        else:
            middle = (at[upper] + at[lower]) / 2
            canvas.line(_smooth(middle), color, width * rng.uniform(1, 2))
        weights[upper + lower] = 1 if full else 0.5
    _draw_eyes(canvas, at, (skin, ink), width, rng)
    for ring, iris, eye in zip(_RINGS, IRISES, EYES):
        weights[[*eye[2], *eye[3]]] = 0.3
        weights[[*ring, *iris]] = 1
    weights[_INNER] = 1
    if _draw_mouth(canvas, at, (skin, ink), width, rng):
        weights[_OUTER] = 1
    if rng.random() < 0.7:
        _draw_fringe(canvas, at, hair, rng)
    picture = cv2.resize(canvas.picture, (side, side), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.5))
    if rng.random() < 0.12:
        picture = np.repeat(picture.mean(2, keepdims=True), 3, 2)
    return picture.clip(0, 255).astype(np.uint8), weights


def _draw_head(canvas, at, colors, width, rng) -> None:
    (skin, ink, hair), (height, (right, down)) = colors, axes_of(at)
    middle = at[FACE_OVAL].mean(0)
    across, down = np.abs((at[FACE_OVAL] - middle) @ right).max() * right, height * down
    if rng.random() < 0.85:
        wide, high = rng.uniform(1.1, 1.6), rng.uniform(0.62, 1.0)
        canvas.fill(
            _disc(middle + rng.uniform(-0.12, 0.1) * down, wide * across, high * down), hair
        )
    shoulders = _disc(middle + 1.35 * down, rng.uniform(1.6, 2.6) * across, 0.75 * down)
    canvas.fill(shoulders, rng.uniform(20, 240, 3))
    neck = [[-0.4, 0.2], [0.4, 0.2], [0.45, 0.8], [-0.45, 0.8]]
    canvas.fill(middle + np.array(neck) @ np.stack([across, down]), 0.85 * skin)
    if rng.random() < 0.6:
        for sign in (-1, 1):
            canvas.fill(
                _disc(middle + sign * 0.98 * across, 0.08 * height * right, 0.13 * down), skin
            )
    outline = _smooth(at[FACE_OVAL], closed=True)
    canvas.fill(outline, skin)
    if rng.random() < 0.7:
        canvas.line(outline, ink, width, closed=True)
    if rng.random() < 0.5:
        for cheek in at[[50, 280]]:
            blush, cover = _disc(cheek, 0.09 * height * right, 0.05 * down), rng.uniform(0.2, 0.7)
            canvas.fill(blush, skin * [1, 0.75, 0.75], cover)


def _draw_eyes(canvas, at, colors, width, rng) -> None:
    skin, ink = colors
    _, (right, down) = axes_of(at)
    white = 250 - rng.uniform(0, 25, 3)
    iris_color = rng.uniform(0, 200, 3) if rng.random() < 0.6 else rng.uniform(0, 60, 3)
    lash, kind, shines = rng.uniform(1, 3.2), rng.integers(5), rng.random() < 0.8
    for eye, iris in zip(EYES, IRISES):
        upper, lower = _smooth(at[list(eye[0])]), _smooth(at[list(eye[1])])
        outline = np.concatenate([upper, lower[::-1]])
        before, inside, middle = canvas.picture.copy(), canvas.inside(outline), at[iris[0]]
        radii = np.linalg.norm(at[list(iris[1:])] - middle, axis=1)
        across, high = right * radii[[0, 2]].mean(), down * radii[[1, 3]].mean()
        canvas.fill(outline, white)
        canvas.fill(_disc(middle, across, high), iris_color)
        pupil = rng.uniform(0.3, 0.6)
        canvas.fill(_disc(middle, pupil * across, pupil * high), 0.25 * iris_color)
        if shines:
            shine = middle - 0.35 * across - 0.4 * high
            canvas.fill(_disc(shine, 0.28 * across, 0.28 * high), (255, 255, 255))
        canvas.picture = canvas.picture * inside + before * (1 - inside)
        canvas.picture = np.ascontiguousarray(canvas.picture, np.float32)
        canvas.line(upper, ink, width * lash)
        if kind < 3:
            canvas.line(lower, ink if kind < 2 else 0.8 * skin, 0.7 * width)
        if kind == 1:
            canvas.line(_smooth(at[list(dict.fromkeys(eye[2]))]), 0.8 * skin, 0.7 * width)


def _draw_mouth(canvas, at, colors, width, rng) -> bool:
    """Return whether the red of the lips is drawn, too."""
    skin, ink = colors
    red = skin * [0.85, 0.5, 0.5] if rng.random() < 0.6 else rng.normal([200, 70, 80], 20)
    upper, lower = at[list(INNER_UPPER)], at[list(INNER_LOWER)]
    has_lips = rng.random() < 0.5
    if has_lips:
        edges = _smooth(at[list(OUTER_UPPER)]), _smooth(at[list(OUTER_LOWER)])[::-1]
        canvas.fill(np.concatenate(edges), red)
    gap = float(np.linalg.norm(at[13] - at[14])) / axes_of(at)[0]
    if gap <= 0.012:
        canvas.line(_smooth((upper + lower) / 2), ink if rng.random() < 0.7 else 0.5 * red, width)
        return has_lips
    outline = np.concatenate([_smooth(upper), _smooth(lower)[::-1]])
    canvas.fill(outline, rng.uniform(0.2, 0.9) * np.array([150, 50, 55]))
    if rng.random() < 0.5 and gap > 0.03:
        teeth = np.concatenate([_smooth(upper), _smooth(0.7 * upper + 0.3 * lower)[::-1]])
        canvas.fill(teeth, (248, 246, 240))
    if rng.random() < 0.6:
        canvas.line(outline, ink, 0.8 * width, closed=True)
    return has_lips


def _draw_fringe(canvas, at, hair, rng) -> None:
    height, (right, down) = axes_of(at)
    middle = at[FACE_OVAL].mean(0)
    half, low = np.abs((at[FACE_OVAL] - middle) @ right).max() / height, rng.uniform(-0.34, -0.2)
    across = np.linspace(-1.15, 1.15, rng.integers(5, 11))
    ends = low + rng.uniform(-0.06, 0.08, len(across)) + 0.5 * (np.abs(across) - 0.7).clip(0)
    angle = np.linspace(2 * np.pi, np.pi, 20)
    top = np.stack([1.25 * half * np.cos(angle), -0.12 + 0.6 * np.sin(angle)], 1)
    shape = np.concatenate([np.stack([half * across, ends], 1), top])
    canvas.fill(middle + height * shape @ np.stack([right, down]), hair)
