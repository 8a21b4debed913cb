"""The sheet one paints on: coordinates, curves, masks, noise, colours.

Lengths are in face heights H (hairline to chin), x right, y down, (0, 0) between the eyes.
Colours are linear light unless a name says `_srgb`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator, splev, splprep

Points = list[tuple[float, float]]
SUBPIXEL_BITS = 4


def linear(red: int, green: int, blue: int) -> np.ndarray:
    """Return (3,) linear light of an sRGB colour, 0..255."""
    value = np.array([red, green, blue], np.float32) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype("f4")


def to_srgb(colour: np.ndarray) -> np.ndarray:
    """Return sRGB 0..1 of linear light."""
    colour = np.clip(colour, 0, 1)
    return np.where(colour <= 0.0031308, 12.92 * colour, 1.055 * colour ** (1 / 2.4) - 0.055)


def ramp(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return a smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def curve(points: Points, num: int = 200, closed: bool = False) -> np.ndarray:
    """Return (num, 2): a smooth curve through points."""
    points = np.asarray(points, np.float64)
    if closed:
        points = np.concatenate([points, points[:1]])
    if len(points) == 2:
        return points[0] + np.linspace(0, 1, num)[:, None] * (points[1] - points[0])
    chords = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1) ** 0.5)]
    degree = min(3, len(points) - 1)
    spline, _ = splprep(points.T, u=chords / chords[-1], s=0, per=closed, k=degree)
    return np.stack(splev(np.linspace(0, 1, num), spline), -1)


def profile(xs: list[float], ys: list[float], at: np.ndarray) -> np.ndarray:
    """Return y at x, smooth and without overshoot, constant beyond the ends."""
    return PchipInterpolator(xs, ys)(np.clip(at, xs[0], xs[-1])).astype(np.float32)


def mirrored(points: Points) -> Points:
    """Return the right half of a symmetric outline followed by its mirror image."""
    left = [(-x, y) for x, y in reversed(points) if abs(x) > 1e-9]
    return list(points) + left


@dataclass(frozen=True)
class Canvas:
    """A square sheet of `size` pixels in which a face height is `unit` pixels.

    Args:
        origin: where (0, 0) lies, as shares of the size.
        unit: pixels in a face height, as a share of the size.
    """

    size: int
    origin: tuple[float, float] = (0.5, 0.435)
    unit: float = 0.385
    seed: int = 0

    @cached_property
    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y of every pixel's centre, each (size, size) float32."""
        axis = (np.arange(self.size, dtype=np.float32) + 0.5) / self.size
        x = (axis - self.origin[0]) / self.unit
        y = (axis - self.origin[1]) / self.unit
        return np.meshgrid(x, y)

    def to_px(self, points: np.ndarray) -> np.ndarray:
        """Return points in pixels."""
        shares = np.asarray(points, np.float64) * self.unit + self.origin
        return shares * self.size - 0.5

    def px(self, length: float) -> float:
        """Return a length in pixels."""
        return length * self.unit * self.size

    def fixed(self, points: np.ndarray) -> np.ndarray:
        """Return pixel points as OpenCV's fixed-point integers."""
        return np.round(self.to_px(points) * (1 << SUBPIXEL_BITS)).astype(np.int32)

    def mask(self, outline: np.ndarray, blur: float = 0.0) -> np.ndarray:
        """Return (size, size) 0..1, 1 inside a closed outline; the edge blurred by a length."""
        sheet = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(sheet, [self.fixed(outline)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
        return self.blurred(sheet.astype(np.float32) / 255, blur)

    def stroke(self, line: np.ndarray, widths: np.ndarray, blur: float = 0.0) -> np.ndarray:
        """Return the mask of a line whose full width changes along it."""
        line = np.asarray(line, np.float64)
        along = np.gradient(line, axis=0)
        normal = np.stack([-along[:, 1], along[:, 0]], -1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        half = 0.5 * np.asarray(widths)[:, None] * normal
        return self.mask(np.concatenate([line + half, (line - half)[::-1]]), blur)

    def blurred(self, values: np.ndarray, length: float) -> np.ndarray:
        """Blur by a length (sigma); large blurs are done on a smaller sheet."""
        sigma = self.px(length)
        if sigma < 0.3:
            return values
        step = int(max(1, min(16, sigma // 4)))
        if step == 1:
            return cv2.GaussianBlur(values, (0, 0), sigma)
        small = cv2.resize(values, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / step)
        return cv2.resize(small, values.shape[1::-1], interpolation=cv2.INTER_CUBIC)

    def dab(self, x: float, y: float, sx: float, sy: float, turn_deg: float = 0.0) -> np.ndarray:
        """Return a soft round spot, 1 in its middle, sigma sx by sy."""
        gx, gy = self.grid
        cos, sin = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
        u = ((gx - x) * cos + (gy - y) * sin) / sx
        v = (-(gx - x) * sin + (gy - y) * cos) / sy
        return np.exp(-0.5 * (u * u + v * v))

    def pair(self, x: float, y: float, sx: float, sy: float, turn_deg: float = 0.0) -> np.ndarray:
        """Return two mirrored dabs, at x and -x."""
        return self.dab(x, y, sx, sy, turn_deg) + self.dab(-x, y, sx, sy, -turn_deg)

    def noise(self, length: float, seed: int, stretch: float = 1.0) -> np.ndarray:
        """Return smooth noise, mean 0, deviation 1, of a grain; `stretch` > 1 draws it out in y."""
        rng = np.random.default_rng((self.seed, seed))
        cells_x = max(2, round(self.size / self.px(length)))
        cells_y = max(2, round(cells_x / stretch))
        small = rng.standard_normal((cells_y + 3, cells_x + 3)).astype(np.float32)
        big = cv2.resize(small, (self.size, self.size), interpolation=cv2.INTER_CUBIC)
        return (big - big.mean()) / big.std()


def over(base: np.ndarray, colour: np.ndarray, mask: np.ndarray, opacity: float = 1) -> None:
    """Lay a colour (3,) or picture (size, size, 3) over a picture through a mask, in place."""
    alpha = np.clip(mask * opacity, 0, 1)[..., None]
    base += alpha * (colour - base)
