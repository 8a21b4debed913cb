"""Bands of eyes with and without glasses: real ones, and glasses drawn over bare faces."""

from __future__ import annotations

import cv2
import numpy as np

from skyreels_avatar.rig.glasses import BAND_PX

_FINE = 4  # drawn this much larger
_PER_H = 114 * _FINE  # pixels in a face height
_WIDTHS = (1, 2, 3, 4, 6, 8, 12, 18)  # of rims, in fine pixels
_WIDTH_SHARES = (0.04, 0.2, 0.2, 0.2, 0.14, 0.1, 0.07, 0.05)


def jitter(band: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a band (48, 96, 3) uint8 shifted, turned, mirrored, lit, blurred, noisy by chance."""
    middle = np.float32([BAND_PX[0] / 2, 0.4 * BAND_PX[1]])
    angle, scale = rng.normal(0, 0.03), np.exp(rng.normal(0, 0.05))
    across, down = np.cos(angle) * scale, np.sin(angle) * scale
    turn = np.float32([[across, -down], [down, across]])
    shift = middle - turn @ middle + rng.normal(0, 1.5, 2)
    matrix = np.concatenate([turn, shift[:, None]], 1)
    band = cv2.warpAffine(band, matrix, BAND_PX, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.5:
        band = band[:, ::-1]
    light = band.mean()
    band = (band.astype(np.float32) - light) * rng.uniform(0.6, 1.3) + light * rng.uniform(0.6, 1.2)
    if rng.random() < 0.3:
        band = cv2.GaussianBlur(band, (0, 0), rng.uniform(0.3, 1.0))
    if rng.random() < 0.3:
        band = band + rng.normal(0, rng.uniform(1, 7), band.shape)
    return band.clip(0, 255).astype(np.uint8)


def put_glasses_on(band: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a band with glasses: two lenses, rims, a bridge, temples, tint, glare and shadow."""
    picture = cv2.resize(band, None, fx=_FINE, fy=_FINE, interpolation=cv2.INTER_CUBIC)
    picture = picture.astype(np.float32)
    rims, lenses = _shapes(picture.shape[:2], rng)
    inside = lenses[..., None] / 255.0
    if rng.random() < 0.5:
        tint = rng.uniform(60, 255, 3)
        picture += inside * rng.uniform(0, 0.3) * (tint - picture)
    if rng.random() < 0.4:
        picture += _glare(picture.shape[:2], rng)[..., None] * inside * (250 - picture)
    shadow = np.roll(rims, int(rng.uniform(2, 16)), 0)
    shadow = cv2.GaussianBlur(shadow, (0, 0), rng.uniform(2, 6)).clip(0, 1)[..., None]
    picture *= 1 - rng.uniform(0, 0.5) * shadow
    shine = rng.normal(0, 1, rims.shape).astype(np.float32)
    shine = cv2.GaussianBlur(shine, (0, 0), rng.uniform(4, 20))[..., None]
    light = rng.uniform(0, 90) if rng.random() < 0.6 else rng.uniform(90, 240)
    color = light * rng.uniform(0.6, 1.0, 3) + rng.uniform(0, 45) * shine / (shine.std() + 1e-6)
    share = rng.uniform(0.45, 1.0) * rims.clip(0, 1)[..., None]
    picture += share * (color.clip(0, 255) - picture)
    picture = cv2.resize(picture, BAND_PX, interpolation=cv2.INTER_AREA)
    return picture.clip(0, 255).astype(np.uint8)


def _shapes(size: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return what rims cover, float, and lenses, 0 or 255, both of a size (height, width)."""
    rims, lenses = np.zeros(size, np.float32), np.zeros(size, np.uint8)
    x = size[1] / 2 + rng.normal(0, 0.012) * _PER_H
    y = 0.4 * size[0] + rng.normal(0.015, 0.025) * _PER_H
    wide = rng.uniform(0.125, 0.19) * _PER_H
    high, gap = wide * rng.uniform(0.5, 1.02), rng.uniform(0.035, 0.075) * _PER_H
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    outline = np.stack([np.cos(angle), np.sin(angle)], -1)
    outline = np.sign(outline) * np.abs(outline) ** rng.uniform(0.4, 1.0)  # 1 is an ellipse
    outline[:, 1] *= np.where(outline[:, 1] > 0, 1, rng.uniform(0.75, 1.0))
    slant, turn = rng.normal(0, 0.06), rng.uniform(0.85, 1.15)
    thick, half = int(rng.choice(_WIDTHS, p=_WIDTH_SHARES)), rng.random() < 0.12
    for side, near in ((-1, turn), (1, 2 - turn)):
        lens = outline * [side * wide * near, high]
        lens[:, 1] += slant * side * lens[:, 0]
        middle = x + side * (gap + wide) * near
        lens = np.round(lens + np.array([middle, y])).astype(np.int32)
        cv2.fillPoly(lenses, [lens], 255)
        cv2.polylines(rims, [lens[32:] if half else lens], not half, 1.0, thick, cv2.LINE_AA)
        if rng.random() < 0.4:  # a pad beside the nose
            pad = int(middle - 0.9 * side * wide * near), int(y + 0.4 * high)
            axes = int(rng.uniform(4, 8)), int(rng.uniform(10, 18))
            cv2.ellipse(rims, pad, axes, 20 * side, 0, 360, 0.6, 2, cv2.LINE_AA)
        hinge = y + rng.uniform(-0.4, 0.1) * high
        far = middle + 3 * side * wide * near, hinge + rng.normal(0, 6)
        ends = (middle + side * wide * near, hinge), far
        temple = max(1, int(thick * rng.uniform(0.6, 1.2)))
        cv2.line(rims, *(tuple(map(int, end)) for end in ends), 1.0, temple, cv2.LINE_AA)
    across = np.linspace(-1, 1, 15)
    bow = y - high * rng.uniform(-0.1, 0.55) - rng.uniform(2, 14) * (1 - across**2)
    bridge = np.stack([x + across * (gap + 0.12 * wide), bow], -1).round().astype(np.int32)
    width = max(1, int(thick * rng.uniform(0.7, 1.5)))
    cv2.polylines(rims, [bridge], False, 1.0, width, cv2.LINE_AA)
    return rims, lenses


def _glare(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    glare = np.zeros(size, np.float32)
    at = (rng.uniform(0.2, 0.8) * size[1], rng.uniform(0.25, 0.55) * size[0])
    axes = (rng.uniform(5, 60), rng.uniform(3, 30))
    at, axes = (tuple(map(int, pair)) for pair in (at, axes))
    cv2.ellipse(glare, at, axes, rng.uniform(0, 180), 0, 360, rng.uniform(0.2, 0.9), -1)
    return cv2.GaussianBlur(glare, (0, 0), rng.uniform(2, 10))
