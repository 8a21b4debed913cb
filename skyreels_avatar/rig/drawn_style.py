"""How a flat drawing is drawn: its lines, and the flat colors inside an open mouth.

What a photo has between its lips looks wrong in a drawing. There an open mouth is a flat patch
with the drawing's own line round it, a tongue in a second color, and teeth, if at all, as a band.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch

from skyreels_avatar.rig.geometry import (
    FACE_OVAL,
    INNER_LOWER,
    INNER_UPPER,
    SHUT_GAP,
    interpolate_curves,
    smoothstep,
)

FACE_PX = 240  # height to which a face is scaled
# The 20th percentile of the color's slope over the skin, CIE Lab units a pixel. Flat drawings have
# 0.00 to 0.13, also in crayon and on rough paper; 34 portraits, of them photos, paintings and 3-D
# cartoons, 0.23 and more.
FLAT_SLOPE = 0.16
_SLOPE_SIGMA = 3.0
_LINE = (0.004, 0.02)  # of H, the thinnest and the thickest line round a mouth
_GREY = 6.0  # of chroma, CIE Lab; less is a drawing in black and white
_INSIDE, _TONGUE = (0.50, 0.16, 0.18), (0.86, 0.44, 0.45)  # in light skin
_GREY_INSIDE, _GREY_TONGUE, _TEETH = 0.22, 0.55, 0.97
_WHITE = 0.78  # of every color in [0, 1]; darker is no tooth
_TEETH_FROM = (0.065, 0.09)  # of H, half the mouth's width: smaller mouths are drawn without


@dataclass(frozen=True)
class DrawnStyle:
    """The colors (3,) of a drawn mouth, in [0, 1], and its line.

    Attributes:
        ink: of the line.
        inside, tongue, teeth: of an open mouth.
        line: () thickness in H.
        shown: () height in H of the teeth that the drawing shows; 0 = none.
    """

    ink: torch.Tensor
    inside: torch.Tensor
    tongue: torch.Tensor
    teeth: torch.Tensor
    line: torch.Tensor
    shown: torch.Tensor

    def to(self, device: torch.device) -> DrawnStyle:
        """Return the same on another device."""
        return DrawnStyle(*(getattr(self, field.name).to(device) for field in fields(self)))


def face_crop(
    pixels: np.ndarray, landmarks: np.ndarray, angle: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return an upright crop with the face FACE_PX high, and (2, 3) from the picture to it.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        landmarks: (478, 3) pixels.
        angle: of the head, in radians, clockwise.
    """
    points = landmarks[:, :2].astype(np.float64)
    middle = (points.min(0) + points.max(0)) / 2
    scale = FACE_PX / max(float(np.linalg.norm(points[152] - points[10])), 1.0)
    side = round(1.9 * FACE_PX)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * scale
    matrix = np.concatenate([turn, (side / 2 - turn @ middle)[:, None]], 1)
    if scale < 0.7:
        pixels = cv2.GaussianBlur(pixels, (0, 0), 0.4 / scale)
    crop = cv2.warpAffine(
        pixels, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return crop, matrix


def to_lab(pixels: np.ndarray) -> np.ndarray:
    """Return CIE Lab (..., 3) float32 of sRGB bytes."""
    return cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def skin_slope(pixels: np.ndarray, landmarks: np.ndarray) -> float:
    """Return how uneven the skin of a face is; below FLAT_SLOPE it is a flat drawing's.

    Args:
        pixels: (H, W, 3) uint8 sRGB.
        landmarks: (478, 3) pixels.
    """
    crop, matrix = face_crop(pixels, landmarks)
    oval = np.zeros(crop.shape[:2], np.uint8)
    ring = landmarks[list(FACE_OVAL), :2] @ matrix[:, :2].T + matrix[:, 2]
    cv2.fillPoly(oval, [np.round(ring).astype(np.int32)], 1)
    inner = cv2.erode(oval, np.ones((25, 25))) > 0
    if inner.sum() < 400:
        return np.inf
    soft = cv2.GaussianBlur(to_lab(crop), (0, 0), _SLOPE_SIGMA)
    slopes = [
        np.linalg.norm(cv2.Sobel(soft, -1, *axes, ksize=3), axis=2) / 8 for axes in ((1, 0), (0, 1))
    ]
    return float(np.percentile(np.hypot(*slopes)[inner], 20))


def is_flat(pixels: np.ndarray, landmarks: np.ndarray) -> bool:
    """Return whether a face is a flat drawing's; arguments as in `skin_slope`."""
    return skin_slope(pixels, landmarks) <= FLAT_SLOPE


def find_style(frame: torch.Tensor, landmarks: torch.Tensor) -> DrawnStyle | None:
    """Return how the mouth of a flat drawing is drawn; None for photos and paintings.

    Args:
        frame: (3, h, w) in [0, 1].
        landmarks: (478, 3) in pixels, where the drawing shows its mouth.
    """
    pixels = (frame.permute(1, 2, 0).numpy() * 255 + 0.5).clip(0, 255).astype(np.uint8)
    points = landmarks.numpy()
    if not is_flat(pixels, points):
        return None
    crop, matrix = face_crop(pixels, points)
    upper, lower = (
        points[list(ring), :2] @ matrix[:, :2].T + matrix[:, 2]
        for ring in (INNER_UPPER, INNER_LOWER)
    )
    color = crop.astype(np.float32) / 255
    light = to_lab(crop)[..., 0]
    skin = np.median(color[_ring_round(upper, lower, light.shape)], 0)
    rows = np.arange(light.shape[0])[:, None]
    near, line = np.zeros(light.shape, bool), []
    reach = 0.03 * FACE_PX
    for (x, top), (_, low) in zip(upper[2:9], lower[2:9]):
        column = (rows > top - reach) & (rows < low + reach)
        near[:, int(x)] = column[:, 0]
        values = light[column[:, 0], int(x)]
        line.append((values < (values.min() + np.median(values)) / 2).sum())
    inked = color[near]
    darkest = inked[inked.sum(1) <= np.percentile(inked.sum(1), 12)]
    ink = np.median(darkest, 0) if len(darkest) else 0.45 * skin
    if skin.sum() - ink.sum() < 0.15:
        ink = 0.45 * skin
    gap = (lower - upper)[2:9, 1].mean()
    opened = bool(gap > SHUT_GAP * FACE_PX)
    inside, tongue, teeth = _inside_colors(
        color, np.concatenate([upper, lower[::-1]]), skin, opened
    )
    grin = opened and bool(inside.min() > _WHITE)
    if grin:
        teeth, (inside, tongue, _) = inside, _inside_colors(color, upper, skin, False)
    colors = (ink, inside, tongue, teeth)
    thick = 2 * _LINE[0] if opened else float(np.median(line)) / FACE_PX
    shown = float(gap) / FACE_PX if grin else 0.0
    return DrawnStyle(
        *(torch.from_numpy(np.asarray(one, np.float32)) for one in colors),
        torch.tensor(float(np.clip(thick, *_LINE))),
        torch.tensor(shown),
    )


def _inside_colors(
    color: np.ndarray, outline: np.ndarray, skin: np.ndarray, opened: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the colors (3,) of the inside, the tongue and the teeth of a drawn mouth.

    Args:
        color: (h, w, 3) in [0, 1].
        outline: (K, 2) of the mouth in it.
        skin: (3,) round the mouth.
        opened: the drawing shows the inside.
    """
    chroma = np.hypot(*np.moveaxis(to_lab(np.round(255 * color))[..., 1:], -1, 0))
    bright = float(skin.max().clip(0.25, 1.0)) ** 0.5
    if float(chroma.mean()) < _GREY:
        inside, tongue = np.full(3, _GREY_INSIDE), np.full(3, _GREY_TONGUE)
    else:
        inside, tongue = np.array(_INSIDE) * bright, np.array(_TONGUE) * bright
    opening = np.zeros(color.shape[:2], np.uint8)
    cv2.fillPoly(opening, [np.round(outline).astype(np.int32)], 1)
    inner = cv2.erode(opening, np.ones((7, 7)))  # without the blend with the line
    shown = color[(inner if inner.sum() > 12 else cv2.erode(opening, np.ones((3, 3)))) > 0]
    if opened and len(shown) > 12:
        order = shown[shown.sum(1).argsort()]
        inside = np.median(order[: -len(order) // 4], 0)
        brightest = np.median(order[-len(order) // 5 :], 0)
        if brightest.mean() - inside.mean() > 0.06:
            tongue = brightest
    return inside, tongue, np.full(3, _TEETH) * bright


def _ring_round(upper: np.ndarray, lower: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a mask of the skin round a mouth."""
    mask = np.zeros(shape, np.uint8)
    outline = np.round(np.concatenate([upper, lower[::-1]])).astype(np.int32)
    cv2.polylines(mask, [outline], True, 1, 1)
    cv2.fillPoly(mask, [outline], 1)
    wide, close = (round(share * FACE_PX) for share in (0.10, 0.06))
    ring = cv2.dilate(mask, np.ones((wide, wide))) - cv2.dilate(mask, np.ones((close, close)))
    return ring > 0


def paint_drawn_mouth(
    x: torch.Tensor,
    y: torch.Tensor,
    edges: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    style: DrawnStyle,
    pixel: torch.Tensor,
) -> torch.Tensor:
    """Return the colors (F, 3, N) of an open drawn mouth at face coordinates.

    Args:
        x, y: (F, N) in H.
        edges: columns (F, K), and face y (F, K) of the upper and the lower lip's inner edge.
        style: of the drawing.
        pixel: (F, 1) size of a pixel in H.
    """
    columns, upper, lower = edges
    step = (columns[:, 1:] - columns[:, :-1]).clamp_min(1e-5)
    tilts = []
    for edge in (upper, lower):
        tilt = (edge[:, 1:] - edge[:, :-1]) / step
        tilt = torch.cat([tilt[:, :1], (tilt[:, 1:] + tilt[:, :-1]) / 2, tilt[:, -1:]], 1)
        tilts.append((1 + tilt**2).sqrt())
    top, low, tilt_up, tilt_low = interpolate_curves(x, columns, upper, lower, *tilts)
    opened = lower > upper + 1e-4
    far = columns.abs().amax() + 1
    left = torch.where(opened, columns, far).amin(1, keepdim=True)
    right = torch.where(opened, columns, -far).amax(1, keepdim=True)
    half, middle = ((right - left) / 2).clamp_min(1e-3), (left + right) / 2
    height = (lower - upper).amax(1, keepdim=True)
    floor = torch.where(opened, lower, lower.amin()).amax(1, keepdim=True)
    across = (x - middle) / half

    def step_at(distance: torch.Tensor) -> torch.Tensor:
        return (distance / pixel + 0.5).clamp(0.0, 1.0)

    tongue = 1 - ((across / 0.66) ** 2 + ((floor - y) / (0.42 * height).clamp_min(1e-3)) ** 2)
    tongue = step_at(0.2 * height * tongue) * smoothstep(0.015, 0.03, height)
    if bool(style.shown > 0):
        teeth = step_at(1.4 * style.shown - (y - top))
    else:
        band = (0.30 * height).clamp_max(0.022)
        wide = smoothstep(*_TEETH_FROM, half) * smoothstep(0.02, 0.035, height)
        teeth = step_at(band - (y - top)) * wide
    rim = torch.minimum((y - top) / tilt_up, (low - y) / tilt_low)
    ink = step_at(style.line / 2 - rim)
    color = style.inside[:, None].expand(len(x), 3, x.shape[1])
    for share, paint in ((tongue, style.tongue), (teeth, style.teeth), (ink, style.ink)):
        color = torch.lerp(color, paint[:, None], share[:, None])
    return color
