"""Draw the example portraits: `python assets/examples/draw_portrait.py [folder]`.

Two people who do not exist, painted by this program alone: portrait.png and portrait_man.png.
The same program gives the same pictures. Needs numpy, scipy and OpenCV; a minute on one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from drawing.backdrop import evening_window, morning_park
from drawing.canvas import Canvas, linear, over, to_srgb
from drawing.eyes import paint_brow, paint_eye
from drawing.face import head_outline, head_shadow, paint_skin, quantised
from drawing.figure import paint_ears, paint_neck, paint_sweater, shoulders
from drawing.hair import Lock, lock_of, mirrored_lock, paint_hair, ribbons
from drawing.light import Light
from drawing.sitter import MAN, WOMAN, Sitter

SIZE = 768
OVERSAMPLE = 2


def woman_back() -> list[Lock]:
    """Return the hair behind the neck."""
    right = lock_of(
        inner=[(0.0, -0.50), (0.10, -0.30), (0.14, 0.1), (0.15, 0.5), (0.17, 0.80), (0.20, 1.04)],
        outer=[(0.0, -0.62), (0.32, -0.54), (0.50, -0.24), (0.55, 0.2), (0.56, 0.62), (0.50, 1.10)],
        count=1000,
        wave=0.020,
        shade=0.45,
    )
    rng = np.random.default_rng(1)
    return [*ribbons(right, 4, rng), *ribbons(mirrored_lock(right), 4, rng)]


def woman_front() -> list[Lock]:
    """Return the hair that falls from the parting, beside the face, on the shoulders."""
    rng = np.random.default_rng(5)
    part = -0.075
    right = lock_of(
        inner=[
            (part, -0.385),
            (0.08, -0.375),
            (0.240, -0.290),
            (0.345, -0.110),
            (0.388, 0.10),
            (0.385, 0.32),
            (0.395, 0.55),
            (0.410, 0.80),
            (0.300, 1.00),
        ],
        outer=[
            (part - 0.005, -0.635),
            (0.14, -0.665),
            (0.40, -0.560),
            (0.555, -0.30),
            (0.590, 0.02),
            (0.585, 0.30),
            (0.620, 0.58),
            (0.640, 0.84),
            (0.500, 1.14),
        ],
        count=3600,
        wave=0.040,
        ring=0.20,
        ends=0.78,
    )
    left = lock_of(
        inner=[
            (part, -0.385),
            (-0.175, -0.368),
            (-0.285, -0.270),
            (-0.362, -0.10),
            (-0.392, 0.10),
            (-0.388, 0.32),
            (-0.400, 0.55),
            (-0.420, 0.80),
            (-0.310, 1.02),
        ],
        outer=[
            (part + 0.005, -0.635),
            (-0.24, -0.645),
            (-0.455, -0.510),
            (-0.565, -0.26),
            (-0.592, 0.02),
            (-0.585, 0.30),
            (-0.620, 0.58),
            (-0.640, 0.84),
            (-0.500, 1.14),
        ],
        count=3400,
        wave=0.040,
        phase=0.5,
        ring=0.19,
        ends=0.78,
    )
    wisps = [
        _wisp(
            [(-0.08, -0.40), (0.02, -0.365), (0.17, -0.315), (0.300, -0.195), (0.368, -0.02)], 0.28
        ),
        _wisp(
            [(-0.08, -0.40), (0.06, -0.370), (0.22, -0.290), (0.330, -0.150), (0.372, 0.12)], 0.60
        ),
        _wisp(
            [(-0.07, -0.40), (-0.14, -0.36), (-0.26, -0.270), (-0.345, -0.12), (-0.375, 0.10)], 0.55
        ),
    ]
    return [*ribbons(left, 8, rng), *ribbons(right, 9, rng), *wisps]


def _wisp(points: list[tuple[float, float]], length: float) -> Lock:
    """Return a thin lock along the hairline that flows back into the hair."""
    side = 1 if points[-1][0] > 0 else -1
    end_x, end_y = points[-1]
    inner = [*points, (end_x + side * 0.02, end_y + 0.5 * length), (end_x, end_y + length)]
    shifts = np.linspace(0.0, 0.055, len(inner))
    outer = [(x + side * shift, y - 0.055 + shift) for (x, y), shift in zip(inner, shifts)]
    return lock_of(inner, outer, 260, wave=0.008, ring=0.30, ends=0.7, stray=0.03)


def draw_woman(canvas: Canvas) -> np.ndarray:
    """Return (size, size, 3) uint8 BGR: a woman by an evening window."""
    sitter, light = WOMAN, Light()
    sheet = quantised(to_srgb(evening_window(canvas)))
    paint_hair(canvas, sheet, woman_back(), sitter.hair, sitter.hair_shine, light, 100)
    picture = _linear_of(sheet)
    shadow = head_shadow(canvas, head_outline(sitter))
    paint_neck(canvas, sitter, picture, light, shadow)
    body = shoulders(0.94, 0.06)
    neckline = [(0.0, 1.02), (0.10, 1.005), (0.20, 0.95), (0.275, 0.86), (0.30, 0.80)]
    paint_sweater(canvas, picture, light, linear(38, 96, 104), shadow * 0.8, body, neckline)
    _paint_head(canvas, sitter, picture, light)
    sheet = quantised(to_srgb(picture))
    paint_hair(canvas, sheet, woman_front(), sitter.hair, sitter.hair_shine, light, 200, 0.42)
    return sheet


def man_hair() -> list[Lock]:
    """Return short sides and a long top, combed from a parting on the right of the picture."""
    rng = np.random.default_rng(2)
    short = {"width": 0.0036, "ends": 0.50, "stray": 0.0, "ground": 0.55}
    left = lock_of(
        inner=[(-0.28, -0.43), (-0.345, -0.33), (-0.386, -0.19), (-0.396, -0.06), (-0.402, 0.10)],
        outer=[(-0.34, -0.56), (-0.428, -0.42), (-0.446, -0.22), (-0.432, -0.06), (-0.410, 0.10)],
        count=1500,
        shade=0.95,
        **short,
    )
    right = lock_of(
        inner=[(0.265, -0.45), (0.335, -0.34), (0.384, -0.20), (0.396, -0.06), (0.402, 0.10)],
        outer=[(0.255, -0.56), (0.375, -0.47), (0.447, -0.26), (0.432, -0.06), (0.410, 0.10)],
        count=1500,
        shade=1.0,
        **short,
    )
    top = lock_of(
        inner=[(0.285, -0.440), (0.16, -0.440), (-0.02, -0.400), (-0.20, -0.370), (-0.335, -0.300)],
        outer=[(0.300, -0.490), (0.25, -0.640), (0.03, -0.735), (-0.24, -0.690), (-0.425, -0.450)],
        count=3600,
        wave=0.016,
        waves=0.8,
        ring=0.42,
        ends=0.86,
    )
    fringe = lock_of(
        inner=[(0.275, -0.425), (0.17, -0.395), (0.02, -0.362), (-0.15, -0.352), (-0.290, -0.330)],
        outer=[(0.285, -0.470), (0.16, -0.500), (-0.02, -0.490), (-0.20, -0.460), (-0.350, -0.380)],
        count=1300,
        wave=0.010,
        waves=0.8,
        ring=0.45,
        ends=0.80,
    )
    sides = [*ribbons(left, 3, rng), *ribbons(right, 3, rng)]
    temples = [_temple(-1), _temple(1)]
    return [*temples, *sides, *ribbons(top, 8, rng), *ribbons(fringe, 4, rng)]


def _temple(side: int) -> Lock:
    """Return the sparse short hair where the temple passes into skin."""
    return lock_of(
        inner=[
            (side * x, y) for x, y in ((0.25, -0.43), (0.31, -0.31), (0.363, -0.17), (0.385, 0.06))
        ],
        outer=[
            (side * x, y) for x, y in ((0.29, -0.46), (0.36, -0.33), (0.402, -0.17), (0.408, 0.06))
        ],
        count=170,
        width=0.0028,
        ends=0.45,
        ground=0.0,
        stray=0.0,
    )


def draw_man(canvas: Canvas) -> np.ndarray:
    """Return (size, size, 3) uint8 BGR: a man in a park in the morning."""
    sitter, light = MAN, Light()
    picture = morning_park(canvas)
    shadow = head_shadow(canvas, head_outline(sitter))
    paint_neck(canvas, sitter, picture, light, shadow)
    body = shoulders(1.10, 0.0)
    neckline = [(0.0, 0.955), (0.12, 0.940), (0.23, 0.885), (0.295, 0.81), (0.31, 0.77)]
    paint_sweater(canvas, picture, light, linear(52, 66, 104), shadow * 0.8, body, neckline)
    paint_ears(canvas, sitter, picture, light)
    _paint_head(canvas, sitter, picture, light)
    sheet = quantised(to_srgb(picture))
    paint_hair(canvas, sheet, man_hair(), sitter.hair, sitter.hair_shine, light, 300, 0.35)
    return sheet


def _paint_head(canvas: Canvas, sitter: Sitter, picture: np.ndarray, light: Light) -> None:
    skin, mask = paint_skin(canvas, sitter, light)
    over(picture, skin, mask)
    for side in (-1, 1):
        paint_eye(canvas, sitter, picture, side)
        paint_brow(canvas, sitter, picture, side)


def _linear_of(sheet: np.ndarray) -> np.ndarray:
    srgb = cv2.cvtColor(sheet, cv2.COLOR_BGR2RGB).astype(np.float32) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def main() -> None:
    """Write the portraits into a folder, default the one this program lies in."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, draw, sitter in (
        ("portrait.png", draw_woman, WOMAN),
        ("portrait_man.png", draw_man, MAN),
    ):
        canvas = Canvas(SIZE * OVERSAMPLE, unit=0.415, seed=sitter.seed)
        sheet = cv2.resize(draw(canvas), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / name), sheet, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
