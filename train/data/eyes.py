"""Eyes of every kind for the eye finder: photos made larger and stranger, and drawn ones.

The mesh is right on photos. So photos are the source of truth: the eye is magnified, the picture
turned into something like a painting or a statue, and the crop set where a mesh that errs would
set it. Others are drawn over it, as cartoons do, from ellipses of random proportions.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from skyreels_avatar.rig.eye_finder import CROP_HALF, CROP_PX, eye_crop
from skyreels_avatar.rig.geometry import EYES, IRISES, FaceFrame
from train.data.simulate.portraits import FacePicture

WIDE_HALF = 0.5  # of H: half the side of the stored crops
REACH = np.float32([0.125, 0.085])  # of H: half axes of what is magnified as a whole
FADES = 1.9  # times those, beyond which nothing is magnified
DRAWN_SHARE = 0.45
GLASSES_SHARE = 0.35
_FINE = 2  # drawn this much larger
_SMOOTH = (cv2.LINE_AA, 4)  # and at sixteenths of a pixel


@dataclass(frozen=True)
class EyeCrop:
    """An eye of a photo: (64, 64, 3) uint8 over +-0.5 H round it, and where its parts are.

    Attributes:
        points: (17, 2) lids and iris as `EyeFinder` gives them, of H from the middle.
        radius: of the iris, of H.
    """

    pixels: np.ndarray
    points: np.ndarray
    radius: float


def eye_crops(face: FacePicture) -> list[EyeCrop]:
    """Return both eyes of a portrait, the left one mirrored."""
    frame = FaceFrame.of(torch.from_numpy(face.landmarks).float()[None])
    flat, pixels, crops = frame.points[0, :, :2].numpy(), face.pixels(), []
    for eye, (upper, lower, _, _) in enumerate(EYES):
        lids = np.concatenate([flat[list(upper)], flat[list(lower[1:-1])]])
        iris = flat[list(IRISES[eye])]
        middle = flat[[upper[0], upper[-1]]].mean(0)
        points = np.concatenate([lids, iris[:1]]) - middle
        if eye:
            points = points * np.float32([-1, 1])
            points = np.concatenate([points[:9][::-1], points[9:16][::-1], points[16:]])
        wide = _wide(pixels, frame, middle, eye == 1)
        radius = float(np.linalg.norm(iris[1:] - iris[0], axis=1).mean())
        crops.append(EyeCrop(wide, points.astype(np.float32), radius))
    return crops


def _wide(pixels: np.ndarray, frame: FaceFrame, middle: np.ndarray, mirrored: bool) -> np.ndarray:
    """Return (128, 128, 3), four crops side by side."""
    half, sign = WIDE_HALF / 2, -1 if mirrored else 1
    rows = []
    for y in (-half, half):
        offsets = [np.float32([sign * x, y]) for x in (-half, half)]
        rows.append([eye_crop(pixels, frame, middle + at, half, mirrored) for at in offsets])
    return np.concatenate([np.concatenate(row, 1) for row in rows])


def sample(crop: EyeCrop, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """Return a training picture (64, 64, 3) uint8, points (17, 2) and radius in crop units."""
    drawn = rng.random() < DRAWN_SHARE
    magnified = np.ones(2, np.float32)
    if not drawn and rng.random() < 0.65:
        magnified = np.exp(rng.normal(0.25, 0.32, 2)).clip(0.7, 2.3).astype(np.float32)
    turn = rng.normal(0, 0.09)
    half = CROP_HALF * np.exp(rng.normal(0, 0.16))
    offset = rng.normal(0, 0.045, 2).astype(np.float32)
    size = CROP_PX * _FINE
    to_eye = np.float32([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    place = np.stack(np.meshgrid(axis, axis), -1) * np.float32(half) + offset
    place = place @ to_eye.T
    source = place * _unmagnified(place, magnified)
    at = ((source / WIDE_HALF + 1) * len(crop.pixels) / 2 - 0.5).astype(np.float32)
    picture = cv2.remap(
        crop.pixels, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    points, radius = crop.points * magnified, crop.radius * float(magnified.mean())

    def to_crop(xy: np.ndarray) -> np.ndarray:
        return (xy @ to_eye - offset) / np.float32(half)

    points, radius = to_crop(points), radius / half
    if drawn:
        points, radius = draw_eye(picture, points[:16].mean(0), 1 / half, rng)
    if rng.random() < GLASSES_SHARE:
        _put_glasses_on(picture, (to_crop(np.zeros(2, np.float32))), 1 / half, rng)
    picture = _styled(picture, points, rng)
    return picture, points.astype(np.float32), float(radius)


def _unmagnified(place: np.ndarray, magnified: np.ndarray) -> np.ndarray:
    """Return factors (..., 2) that lead from a magnified eye back to the photo's."""
    far = np.linalg.norm(place / (REACH * magnified), axis=-1, keepdims=True)
    share = ((FADES - far) / (FADES - 1)).clip(0, 1)
    share = share * share * (3 - 2 * share)
    return 1 + (1 / magnified - 1) * share


def draw_eye(
    picture: np.ndarray, middle: np.ndarray, per_h: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Draw a cartoon's eye over a picture (S, S, 3) uint8, in place; return points and radius.

    Args:
        middle: (2,) of the eye that is covered, in crop units.
        per_h: crop units in a face height.
    """
    middle = middle + rng.normal(0, 0.03, 2) * per_h
    wide = rng.uniform(0.07, 0.17) * per_h
    up, low = wide * rng.uniform(0.25, 1.15), wide * rng.uniform(0.15, 1.05)
    tilt = rng.normal(0, 0.12)
    power = rng.uniform(1.7, 3.0, 2)
    turned = np.float32([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    # A round eye has no sharp corners: its sides are steep.
    bow = 0.5 if up + low > 1.1 * wide else 0.9

    def lids(number: int) -> list[np.ndarray]:
        across = np.linspace(-1, 1, number)
        heights = [
            side * (1 - np.abs(across) ** one).clip(0) ** bow
            for side, one in zip((-up, low), power)
        ]
        return [np.stack([across * wide, one], -1) @ turned + middle for one in heights]

    radius = rng.uniform(0.3, 0.62) * min(wide, (up + low) / 1.3)
    aside = rng.normal(0, 0.2) * wide
    iris = middle + np.float32([aside, (low - up) / 2 + rng.normal(0, 0.12) * (up + low)])
    skin = np.median(picture[-len(picture) // 5 :].reshape(-1, 3), axis=0)
    skin = (skin * rng.uniform(0.85, 1.1)).clip(0, 255)
    axes = np.array([max(1.25 * wide, 0.125 * per_h), max(1.2 * max(up, low), 0.075 * per_h)])
    _cover(picture, skin, middle, axes, float(np.degrees(tilt)), rng)
    top, bottom = lids(41)
    _paint_ball(picture, np.concatenate([top, bottom[::-1]]), iris, radius, rng)
    line = rng.uniform(0, 0.5, 3) * skin
    size = len(picture)
    for curve, thickness in ((top, rng.uniform(0.01, 0.06)), (bottom, rng.uniform(0, 0.025))):
        if width := round(thickness * size):
            cv2.polylines(picture, [_px(curve, size)], False, line.tolist(), width, *_SMOOTH)
    for root in top[rng.integers(0, 41, rng.integers(0, 12))]:  # lashes
        away = (root - middle) / max(float(np.linalg.norm(root - middle)), 1e-3)
        ends = _px(np.stack([root, root + away * rng.uniform(0.04, 0.2)]), size)
        cv2.polylines(picture, [ends], False, line.tolist(), int(rng.integers(1, 4)), *_SMOOTH)
    upper, lower = lids(9)
    return np.concatenate([upper, lower[1:-1], iris[None]]).astype(np.float32), radius


def _px(points: np.ndarray, size: int) -> np.ndarray:
    """Return sixteenths of pixels, as OpenCV draws them, of (N, 2) in crop units."""
    return np.round((points + 1) * size / 2 * 16).astype(np.int32)


def _cover(
    picture: np.ndarray,
    skin: np.ndarray,
    middle: np.ndarray,
    axes: np.ndarray,
    tilt_deg: float,
    rng: np.random.Generator,
) -> None:
    """Lay skin over the eye of the photo: an ellipse of half axes (2,) in crop units."""
    size = len(picture)
    cover = np.zeros(picture.shape[:2], np.float32)
    half = (axes * size / 2 * 16).astype(int).tolist()
    at = _px(middle[None], size)[0].tolist()
    cv2.ellipse(cover, at, half, tilt_deg, 0, 360, 1.0, -1, *_SMOOTH)
    cover = cv2.GaussianBlur(cover, (0, 0), 0.04 * size)[..., None]
    shade = np.linspace(*rng.uniform(0.8, 1.15, 2), size)[:, None, None]
    picture[:] = (picture + cover * (skin * shade - picture)).clip(0, 255)


def _paint_ball(
    picture: np.ndarray,
    outline: np.ndarray,
    iris: np.ndarray,
    radius: float,
    rng: np.random.Generator,
) -> None:
    """Fill an outline (N, 2) with the white, an iris and a pupil, a light and a shadow."""
    size = len(picture)
    inside = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(inside, [_px(outline, size)], 255, *_SMOOTH)
    ball = np.empty_like(picture)
    ball[:] = rng.uniform(190, 255) * (1 - rng.uniform(0, 0.25, 3) * rng.random())
    at, reach = _px(iris[None], size)[0].tolist(), radius * size / 2 * 16
    colour = rng.uniform(10, 200, 3)
    cv2.circle(ball, at, int(reach), (0.4 * colour).tolist(), -1, *_SMOOTH)
    cv2.circle(ball, at, int(0.88 * reach), colour.tolist(), -1, *_SMOOTH)
    cv2.circle(ball, at, int(rng.uniform(0.3, 0.75) * reach), (12, 10, 10), -1, *_SMOOTH)
    light = iris[None] + radius * np.float32([rng.normal(0.2, 0.3), -rng.uniform(0.1, 0.6)])
    spot = int(rng.uniform(0.1, 0.3) * reach)
    cv2.circle(ball, _px(light, size)[0].tolist(), spot, (250, 250, 250), -1, *_SMOOTH)
    dark = 1 - rng.uniform(0, 0.5) * np.linspace(1, 0, size)[:, None, None] ** 2
    picture[:] = (picture + inside[..., None] / 255.0 * (ball * dark - picture)).clip(0, 255)


def _put_glasses_on(
    picture: np.ndarray, middle: np.ndarray, per_h: float, rng: np.random.Generator
) -> None:
    """Draw a lens round (2,) a place in crop units, with rim, tint and reflections, in place."""
    size = len(picture)
    middle = middle + rng.normal(0, 0.025, 2) * per_h
    wide = rng.uniform(0.13, 0.22) * per_h
    high = wide * rng.uniform(0.55, 1.0)
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    round_to = rng.uniform(0.35, 1.0)  # 1 is an ellipse, less has corners
    shape = np.stack([np.cos(angle), np.sin(angle)], -1)
    shape = np.sign(shape) * np.abs(shape) ** round_to * np.array([wide, high]) + middle
    lens = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(lens, [_px(shape, size)], 255, *_SMOOTH)
    tint = rng.uniform(0, 255, 3) if rng.random() < 0.3 else np.full(3, 255.0)
    glare = np.zeros(picture.shape[:2], np.float32)
    for _ in range(rng.integers(0, 3)):
        at = _px((middle + rng.normal(0, 0.5, 2) * wide)[None], size)[0].tolist()
        half = (rng.uniform(0.1, 0.6, 2) * wide * size / 2 * 16).astype(int).tolist()
        cv2.ellipse(
            glare, at, half, rng.uniform(0, 180), 0, 360, rng.uniform(0.1, 0.6), -1, *_SMOOTH
        )
    glare = cv2.GaussianBlur(glare, (0, 0), rng.uniform(0.5, 5))[..., None]
    share = lens[..., None] / 255.0
    light = rng.uniform(150, 255, 3)
    through = picture + rng.uniform(0, 0.4) * (tint * picture.mean() / 160 - picture)
    picture[:] = (picture + share * (through + glare * (light - through) - picture)).clip(0, 255)
    rim = (rng.uniform(0, 90) if rng.random() < 0.7 else rng.uniform(90, 230)) * rng.uniform(
        0.6, 1.0, 3
    )
    width = int(rng.integers(1, 10))
    cv2.polylines(picture, [_px(shape, size)], True, rim.tolist(), width, *_SMOOTH)


def _styled(picture: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (64, 64, 3) uint8: painted, carved, lit, coloured, blurred and noisy by chance."""
    size = len(picture)
    if rng.random() < 0.2:
        picture = cv2.bilateralFilter(picture, 7, rng.uniform(30, 90), 5)
    if rng.random() < 0.15:
        picture = cv2.medianBlur(picture, int(rng.choice([3, 5, 7])))
    image = picture.astype(np.float32)
    if rng.random() < 0.2:  # stone and clay have eyes of the colour of skin
        stone = image.mean(2, keepdims=True)
        outline = np.round((points[[*range(9), *range(15, 8, -1)]] + 1) * size / 2).astype(np.int32)
        inside = cv2.fillPoly(np.zeros(image.shape[:2], np.float32), [outline], 1.0)
        inside = cv2.GaussianBlur(inside, (0, 0), 0.01 * size)[..., None] * rng.uniform(0.3, 0.95)
        skin = np.median(stone)
        stone = stone + inside * (skin + 0.3 * (stone - stone.mean()) - stone)
        image = stone * rng.uniform(0.8, 1.1, 3).astype(np.float32)
    elif rng.random() < 0.2:
        image = image.mean(2, keepdims=True) * rng.uniform(0.8, 1.1, 3).astype(np.float32)
    slope = np.float32(rng.normal(0, 0.25, 2))
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    image = image * (1 + slope[0] * axis + slope[1] * axis[:, None])[..., None]
    image = image * rng.uniform(0.75, 1.2, 3).astype(np.float32)
    image = 255 * (image.clip(0, 255) / 255) ** np.float32(np.exp(rng.normal(0, 0.3)))
    image = cv2.resize(image, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    image = image + rng.normal(0, rng.uniform(0, 8), image.shape)
    return image.clip(0, 255).astype(np.uint8)
