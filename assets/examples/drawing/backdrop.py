"""What lies behind: a room at dusk, far out of focus."""

from __future__ import annotations

import cv2
import numpy as np

from drawing.canvas import Canvas, linear, over, ramp


def _disc(canvas: Canvas, x: float, y: float, radius: float) -> np.ndarray:
    gx, gy = canvas.grid
    distance = np.hypot(gx - x, gy - y) / radius
    ring = 0.75 + 0.35 * np.exp(-(((distance - 0.93) / 0.07) ** 2))
    return ring * (1 - ramp(distance, 0.94, 1.06))


def _panel(canvas: Canvas, x0: float, y0: float, x1: float, y1: float, blur: float) -> np.ndarray:
    return canvas.mask(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), blur)


def evening_window(canvas: Canvas) -> np.ndarray:
    """Return a window with city lights beside a warm wall with a lamp, (size, size, 3)."""
    y = canvas.grid[1]
    rng = np.random.default_rng((canvas.seed, 90))
    wall = linear(150, 104, 84) * (0.95 - 0.30 * ramp(y, -1.0, 1.4))[..., None]
    sky = np.empty_like(wall)
    sky[:] = linear(46, 66, 104)
    over(sky, linear(196, 132, 126), ramp(y, -0.7, 0.9), 0.75)
    over(sky, linear(38, 44, 66), ramp(y, 0.35, 1.0), 0.8)
    tints = [(255, 196, 120), (255, 170, 100), (255, 220, 170), (150, 190, 255), (255, 150, 130)]
    for _ in range(46):
        bx, by = rng.uniform(-1.35, 0.62), rng.normal(0.32, 0.33)
        colour = linear(*tints[rng.integers(len(tints))])
        sky += (rng.uniform(0.05, 0.34) * _disc(canvas, bx, by, rng.uniform(0.035, 0.085)))[
            ..., None
        ] * colour
    window = _panel(canvas, -2.0, -2.0, 0.66, 1.9, 0.022)
    picture = wall.astype(np.float32)
    over(picture, sky, window)
    frame = linear(92, 62, 54)
    for bar in ((0.63, -2, 0.72, 2), (-0.66, -2, -0.595, 2), (-2, -0.72, 0.66, -0.66)):
        over(picture, frame, _panel(canvas, *bar, 0.020), 0.92)
    lamp = canvas.dab(1.05, 0.02, 0.34, 0.42)
    picture += 0.55 * lamp[..., None] * linear(255, 176, 96)
    shade = _panel(canvas, 0.93, -0.28, 1.33, 0.14, 0.045)
    over(picture, linear(255, 214, 150) * 1.05, shade, 0.85)
    over(picture, linear(70, 48, 42), _panel(canvas, 0.72, 0.62, 2, 2, 0.05), 0.8)
    return picture


def morning_park(canvas: Canvas) -> np.ndarray:
    """Return trees in low sun with round spots of light, (size, size, 3)."""
    x, y = canvas.grid
    rng = np.random.default_rng((canvas.seed, 91))
    picture = np.empty((*x.shape, 3), np.float32)
    picture[:] = linear(214, 222, 196)
    over(picture, linear(96, 134, 92), ramp(y + 0.15 * canvas.noise(0.8, 5), -0.5, 0.5), 0.9)
    over(picture, linear(120, 142, 74), ramp(y, 0.45, 0.9), 0.9)
    leaves = canvas.blurred(canvas.noise(0.12, 6), 0.085)
    over(picture, linear(40, 78, 56), ramp(leaves, -0.35, 0.75), 0.62)
    for _ in range(5):
        tx = rng.uniform(-1.3, 1.3)
        trunk = _panel(canvas, tx, -2, tx + rng.uniform(0.06, 0.13), 0.72, 0.035)
        over(picture, linear(62, 56, 48), trunk, 0.55)
    tints = [(255, 246, 196), (236, 255, 190), (255, 236, 170), (210, 245, 200)]
    for _ in range(70):
        bx, by = rng.uniform(-1.35, 1.35), rng.normal(-0.45, 0.38)
        colour = linear(*tints[rng.integers(len(tints))])
        spot = rng.uniform(0.05, 0.30) * _disc(canvas, bx, by, rng.uniform(0.035, 0.095))
        picture += spot[..., None] * colour
    sun = canvas.dab(1.15, -0.85, 0.55, 0.5)
    picture += 0.75 * sun[..., None] * linear(255, 224, 150)
    return cv2.GaussianBlur(picture, (0, 0), canvas.px(0.004))
