"""The face: a relief of soft forms, lit; then lips, nostrils and blush painted on it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from drawing.canvas import Canvas, curve, linear, mirrored, over, profile, ramp
from drawing.light import (
    SKIN_GLOW,
    Light,
    bleed,
    edge_light,
    glossy,
    irradiance,
    normals,
    occlusion,
)
from drawing.sitter import Sitter


@dataclass(frozen=True)
class Mouth:
    """The lips as curves from the left to the right corner, each (N, 2)."""

    top: np.ndarray
    line: np.ndarray
    bottom: np.ndarray

    @property
    def upper(self) -> np.ndarray:
        """The outline of the upper lip."""
        return np.concatenate([self.top, self.line[::-1]])

    @property
    def lower(self) -> np.ndarray:
        """The outline of the lower lip."""
        return np.concatenate([self.line, self.bottom[::-1]])


def mouth_of(sitter: Sitter) -> Mouth:
    """Return the closed lips of a sitter, corners lifted a little."""
    w, y, up, low = sitter.mouth_w, sitter.mouth_y, sitter.upper_lip, sitter.lower_lip
    lift = 0.007
    top = [(0, -up * 0.86), (0.20 * w, -up), (0.36 * w, -up * 0.93), (0.68 * w, -up * 0.52)]
    line = [(0, 0.004), (0.16 * w, 0.0055), (0.38 * w, 0.001), (0.7 * w, 0.0005)]
    bottom = [(0, low), (0.28 * w, low * 0.97), (0.55 * w, low * 0.74), (0.82 * w, low * 0.33)]
    corner = (w, -lift)

    def both(points: list) -> np.ndarray:
        right = [*points, corner]
        whole = [(-px, py) for px, py in reversed(right[1:])] + right
        return curve([(px, y + py) for px, py in whole], 240)

    return Mouth(both(top), both(line), both(bottom))


def head_outline(sitter: Sitter) -> np.ndarray:
    """Return the closed outline of the head, (N, 2)."""
    return curve(mirrored(sitter.outline), 400, closed=True)


def _dome(canvas: Canvas, outline: np.ndarray, depth: float) -> np.ndarray:
    """Return a rounded relief over an outline: 0 at its edge, `depth` in the middle."""
    x, y = canvas.grid
    middle = np.array([0.0, 0.08])
    spokes = outline - middle
    angles = np.arctan2(spokes[:, 1], spokes[:, 0])
    order = np.argsort(angles)
    radii = np.linalg.norm(spokes, axis=1)[order]
    angle = np.arctan2(y - middle[1], x - middle[0])
    edge = np.interp(angle, angles[order], radii, period=2 * np.pi)
    share = np.hypot(x - middle[0], y - middle[1]) / edge
    return depth * np.sqrt(np.clip(1 - np.clip(share, 0, 0.995) ** 2.7, 1e-3, None))


def relief(canvas: Canvas, sitter: Sitter) -> np.ndarray:
    """Return (size, size): the features' height over the round of the head, in H."""
    x, _ = canvas.grid
    h = np.zeros_like(x)
    dab, pair = canvas.dab, canvas.pair
    ex = sitter.eye_x
    h += 0.016 * pair(0.16, -0.115, 0.09, 0.030, 6)  # brow ridge
    h -= 0.036 * pair(ex - 0.03, -0.020, 0.075, 0.045)  # sockets
    h -= 0.022 * pair(0.080, -0.010, 0.026, 0.040)
    h += 0.026 * pair(ex, -0.004, 0.062, 0.036)  # eyeballs under the lids
    h -= 0.004 * pair(ex - 0.03, 0.060, 0.06, 0.022, 14)  # below the lower lid
    h += 0.022 * pair(0.245, 0.120, 0.075, 0.060, -20)  # cheekbones
    h += 0.016 * pair(0.19, 0.24, 0.08, 0.08)
    h += _nose(canvas, sitter)
    h += 0.030 * dab(0, 0.375, 0.125, 0.095)  # muzzle
    h -= 0.009 * dab(0, 0.300, 0.012, 0.030)  # philtrum
    h += 0.005 * pair(0.022, 0.305, 0.008, 0.028, 8)
    h -= 0.014 * dab(0, 0.487, 0.085, 0.018)  # under the lower lip
    h += 0.028 * dab(0, 0.585, 0.070, 0.050)  # chin
    h -= 0.012 * pair(sitter.mouth_w + 0.012, sitter.mouth_y + 0.004, 0.016, 0.020)
    mouth = mouth_of(sitter)
    upper, lower = canvas.mask(mouth.upper, 0.008), canvas.mask(mouth.lower, 0.010)
    h += 0.016 * upper + 0.022 * lower
    h += 0.008 * pair(0.045, sitter.mouth_y + 0.030, 0.035, 0.016)
    groove = canvas.stroke(mouth.line, np.full(240, 0.012), 0.004)
    return (h - 0.014 * groove).astype(np.float32)


def _nose(canvas: Canvas, sitter: Sitter) -> np.ndarray:
    x, y = canvas.grid
    w = sitter.nose_w
    lift = profile(
        [-0.12, -0.05, 0.0, 0.10, 0.165, 0.195, 0.235, 0.275],
        [0.0, 0.030, 0.040, 0.082, 0.112, 0.108, 0.045, 0.0],
        y,
    )
    wide = profile(
        [-0.12, -0.02, 0.05, 0.15, 0.20, 0.27], [0.05, 0.026, 0.029, 0.040, 0.046, 0.05], y
    )
    bridge = lift * np.exp(-0.5 * np.abs(x / wide) ** 2.3)
    tip = 0.022 * canvas.dab(0, 0.185, 0.034, 0.028)
    wings = 0.038 * canvas.pair(w * 0.80, 0.213, w * 0.24, 0.026, 10)
    crease = -0.010 * canvas.pair(w * 1.22, 0.212, 0.018, 0.030, 18)
    return bridge + tip + wings + crease


def paint_skin(canvas: Canvas, sitter: Sitter, light: Light) -> tuple[np.ndarray, np.ndarray]:
    """Return the lit face (size, size, 3), linear, and its mask; eyes, brows and hair to come."""
    outline = head_outline(sitter)
    features = relief(canvas, sitter)
    height = features + _dome(canvas, outline, 0.50)
    mask = canvas.mask(outline)
    normal = normals(canvas, canvas.blurred(height, 0.003))
    albedo = _skin_colour(canvas, sitter)
    shine = 0.10 * glossy(normal, light, 18) + 0.16 * glossy(normal, light, 70)
    _paint_lips(canvas, sitter, albedo, shine)
    lit = irradiance(normal, light, 0.32)
    lit *= _cast_shadows(canvas)[..., None]
    lit = bleed(canvas, lit, 0.018, mask)
    hollow = occlusion(canvas, features, 0.42)[..., None]
    lit *= hollow + (1 - hollow) * SKIN_GLOW * 0.35
    skin = albedo * lit + (shine * hollow[..., 0])[..., None] * linear(255, 240, 225)
    rim = edge_light(normal, 1.0) * canvas.mask(outline, 0.01)
    skin += 0.40 * rim[..., None] * np.array(light.rim_colour, np.float32) * albedo**0.5
    _paint_nostrils(canvas, sitter, skin)
    return skin, mask


def _skin_colour(canvas: Canvas, sitter: Sitter) -> np.ndarray:
    skin = np.empty((canvas.size, canvas.size, 3), np.float32)
    skin[:] = sitter.skin
    dab, pair = canvas.dab, canvas.pair
    rosy = 0.34 * pair(0.245, 0.165, 0.085, 0.065, -18) + 0.26 * dab(0, 0.195, 0.055, 0.04)
    rosy += 0.12 * dab(0, 0.60, 0.09, 0.05) + 0.10 * pair(0.40, 0.10, 0.05, 0.1)
    over(skin, sitter.blush, rosy, 0.55 + 0.3 * sitter.makeup)
    warm = pair(sitter.eye_x, -0.050, 0.085, 0.030, -4)  # lids
    over(skin, sitter.skin * linear(210, 150, 145), warm, 0.30 + 0.25 * sitter.makeup)
    over(
        skin, sitter.skin * linear(225, 190, 195), pair(sitter.eye_x - 0.02, 0.05, 0.06, 0.02), 0.3
    )
    if sitter.stubble:
        over(skin, sitter.skin * linear(150, 150, 160), _beard(canvas), 0.55 * sitter.stubble)
    mottle = 0.012 * canvas.noise(0.06, 1) + 0.010 * canvas.noise(0.018, 2)
    pores = 0.010 * canvas.noise(0.006, 3)
    return skin * (1 + mottle + pores)[..., None]


def _beard(canvas: Canvas) -> np.ndarray:
    x, y = canvas.grid
    edge = 0.02 * canvas.noise(0.03, 11)
    jaw = ramp(y + 0.9 * np.abs(x) ** 1.5 + edge, 0.42, 0.62)
    lip = canvas.dab(0, 0.318, 0.095, 0.022)
    bare = 1 - 0.85 * canvas.dab(0, 0.40, 0.12, 0.05)
    grain = 0.75 + 0.25 * canvas.noise(0.004, 12)
    return np.clip(np.maximum(jaw * bare, 0.75 * lip) * grain, 0, 1)


def _cast_shadows(canvas: Canvas) -> np.ndarray:
    """Return 0..1 of the key that reaches: the nose shades its right side, the brow the socket."""
    shade = 0.30 * canvas.dab(0.062, 0.245, 0.040, 0.022, 15)
    shade += 0.16 * canvas.dab(0.070, 0.12, 0.022, 0.075, -8)
    shade += 0.12 * canvas.dab(0.075, -0.03, 0.03, 0.05)
    shade += 0.06 * canvas.dab(-0.085, -0.03, 0.025, 0.04)
    shade += 0.20 * canvas.dab(0, 0.478, 0.075, 0.016)
    return 1 - shade


def _paint_lips(canvas: Canvas, sitter: Sitter, albedo: np.ndarray, shine: np.ndarray) -> None:
    mouth = mouth_of(sitter)
    x = canvas.grid[0]
    soft = 0.004 if sitter.makeup else 0.007
    upper, lower = canvas.mask(mouth.upper, soft), canvas.mask(mouth.lower, soft)
    strength = 0.92 if sitter.makeup else 0.72
    over(albedo, sitter.lip * 0.80, upper, strength)
    over(albedo, sitter.lip, lower, strength)
    lips = np.clip(upper + lower, 0, 1)
    inside = canvas.blurred(lips, 0.012)
    over(albedo, sitter.lip * 0.62, lips * ramp(np.abs(x) / sitter.mouth_w, 0.45, 1.0), 0.55)
    over(
        albedo,
        sitter.lip * linear(255, 170, 165),
        lower * inside * canvas.dab(0, 0.425, 0.07, 0.02),
        0.35,
    )
    folds = canvas.noise(0.007, 21, stretch=0.22) * lips
    albedo *= (1 + 0.035 * folds)[..., None]
    seam = canvas.stroke(mouth.line, 0.0018 + 0.0065 * np.hanning(240) ** 0.7, 0.0024)
    over(albedo, sitter.lip * 0.12, seam, 0.92)
    for side in (-1, 1):
        corner = canvas.dab(side * sitter.mouth_w * 0.985, sitter.mouth_y - 0.001, 0.010, 0.006)
        over(albedo, sitter.lip * 0.30, corner, 0.55)
    wet = canvas.dab(-0.028, sitter.mouth_y + 0.034, 0.040, 0.0075, -4)
    wet += 0.5 * canvas.dab(-0.035, sitter.mouth_y - 0.022, 0.020, 0.005, -14)
    shine += 0.22 * (0.4 + 0.6 * sitter.makeup) * wet * (1 + 0.3 * folds)
    # A thin light edge above the upper lip, where skin turns to red.
    edge = np.clip(canvas.blurred(canvas.stroke(mouth.top, np.full(240, 0.006)), 0.003), 0, 1)
    shine += 0.035 * edge * np.exp(-((x / 0.07) ** 2))


def _paint_nostrils(canvas: Canvas, sitter: Sitter, skin: np.ndarray) -> None:
    w = sitter.nose_w
    dark = linear(70, 26, 20)
    for side in (-1, 1):
        arch = curve(
            [(side * w * 0.24, 0.243), (side * w * 0.48, 0.2335), (side * w * 0.80, 0.243)], 60
        )
        hole = canvas.stroke(arch, 0.0165 * np.sin(np.linspace(0.25, np.pi - 0.35, 60)), 0.0045)
        over(skin, dark, hole, 0.88)
        wing = curve(
            [(side * w * 0.99, 0.182), (side * w * 1.07, 0.213), (side * w * 0.90, 0.246)], 60
        )
        fold = canvas.stroke(wing, 0.007 * np.hanning(60) + 0.001, 0.0045)
        over(skin, sitter.skin * linear(150, 75, 60), fold, 0.50)
    under = canvas.dab(0, 0.262, 0.075, 0.010)
    over(skin, sitter.skin * linear(175, 95, 80), under, 0.45)


def head_shadow(canvas: Canvas, outline: np.ndarray) -> np.ndarray:
    """Return 0..1: the soft shadow that the head throws down on neck and shoulders."""
    moved = outline * (0.94, 1.0) + np.array([0.040, 0.165])
    return np.clip(canvas.mask(moved, 0.050), 0, 1)


def quantised(picture: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) uint8 BGR of a picture that is sRGB 0..1, for OpenCV."""
    return cv2.cvtColor((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8), cv2.COLOR_RGB2BGR)
