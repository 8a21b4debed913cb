"""Refine a person's matte by colors: strands of hair, and edges before an even background.

Pixels near the outline mix the person's color there with the background's: where both are even
and far from each other, their shares follow from the picture itself. Elsewhere the given matte
stays.
"""

from __future__ import annotations

import cv2
import numpy as np

from skyreels_avatar.camera.fill import SMOOTH_SHARE, spread

REACH_SHARE = 0.055
"""Strands are looked for up to this share of the long side from the matte."""

INSIDE_SHARE = 0.006
"""The matte may shrink by this share of the long side."""

CONTRAST = (3.0, 6.0)
"""Distance of both colors, in standard deviations of the background, from which their mixture is
believed a little, and entirely."""

APART = (0.2, 0.4)
"""The same as a distance in RGB: things of about the color of the hair stand in many rooms."""

NOISE = 0.012
"""Standard deviation that every background has at least."""

FULL = 0.92
"""From this share on a pixel is all the person's: hair is uneven. Small shares stay small shares:
what is left of them in the background would stay there as a rim."""

ASIDE = 0.35
"""A color further than this share of the contrast from every mixture is something else."""

ENOUGH = 0.8
"""Less than this part of the share that a pixel needs is none: the rest of its color would have to
be the background's, and hair would be in both layers."""

TOLERANCE = 0.06
"""So far the background may be from what is known of it; so far and its standard deviation a
pixel needs no person."""

DENSE = 0.6
"""Of the person from this share on also where it is broad, a lock of hair."""

CLEAR = 0.25
"""From this share on things that go on into the background are believed."""

FOLLOWED = 1.2
"""What goes on into the background is followed this many times the reach: lines slant."""

SPECK_PX = 3
"""Smaller specks than this many pixels are noise."""


def refine_matte(picture: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """Return a matte (H, W) float32 that follows hair where colors tell it from the background.

    Args:
        picture: (H, W, 3) float32 in [0, 1].
        matte: (H, W) float32 in 0..1, right up to a few pixels but for strands.
    """
    long_side = max(matte.shape)
    person = _eroded(matte > 0.9, INSIDE_SHARE * long_side)
    near = _dilated(matte > 0.1, REACH_SHARE * long_side)
    if not person.any() or near.all():
        return matte
    behind = _surroundings(picture, ~near)
    before = spread(picture, person)
    contrast = before - behind[..., :3]
    square = np.einsum("hwc,hwc->hw", contrast, contrast) + 1e-6
    mixed = picture - behind[..., :3]
    share = np.einsum("hwc,hwc->hw", mixed, contrast) / square
    aside = mixed - share[..., None] * contrast
    aside = np.sqrt(np.einsum("hwc,hwc->hw", aside, aside) / square)
    fits = np.exp(-((aside / ASIDE) ** 2))
    deviation = np.sqrt(behind[..., 3:].clip(0))
    likely, least = (
        least_share(picture, behind[..., :3], TOLERANCE + more) for more in (deviation, 0)
    )
    share = np.maximum(share / FULL, likely).clip(0, 1)
    deviations = np.sqrt(square / (behind[..., 3].clip(0) + NOISE**2))
    trust = fits * ((deviations - CONTRAST[0]) / (CONTRAST[1] - CONTRAST[0])).clip(0, 1)
    trust *= ((np.sqrt(square) - APART[0]) / (APART[1] - APART[0])).clip(0, 1)
    trust *= near & ~person
    outside = cv2.distanceTransform((matte < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    strands = share * trust
    strands *= (4 - 4 * outside / (REACH_SHARE * long_side)).clip(0, 1) * _own(strands, matte, near)
    strands = _thin(strands, outside, INSIDE_SHARE * long_side)
    strands[strands < ENOUGH * least] = 0
    # Close to the outline the mixture replaces the matte, further out it can only add to it.
    close = (2 - outside / (INSIDE_SHARE * long_side)).clip(0, 1) * trust
    return np.maximum(matte + close * (share - matte), strands).astype(np.float32)


def least_share(
    picture: np.ndarray, behind: np.ndarray, tolerance: np.ndarray | float
) -> np.ndarray:
    """Return the share (H, W) of a person that pixels need at least, whatever its color."""
    darker = (behind - picture - tolerance) / np.maximum(behind, TOLERANCE)
    lighter = (picture - behind - tolerance) / np.maximum(1 - behind, TOLERANCE)
    return np.maximum(darker, lighter).max(axis=-1).clip(0, 1)


def _surroundings(picture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return (H, W, 4): color and variance of the known background, spread into the unknown."""
    weight = known.astype(np.float32)
    sigma = SMOOTH_SHARE * max(known.shape)

    def mean(values: np.ndarray) -> np.ndarray:
        total = cv2.GaussianBlur(values * weight[..., None], (0, 0), sigma)
        return total / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)[..., None]

    even = mean(picture)
    square = ((picture - even) ** 2).sum(-1, keepdims=True)
    variance = cv2.GaussianBlur(square[..., 0] * weight, (0, 0), sigma)
    variance /= np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)
    return spread(np.concatenate([even, variance[..., None]], -1).astype(np.float32), known)


def _thin(strands: np.ndarray, outside: np.ndarray, width: float) -> np.ndarray:
    """Return strands without what is broad and faint further out than a width: shadows."""
    away = outside > width
    broad = cv2.morphologyEx(strands * away, cv2.MORPH_OPEN, _disc(0.5 * width + 1))
    return strands - broad * away * (broad < DENSE)


def _own(strands: np.ndarray, matte: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return (H, W) bool: without what goes on into the background, and without specks.

    What goes on is followed inwards as far as strands are looked for, so that hair which touches a
    line of the background is kept.
    """
    outside = matte < 0.5
    found, clear = (((strands > least) & outside).astype(np.uint8) for least in (0.15, CLEAR))
    beyond = (~near).astype(np.uint8)
    goes_on = beyond
    for _ in range(round(FOLLOWED * REACH_SHARE * max(matte.shape))):
        goes_on = cv2.dilate(goes_on, np.ones((3, 3), np.uint8)) & clear | beyond
    found &= ~goes_on
    _, labels, stats, _ = cv2.connectedComponentsWithStats(found)
    kept = stats[:, cv2.CC_STAT_AREA] >= SPECK_PX
    kept[0] = True
    return kept[labels] & (goes_on == 0)


def _dilated(mask: np.ndarray, radius: float) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), _disc(radius)) > 0


def _eroded(mask: np.ndarray, radius: float) -> np.ndarray:
    return cv2.erode(mask.astype(np.uint8), _disc(radius)) > 0


def _disc(radius: float) -> np.ndarray:
    reach = max(1, round(radius))
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
