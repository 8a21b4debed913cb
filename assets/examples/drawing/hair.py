"""Hair, strand by strand: ribbons of strands between two guide curves, each with its own wave."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from drawing.canvas import SUBPIXEL_BITS, Canvas, Points, curve, to_srgb
from drawing.light import Light

STEPS = 64


@dataclass(frozen=True, eq=False)
class Lock:
    """A sheet of hair between two guide curves from root to tip.

    Attributes:
        inner, outer: guides; strands lie between them.
        count: strands.
        wave: sideways swing of the whole sheet at its tip, in H; waves: how often; phase: turns.
        shade: brightness, for hair that lies below other hair.
        ring: where along the sheet the light of the crown lies, 0..1; None for none.
        ends: share of the length at which the first strands end.
        width: of a strand.
        ground: share of the length that has a dark ground, so that no skin shows through.
        stray: share of strands that leave the sheet.
    """

    inner: np.ndarray
    outer: np.ndarray
    count: int
    wave: float = 0.0
    waves: float = 1.6
    phase: float = 0.0
    shade: float = 1.0
    ring: float | None = None
    ends: float = 0.84
    width: float = 0.0042
    ground: float = 0.80
    stray: float = 0.012


def lock_of(inner: Points, outer: Points, count: int, **settings) -> Lock:
    """Return a lock from the points of its guides."""
    return Lock(curve(inner, STEPS), curve(outer, STEPS), count, **settings)


def mirrored_lock(lock: Lock, dx: float = 0.0) -> Lock:
    """Return a lock mirrored at x = dx / 2."""
    flip = np.array([-1.0, 1.0])
    return replace(lock, inner=lock.inner * flip + (dx, 0), outer=lock.outer * flip + (dx, 0))


def ribbons(lock: Lock, num: int, rng: np.random.Generator, spread: float = 0.5) -> list[Lock]:
    """Cut a sheet into overlapping ribbons with waves of their own, the lowest first.

    Args:
        spread: how differently ribbons swing, in turns of their phase.
    """
    out = []
    edges = np.linspace(0, 1, num + 1)
    for index in range(num):
        low = max(0.0, edges[index] - 0.35 / num)
        high = min(1.0, edges[index + 1] + 0.35 / num)
        inner = lock.inner + low * (lock.outer - lock.inner)
        outer = lock.inner + high * (lock.outer - lock.inner)
        ribbon = replace(
            lock,
            inner=inner,
            outer=outer,
            count=round(lock.count / num * 1.3),
            phase=lock.phase + spread * rng.uniform(-0.5, 0.5) + 0.15 * index / num,
            wave=lock.wave * rng.uniform(0.75, 1.2),
            shade=lock.shade * rng.uniform(0.86, 1.08),
            ends=lock.ends * rng.uniform(0.93, 1.0),
        )
        out.append(replace(ribbon, inner=_waved(ribbon, inner), outer=_waved(ribbon, outer)))
    order = rng.permutation(num)
    return [out[index] for index in order]


def _waved(lock: Lock, line: np.ndarray) -> np.ndarray:
    along = np.linspace(0, 1, len(line))
    swing = lock.wave * along**1.3 * np.sin(2 * np.pi * (lock.waves * along + lock.phase))
    tangent = np.gradient((lock.inner + lock.outer) / 2, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], -1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    return line + swing[:, None] * normal


def strands(lock: Lock, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return points (N, STEPS, 2) and each strand's place between the guides, 0..1 (N,)."""
    place = rng.uniform(0, 1, lock.count)
    along = np.linspace(0, 1, STEPS)
    wander = rng.normal(0, 0.05, lock.count)[:, None] * along
    wander = wander + 0.03 * np.sin(
        2
        * np.pi
        * (along * rng.uniform(0.6, 1.6, lock.count)[:, None] + rng.random(lock.count)[:, None])
    )
    # Strands of a ribbon gather towards its middle at the tip.
    middle = 0.5 + (place[:, None] - 0.5) * (1 - 0.22 * along**4) + wander
    points = lock.inner + middle[..., None] * (lock.outer - lock.inner)
    stray = rng.random(lock.count) < lock.stray
    bend = stray * rng.normal(0, 0.035, lock.count)
    points[..., 0] += bend[:, None] * along**1.5
    return points, place


def _tones(lock: Lock, points: np.ndarray, place: np.ndarray, light: Light, rng) -> tuple:
    """Return how strongly body colour, coloured shine and white shine appear, each (N, STEPS)."""
    x, y = points[..., 0], points[..., 1]
    along = np.linspace(0, 1, STEPS)
    turn = np.clip(0.80 - 0.75 * x - 0.10 * y, 0.42, 1.20)  # towards or away from the key
    across = np.sqrt(np.clip(1 - (2 * place - 1) ** 2, 0.05, 1))[:, None]  # a ribbon is round
    own = rng.normal(1, 0.16, len(points))[:, None]
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * (lock.waves * along + lock.phase) + 0.6)
    swell = 1 - (1 - swell) * min(1.0, lock.wave / 0.03) * np.clip(along * 2 - 0.4, 0, 1)
    body = lock.shade * turn * (0.42 + 0.40 * across + 0.35 * (swell - 0.5)) * own
    body = body * (0.62 + 0.38 * np.clip(along / 0.08, 0, 1))
    jitter = rng.normal(0, 0.030, len(points))[:, None]
    coloured = 0.40 * np.clip(swell, 0, 1) ** 3 * np.clip(along * 2 - 0.5, 0, 1) * across
    white = np.zeros_like(body)
    if lock.ring is not None:
        for shift, wide, gain in ((0.0, 0.055, 0.75), (0.10, 0.10, 0.60)):
            band = np.exp(-(((along - lock.ring - shift + jitter) / wide) ** 2))
            coloured = coloured + gain * band
        white = 1.1 * np.exp(-(((along - lock.ring + 1.6 * jitter) / 0.035) ** 2)) * across
    gloss = lock.shade**2 * turn**1.5 * rng.uniform(0.5, 1.3, len(points))[:, None]
    return body, coloured * gloss, white * gloss


def paint_lock(
    canvas: Canvas,
    picture: np.ndarray,
    lock: Lock,
    colour: np.ndarray,
    gloss: np.ndarray,
    light: Light,
    seed: int,
) -> None:
    """Paint the strands of a lock into a picture (size, size, 3) uint8 BGR, in place.

    Args:
        colour: of the hair; gloss: of its shine.
    """
    rng = np.random.default_rng((canvas.seed, seed))
    points, place = strands(lock, rng)
    body, coloured, white = _tones(lock, points, place, light, rng)
    tone = body[..., None] * colour + coloured[..., None] * (0.55 * colour + 0.12 * gloss)
    tone = tone + (0.16 * white)[..., None] * gloss
    away = np.clip((points[..., 0] - 0.46) / 0.16, 0, 1) ** 2 * lock.shade**2
    tone = tone + (0.22 * away)[..., None] * np.array(light.rim_colour) * (
        2 * colour + gloss * 0.12
    )
    shades = (to_srgb(tone)[..., ::-1] * 255).astype(int)
    stops = (STEPS - 1) * (lock.ends + (1 - lock.ends) * rng.beta(1.2, 1.0, len(points)))
    thick = max(1, round(canvas.px(lock.width)))
    for index in range(len(points)):
        line = canvas.fixed(points[index])
        stop = max(2, int(stops[index]))
        for step in range(stop):
            left = (stop - step) / stop
            size = thick if left > 0.25 else max(1, thick - 1) if left > 0.10 else 1
            cv2.line(
                picture,
                line[step].tolist(),
                line[step + 1].tolist(),
                shades[index, step].tolist(),
                size,
                cv2.LINE_AA,
                SUBPIXEL_BITS,
            )


def _cover(lock: Lock, share: float) -> np.ndarray:
    """Return the closed outline between the guides, cut off after a share of the length."""
    stop = max(2, int(share * STEPS))
    return np.concatenate([lock.inner[:stop], lock.outer[:stop][::-1]])


def paint_hair(
    canvas: Canvas,
    picture: np.ndarray,
    locks: list[Lock],
    colour: np.ndarray,
    gloss: np.ndarray,
    light: Light,
    seed: int,
    shadow: float = 0.5,
) -> None:
    """Paint locks one over the other, each with its shadow on what lies below.

    Args:
        picture: (size, size, 3) uint8 BGR, in place.
        shadow: how dark the shadows are, 0..1.
    """
    for index, lock in enumerate(locks):
        fall = bool(lock.ground) * canvas.mask(_cover(lock, 0.95) + np.array([0.012, 0.016]), 0.014)
        dark = 1 - shadow * fall[..., None] * np.array([1.0, 0.94, 0.84], np.float32)
        shaded = picture * dark
        ground = canvas.mask(_cover(lock, lock.ground), 0.010)[..., None]
        deep = to_srgb(colour * 0.30 * lock.shade)[::-1] * 255
        picture[:] = (shaded + ground * (deep - shaded)).astype(np.uint8)
        paint_lock(canvas, picture, lock, colour, gloss, light, seed + index)
