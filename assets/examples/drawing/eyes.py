"""Eyes and brows: lids, iris, catchlights, lashes, hair by hair."""

from __future__ import annotations

import cv2
import numpy as np

from drawing.canvas import Canvas, curve, linear, over, ramp
from drawing.sitter import Sitter


def lids(sitter: Sitter, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper and lower lid edge, from the inner to the outer corner, each (160, 2)."""
    w, h, tilt = sitter.eye_w, sitter.eye_h, sitter.eye_tilt
    # Shares of width from the inner corner, shares of the opening above the corners' line.
    upper = [(0, 0), (0.12, 0.30), (0.32, 0.60), (0.55, 0.70), (0.78, 0.52), (0.92, 0.24), (1, 0)]
    lower = [(0, 0), (0.10, -0.10), (0.30, -0.25), (0.58, -0.32), (0.82, -0.21), (1, 0)]

    def place(points: list) -> np.ndarray:
        inner_x = sitter.eye_x - w / 2
        return curve([(side * (inner_x + u * w), 0.006 - v * h - u * tilt) for u, v in points], 160)

    return place(upper), place(lower)


def paint_eye(canvas: Canvas, sitter: Sitter, picture: np.ndarray, side: int) -> None:
    """Paint one eye into a linear picture, in place; side 1 is the right one in the picture."""
    upper, lower = lids(sitter, side)
    opening = np.concatenate([upper, lower[::-1]])
    inside = canvas.mask(opening, 0.0016)
    ball = _ball(canvas, sitter, side, upper)
    picture += inside[..., None] * (ball - picture)
    _paint_rims(canvas, sitter, picture, side, upper, lower)
    _paint_catchlights(canvas, sitter, picture, side, inside)
    _paint_lashes(canvas, sitter, picture, side, upper, lower)


def _iris_middle(sitter: Sitter, side: int) -> tuple[float, float]:
    return side * (sitter.eye_x + 0.001), -0.0085 - 0.5 * sitter.eye_tilt


def _ball(canvas: Canvas, sitter: Sitter, side: int, upper: np.ndarray) -> np.ndarray:
    """Return the eyeball with iris and pupil, the lid's shadow on it, (size, size, 3)."""
    x, y = canvas.grid
    cx, cy = _iris_middle(sitter, side)
    ball = np.empty((canvas.size, canvas.size, 3), np.float32)
    ball[:] = linear(238, 230, 226)
    across = (x - side * sitter.eye_x) / (sitter.eye_w / 2)
    ball *= (1 - 0.42 * np.abs(across) ** 2.2)[..., None]
    corner = canvas.dab(side * (sitter.eye_x - sitter.eye_w * 0.47), 0.006, 0.009, 0.008)
    over(ball, linear(205, 120, 112), corner, 0.9)
    dx, dy = x - cx, y - cy
    radius = np.hypot(dx, dy) / sitter.iris
    angle = np.arctan2(dy, dx)
    over(ball, _iris(sitter, radius, angle, dy / sitter.iris, side), 1 - ramp(radius, 0.95, 1.05))
    over(ball, linear(6, 5, 7), 1 - ramp(radius, 0.36, 0.44))
    lid = canvas.stroke(upper + np.array([0, 0.010]), np.full(160, 0.026), 0.007)
    over(ball, ball * linear(110, 84, 88), lid, 0.95)
    return ball


def _iris(
    sitter: Sitter, radius: np.ndarray, angle: np.ndarray, down: np.ndarray, side: int
) -> np.ndarray:
    rng = np.random.default_rng((sitter.seed, side + 5))
    spokes = np.zeros_like(radius)
    for count in (23, 37, 61, 97):
        spokes += np.cos(count * angle + rng.uniform(0, 6.3) + 1.5 * np.sin(3 * angle)) / 4
    colour = sitter.iris_colour * (0.55 + 0.9 * np.clip(down * 0.75 + 0.30, 0, 1))[..., None]
    fibres = spokes * ramp(radius, 0.35, 0.6) * (1 - ramp(radius, 0.75, 1.0))
    colour = colour * (1 + 0.35 * fibres)[..., None]
    inner = np.exp(-(((radius - 0.50) / 0.12) ** 2))
    colour = colour + 0.30 * inner[..., None] * linear(190, 140, 70)
    glow = np.exp(-(((radius - 0.70) / 0.2) ** 2)) * np.clip(down, 0, 1)
    colour = colour + 0.60 * glow[..., None] * sitter.iris_colour
    limbus = ramp(radius, 0.78, 1.0)
    return colour * (1 - 0.86 * limbus)[..., None]


def _paint_rims(canvas, sitter, picture, side, upper, lower) -> None:
    """Paint what frames the eye: lid crease, wet lower rim, shadow at the lash line."""
    w, h, tilt = sitter.eye_w, sitter.eye_h, sitter.eye_tilt
    inner_x = sitter.eye_x - w / 2
    above = 0.024 + 0.05 * h
    crease = curve(
        [
            (side * (inner_x + u * w), 0.006 - v * h - u * tilt - above * a)
            for u, v, a in (
                (0.04, 0.16, 0.45),
                (0.20, 0.45, 0.85),
                (0.5, 0.70, 1.0),
                (0.8, 0.50, 1.0),
                (1.04, 0.06, 0.75),
            )
        ],
        120,
    )
    fold = canvas.stroke(
        crease, 0.0085 * np.sin(np.linspace(0.12, np.pi - 0.2, 120)) ** 0.7, 0.0032
    )
    over(picture, sitter.skin * linear(140, 76, 66), fold, 0.62)
    lid_light = crease + (upper[np.linspace(10, 150, 120).astype(int)] - crease) * 0.5
    gleam = canvas.stroke(lid_light, 0.011 * np.hanning(120) + 0.001, 0.007)
    over(picture, picture + 0.10 * linear(255, 225, 205), gleam, 0.8)
    wet = canvas.stroke(
        lower + np.array([0, 0.0015]), 0.006 * np.hanning(160) ** 0.5 + 0.001, 0.0018
    )
    over(picture, linear(226, 160, 146), wet, 0.75)
    edge = canvas.stroke(lower + np.array([0, 0.006]), 0.006 * np.hanning(160) ** 0.7, 0.0035)
    over(picture, sitter.skin * linear(165, 92, 80), edge, 0.45)
    ink = linear(26, 15, 13) if sitter.makeup else linear(40, 26, 22)
    along = np.linspace(0, 1, 160)
    width = sitter.lash * (0.28 + 0.9 * along**0.8) * np.minimum(1, (1.02 - along) / 0.10)
    liner = canvas.stroke(upper - np.array([0, 0.0015]), width, 0.0018)
    over(picture, ink, liner, 0.97)
    if sitter.makeup:
        tip = upper[-1] + np.array([side * 0.024, -0.016])
        wing = curve([tuple(upper[138]), tuple(upper[-1] - [0, 0.003]), tuple(tip)], 60)
        over(picture, ink, canvas.stroke(wing, 0.0105 * np.linspace(1, 0.05, 60), 0.0015), 0.95)


def _paint_catchlights(canvas, sitter, picture, side, inside) -> None:
    cx, cy = _iris_middle(sitter, side)
    r = sitter.iris
    turn = np.radians(-8)
    box = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (0.21 * r, 0.25 * r)
    box = box @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    box += (cx - 0.36 * r, cy - 0.36 * r)
    window = canvas.mask(box, 0.0022)
    over(picture, np.float32([1.0, 0.99, 0.97]), np.clip(window * inside, 0, 1), 0.97)
    small = canvas.dab(cx + 0.38 * r, cy + 0.42 * r, 0.10 * r, 0.10 * r)
    over(picture, np.float32([0.9, 0.95, 1.0]), small * inside, 0.65)


def _paint_lashes(canvas, sitter, picture, side, upper, lower) -> None:
    rng = np.random.default_rng((sitter.seed, side + 31))
    sheet = np.zeros((canvas.size, canvas.size), np.float32)
    count, length = (46, 0.024) if sitter.makeup else (26, 0.013)
    for share in np.linspace(0.10, 1.0, count):
        root = upper[int(share * 159)] - np.array([0, 0.002])
        lean = side * (-0.35 + 1.55 * share + rng.normal(0, 0.06))
        size = length * (0.45 + 0.65 * share) * rng.uniform(0.85, 1.1)
        tip = root + size * np.array([np.sin(lean), -np.cos(lean)])
        bow = root + 0.55 * (tip - root) + size * 0.13 * np.array([0.0, 1.0])
        hair = curve([tuple(root), tuple(bow), tuple(tip)], 16)
        np.maximum(sheet, _thin(canvas, hair, 0.0028), out=sheet)
    for share in np.linspace(0.28, 0.95, count // 2):
        root = lower[int(share * 159)] + np.array([0, 0.003])
        lean = side * (-0.2 + 1.1 * share + rng.normal(0, 0.1))
        size = 0.36 * length * rng.uniform(0.7, 1.1)
        tip = root + size * np.array([np.sin(lean), np.cos(lean)])
        hair = curve([tuple(root), tuple(tip)], 8)
        np.maximum(sheet, 0.5 * _thin(canvas, hair, 0.0022), out=sheet)
    over(picture, linear(24, 14, 12), canvas.blurred(sheet, 0.0012), 0.8)


def _thin(canvas: Canvas, line: np.ndarray, width: float) -> np.ndarray:
    return canvas.stroke(line, width * np.linspace(1, 0.1, len(line)))


def _add_hair(canvas: Canvas, sheet: np.ndarray, line: np.ndarray, density: float) -> None:
    """Add a tapering hair to a sheet, in the small window that it covers."""
    pixels = canvas.to_px(line)
    low = np.floor(pixels.min(0)).astype(int) - 4
    high = np.ceil(pixels.max(0)).astype(int) + 4
    window = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    along = np.gradient(pixels, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], -1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    half = 0.5 * canvas.px(0.0036) * np.linspace(1, 0.15, len(line))[:, None] * normal
    shape = np.concatenate([pixels + half, (pixels - half)[::-1]]) - low
    cv2.fillPoly(window, [np.round(shape * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    sheet[low[1] : high[1], low[0] : high[0]] += density * window.astype(np.float32) / 255


def paint_brow(canvas: Canvas, sitter: Sitter, picture: np.ndarray, side: int) -> None:
    """Paint one brow into a linear picture, in place: a soft ground, then single hairs."""
    rng = np.random.default_rng((sitter.seed, side + 77))
    middle = curve([(side * x, y) for x, y in sitter.brow], 200)
    along = np.linspace(0, 1, 200)
    width = sitter.brow_w * np.interp(along, [0, 0.12, 0.5, 0.8, 1], [0.72, 1.0, 0.95, 0.62, 0.12])
    ground = canvas.stroke(middle, width, 0.007)
    fade = ramp(np.abs(canvas.grid[0]), 0.045, 0.12)
    over(picture, sitter.brow_colour, ground * (0.30 + 0.70 * fade), 0.46)
    hairs = np.zeros((canvas.size, canvas.size), np.float32)
    for _ in range(520):
        share = rng.uniform(0, 0.985)
        index = int(share * 199)
        offset = rng.uniform(-0.5, 0.5)
        root = middle[index] + np.array([0, offset * width[index] * 0.9])
        outwards = np.interp(share, [0, 0.15, 0.5, 1], [0.15, 0.75, 1.25, 1.75])
        outwards += -0.9 * offset * ramp(np.array(share), 0.1, 0.5) * -1 + rng.normal(0, 0.12)
        size = rng.uniform(0.6, 1.0) * (0.030 if share < 0.8 else 0.022)
        tip = root + size * np.array([side * np.sin(outwards), -np.cos(outwards)])
        bow = (root + tip) / 2 + size * 0.10 * np.array([side, -0.6])
        hair = curve([tuple(root), tuple(bow), tuple(tip)], 10)
        _add_hair(canvas, hairs, hair, rng.uniform(0.25, 0.6))
    over(picture, sitter.brow_colour * 0.7, 1 - np.exp(-hairs), 0.9)
