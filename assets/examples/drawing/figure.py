"""Neck, ears, shoulders and clothes."""

from __future__ import annotations

import numpy as np

from drawing.canvas import Canvas, Points, curve, linear, over, ramp
from drawing.light import SKIN_GLOW, Light, bleed, edge_light, glossy, irradiance, normals
from drawing.sitter import Sitter

BOTTOM = 1.75  # below the sheet


def _round(canvas: Canvas, mask: np.ndarray, depth: float, soft: float) -> np.ndarray:
    """Return a cushion-shaped relief over a mask."""
    inner = canvas.blurred(mask, soft)
    return (depth * np.sqrt(np.clip(2 * inner - 1, 0, 1)) * mask).astype(np.float32)


def paint_neck(
    canvas: Canvas, sitter: Sitter, picture: np.ndarray, light: Light, shadow: np.ndarray
) -> None:
    """Paint neck and throat; `shadow` is what the head throws on them."""
    w = sitter.neck_w
    side: Points = [
        (w * 0.98, 0.20),
        (w * 0.94, 0.55),
        (w * 0.95, 0.72),
        (w * 1.06, 0.82),
        (w * 1.55, 0.92),
        (w * 2.6, 1.0),
    ]
    neck = curve(side, 120)
    outline = np.concatenate([neck, [(w * 2.6, BOTTOM), (-w * 2.6, BOTTOM)], neck[::-1] * (-1, 1)])
    mask = canvas.mask(outline)
    y = canvas.grid[1]
    height = _round(canvas, mask, 0.20, 0.10)
    height += 0.020 * canvas.pair(0.075, 0.90, 0.020, 0.16, -14)  # the two cords of the throat
    height -= 0.022 * canvas.dab(0, 1.0, 0.035, 0.05)
    height += 0.016 * canvas.pair(0.24, 1.03, 0.16, 0.014, 8)  # collar bones
    normal = normals(canvas, canvas.blurred(height, 0.006))
    lit = irradiance(normal, light, 0.3) * (1 - 0.84 * shadow)[..., None]
    lit = bleed(canvas, lit, 0.02, mask)
    lit *= (1 - 0.5 * canvas.dab(0.01, 0.665, 0.16, 0.045))[..., None]  # right under the chin
    dark = np.clip(1 - ramp(lit.mean(-1), 0.15, 0.6), 0, 1)[..., None]
    skin = sitter.skin * (1 - 0.05 * ramp(y, 0.6, 1.0))[..., None] * lit
    skin += 0.05 * dark * SKIN_GLOW * sitter.skin
    skin += 0.06 * (glossy(normal, light, 20) * (1 - shadow))[..., None]
    rim = edge_light(normal, 1.0)[..., None] * np.array(light.rim_colour, np.float32)
    over(picture, skin + 0.35 * rim * sitter.skin, mask)


def paint_ears(canvas: Canvas, sitter: Sitter, picture: np.ndarray, light: Light) -> None:
    """Paint both ears, to lie under the face's edge."""
    shape: Points = [
        (0.372, 0.045),
        (0.392, -0.045),
        (0.425, -0.070),
        (0.458, -0.045),
        (0.462, 0.030),
        (0.445, 0.105),
        (0.432, 0.165),
        (0.408, 0.205),
        (0.385, 0.190),
    ]
    for side in (-1, 1):
        outline = curve([(side * x, y) for x, y in shape], 160, closed=True)
        mask = canvas.mask(outline)
        rim = canvas.stroke(
            curve([(side * x, y) for x, y in shape[1:7]], 80), np.full(80, 0.018), 0.006
        )
        height = _round(canvas, mask, 0.03, 0.02) + 0.02 * rim
        height -= 0.022 * canvas.dab(side * 0.414, 0.045, 0.014, 0.045, side * 8)
        lit = bleed(canvas, irradiance(normals(canvas, height), light, 0.3), 0.01, mask)
        ear = sitter.skin * linear(248, 222, 216) * lit * 0.85
        over(
            ear, sitter.skin * linear(150, 70, 60), canvas.dab(side * 0.412, 0.05, 0.013, 0.04), 0.6
        )
        over(picture, ear, mask)


def shoulders(width: float, slope: float) -> np.ndarray:
    """Return the closed outline of the clothed upper body."""
    side = [
        (0.20, 0.80),
        (0.30, 0.855 + 0.1 * slope),
        (0.55 * width, 0.93 + 0.25 * slope),
        (0.84 * width, 1.01 + 0.45 * slope),
        (1.0 * width, 1.14 + 0.6 * slope),
        (1.10 * width, 1.40),
        (1.14 * width, BOTTOM),
    ]
    right = curve(side, 160)
    return np.concatenate([right, right[::-1] * (-1, 1)])


def paint_sweater(
    canvas: Canvas,
    picture: np.ndarray,
    light: Light,
    colour: np.ndarray,
    shadow: np.ndarray,
    outline: np.ndarray,
    neckline: Points,
) -> None:
    """Paint a fine-knit sweater with a ribbed collar along a neckline (right half, outwards)."""
    x, y = canvas.grid
    left = [(-px, py) for px, py in reversed(neckline[1:])]
    collar = curve([*left, *neckline], 300)
    hole = np.concatenate([collar, [(0.6, -0.2), (-0.6, -0.2)]])
    body = canvas.mask(outline) * (1 - canvas.mask(hole))
    band = canvas.stroke(collar + np.array([0, 0.030]), np.full(300, 0.070), 0.004) * body
    height = _round(canvas, canvas.mask(outline), 0.22, 0.16)
    folds = canvas.noise(0.22, 41, 1.6) + 0.5 * canvas.noise(0.10, 42, 2.0)
    height += 0.024 * folds * ramp(y, 0.9, 1.3)
    height -= 0.03 * canvas.pair(0.60, 1.35, 0.05, 0.25, -14)  # arm against chest
    height += 0.020 * canvas.blurred(band, 0.006)
    normal = normals(canvas, canvas.blurred(height, 0.004))
    lit = irradiance(normal, light, 0.35) * (1 - 0.62 * shadow)[..., None]
    knit = canvas.noise(0.008, 44)
    rib = np.cos(np.arctan2(x, y - 0.30) * 260)
    weave = band * 0.10 * rib + (1 - band) * (0.03 * knit + 0.025 * canvas.noise(0.012, 43, 2.5))
    cloth = colour * (1 + weave)[..., None] * lit
    rim = edge_light(normal, 1.0)[..., None] * np.array(light.rim_colour, np.float32)
    cloth += 0.8 * rim * (colour + 0.08)
    lower = canvas.stroke(collar + np.array([0, 0.068]), np.full(300, 0.010), 0.006) * body
    over(cloth, cloth * 0.45, lower, 0.8)
    inside = canvas.stroke(collar - np.array([0, 0.012]), np.full(300, 0.030), 0.012) * (1 - body)
    over(picture, picture * 0.42, inside * canvas.mask(outline), 0.85)
    over(picture, cloth, body)
