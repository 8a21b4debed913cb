"""Interpolate known values smoothly into unknown pixels: colors, depth, corrections."""

from __future__ import annotations

import cv2
import numpy as np

from skyreels_avatar.camera.across import continue_across

SMOOTH_SHARE = 0.03
"""Texture is what is finer than this share of the picture's long side; the rest is color."""

RELAXATIONS = 12

DETAIL_SHARE, AROUND_GRID = 0.03, 12
"""Details are finer than this share of the long side; their usual strength is the median of 5 x 5
cells, of so many across the picture and down."""

USUAL = 1.3
"""Times their usual strength, up to which details are kept."""

MIRROR_SOFT = 0.01
"""Directions across the border of the known are those of its course over this share of the long
side."""

MIRROR_SHARES = (1.1, 1.25, 1.5, 2.0)
"""How far to look, in distances to the known: the furthest that is known wins, 2 is a mirror."""


STRUCTURE_SHARE, STIFFNESS = 0.02, 2.0
"""Behind a person texture is finer than this share of the long side; the colors go on so many times
as far across the picture as down it."""

COARSE_PX = 4
"""Colors are interpolated at every fourth pixel."""

MIRRORED_SHARE = 0.03
"""Up to about this share of the long side from the known all is mirrored: a matte may cut hair."""

TEXTURE_LIMIT, SEAM = 0.08, 0.5
"""Largest contrast of mirrored texture, and within how many times the size of texture from the
known it sets in: edges of things fade, and nothing ends at the outline."""


def spread(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Interpolate values into unknown pixels, like a membrane fixed at the known ones.

    Args:
        values: (H, W, C) float32, anything where unknown.
        known: (H, W) bool.

    Returns:
        (H, W, C) float32, equal to `values` where known.
    """
    height, width = known.shape
    if known.all():
        return values
    if min(height, width) <= 2 or not known.any():
        weight = known[..., None].astype(np.float32)
        mean = (values * weight).sum((0, 1)) / max(1.0, float(weight.sum()))
        return np.where(known[..., None], values, mean).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    weight = known.astype(np.float32)
    coarse_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    coarse = resize(values * weight[..., None], half, cv2.INTER_AREA)
    coarse = coarse / np.maximum(coarse_weight, 1e-6)[..., None]
    coarse = spread(coarse, coarse_weight > 1e-3)
    filled = np.where(known[..., None], values, resize(coarse, (width, height), cv2.INTER_LINEAR))
    filled = filled.astype(np.float32)
    kernel = np.float32([[0.05, 0.2, 0.05], [0.2, 0.0, 0.2], [0.05, 0.2, 0.05]])
    for _ in range(RELAXATIONS):
        relaxed = cv2.filter2D(filled, -1, kernel, borderType=cv2.BORDER_REPLICATE)
        filled = np.where(known[..., None], values, relaxed.reshape(filled.shape))
    return filled


def reflect(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Continue a picture into unknown pixels as its mirror image at the border of the known.

    Lines and lights that end at the border go on beyond it, and texture stays texture. What moves
    uncover is a band beside a person: copied patches begin there with something else, as clouds.

    Args:
        picture: (H, W, 3) float32.
        known: (H, W) bool.

    Returns:
        (H, W, 3) float32, equal to `picture` where known, or everywhere if nothing is.
    """
    if known.all() or not known.any():
        return picture
    return np.where(known[..., None], picture, _looked_up(picture, _mirror_map(known)))


def _looked_up(picture: np.ndarray, source: np.ndarray) -> np.ndarray:
    return cv2.remap(picture, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _mirror_map(known: np.ndarray) -> np.ndarray:
    """Return the positions x, y (H, W, 2) of the mirror image at the border of the known."""
    away, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.nonzero(known)
    nearest = np.zeros((int(labels.max()) + 1, 2), np.float32)
    nearest[labels[rows, columns]] = np.stack([columns, rows], -1)
    source = nearest[labels]
    here = np.stack(np.indices(known.shape, np.float32)[::-1], -1)
    # Neighbors with another nearest pixel look in nearly the same direction.
    across = cv2.GaussianBlur(source - here, (0, 0), MIRROR_SOFT * max(known.shape))
    length = np.sqrt(np.einsum("hwc,hwc->hw", across, across))
    across *= (away / np.maximum(length, 1e-3)).clip(0, 3)[..., None]
    weight = known.astype(np.float32)
    for share in MIRROR_SHARES:
        at = here + np.float32(share) * across
        fits = cv2.remap(weight, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) > 0.99
        source = np.where(fits[..., None], at, source)
    return source


def interpolate_behind(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill unknown pixels with the colors of both sides and the mirrored texture beside them.

    Close to the known all is mirrored, so that what a matte cuts, such as hair, goes on. Where both
    sides fit, rows are joined instead (`continue_across`).

    A mirror image alone repeats whole objects and bends horizons along the outline of a person.
    The colors are a membrane's that is stiffer across the picture than down it: most rooms and
    landscapes change less from left to right.

    Args:
        picture: (H, W, 3) float32.
        known: (H, W) bool.

    Returns:
        (H, W, 3) float32, equal to `picture` where known, or everywhere if nothing is.
    """
    if known.all() or not known.any():
        return picture
    height, width = known.shape
    size = max(2, round(width / COARSE_PX)), max(2, round(height / COARSE_PX))
    coarse = cv2.resize(_structure(picture, known, size), (width, height))
    source = _mirror_map(known)
    mirrored = _looked_up(picture, source)
    texture = mirrored - _looked_up(coarse, source)
    away = cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, 5)[..., None]
    limit = TEXTURE_LIMIT + np.exp(-away / (SEAM * STRUCTURE_SHARE * max(known.shape)))
    filled = coarse + limit * np.tanh(texture / limit)
    near = np.exp(-((away / (MIRRORED_SHARE * max(known.shape))) ** 2))
    filled = filled + near * (mirrored - filled)
    across, trust = continue_across(picture, known)
    filled = (filled + trust[..., None] * (across - filled)).clip(0, 1)
    return np.where(known[..., None], picture, filled).astype(np.float32)


def _structure(picture: np.ndarray, known: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a picture without its texture, interpolated where unknown, of (width, height)."""
    sigma = STRUCTURE_SHARE * max(size)
    weight = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    colors = np.where(known[..., None], picture, np.float32(0))
    colors = cv2.GaussianBlur(cv2.resize(colors, size, interpolation=cv2.INTER_AREA), (0, 0), sigma)
    total = cv2.GaussianBlur(weight, (0, 0), sigma)
    colors = colors / np.maximum(total, 1e-3)[..., None]
    # Squeezed, an even membrane is a stiff one.
    narrow = max(2, round(size[0] / STIFFNESS)), size[1]
    portion = cv2.resize(weight, narrow, interpolation=cv2.INTER_AREA)[..., None]
    squeezed = cv2.resize(colors * weight[..., None], narrow, interpolation=cv2.INTER_AREA)
    squeezed = spread(squeezed / np.maximum(portion, 1e-6), portion[..., 0] > 0.5)
    stiff = cv2.resize(squeezed, size, interpolation=cv2.INTER_LINEAR)
    return stiff + spread(colors - stiff, weight > 0.5)


def defocus(picture: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Blur a picture (H, W, 3) by sigma (H, W) pixels, which differ from place to place."""
    blurred, result = picture, picture
    lower, upper = 0.0, 1.0
    while lower < float(sigma.max()):
        softer = cv2.GaussianBlur(picture, (0, 0), upper, borderType=cv2.BORDER_REPLICATE)
        share = np.clip((sigma - lower) / (upper - lower), 0.0, 1.0)[..., None]
        between = blurred + share * (softer - blurred)
        result = np.where(sigma[..., None] > lower, between, result)
        blurred, lower, upper = softer, upper, 2 * upper
    return result.astype(np.float32)


def without_unique_details(picture: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 3) without details that stand out from the texture round them.

    Leaves and folds may be repeated beyond a border; letters of a watermark are seen once.
    """
    long_side = max(picture.shape)
    base = cv2.GaussianBlur(picture, (0, 0), DETAIL_SHARE * long_side)
    details = picture - base
    # A median does not hear of strong ones that fill less than half of what is around them.
    size = [max(1, min(AROUND_GRID, side)) for side in picture.shape[1::-1]]
    strength = cv2.resize(np.abs(details), size, interpolation=cv2.INTER_AREA)
    padded = cv2.copyMakeBorder(strength, 2, 2, 2, 2, cv2.BORDER_REFLECT_101)
    usual = cv2.resize(cv2.medianBlur(padded, 5)[2:-2, 2:-2], picture.shape[1::-1])
    limit = USUAL * usual + 1e-3
    return base + limit * np.tanh(details / limit)


def resize(values: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    """Resize (H, W, C) to (width, height), keeping the channel axis also for one channel."""
    resized = cv2.resize(values, size, interpolation=interpolation)
    return resized.reshape(size[1], size[0], values.shape[2])
