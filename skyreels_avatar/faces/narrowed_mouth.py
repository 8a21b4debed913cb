"""Narrow mouths that are wide open in footage and that the new voice wants less open.

The rig moves lips up and down: those of a shout, long arcs, would fold. As in a picture
(`closed_mouth`) each lip is unrolled along the line where lips meet, here as far as it has to be,
in tilted and in turned heads, too.
"""

from __future__ import annotations

import numpy as np
import torch

from skyreels_avatar.faces.alignment import RIGID, fit_similarity
from skyreels_avatar.faces.closed_mouth import (
    BOX,
    mouth_layers,
    moved_points,
    shut_lips,
    unrolled,
)
from skyreels_avatar.faces.template import template
from skyreels_avatar.rig.far_lips import turned_away
from skyreels_avatar.rig.geometry import (
    INNER_LOWER,
    INNER_UPPER,
    FaceFrame,
    head_turn,
    lip_gap,
    row_slant,
    smoothstep,
)

Box = tuple[float, float, float, float]

WIDE = (0.045, 0.085)  # of H, gaps between which mouths come to be unrolled
LEAST_SHARE = 0.02  # of the way to shut lips: less is left to the rig
# Radians of a head's turn over which that ends. The far side of a mouth is not seen then: videos
# of heads turned by up to 0.55 were better with it, three of six by 0.6 to 0.9 had webs there.
TURNED = (0.62, 0.5)
SHADED = 0.8  # of that way, from which the shadow where lips meet appears
INSIDE = 0.88  # of what may change: the face is shorter once its jaw is raised


def narrowing(points: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return (F,) in 0..1, how far open mouths are shut before the rig moves them.

    Args:
        points: (F, 478, 3) face coordinates in the footage.
        wanted: (F,) lip gaps that the new voice wants, of H.
    """
    gaps, (low, high) = lip_gap(points), WIDE
    wide = ((gaps - low) / (high - low)).clamp(0.0, 1.0)
    share = wide * (1 - wanted.clamp_min(0.0) / gaps.clamp_min(1e-4)).clamp(0.0, 1.0)
    share = share * smoothstep(*TURNED, head_turn(points).abs())
    return share.where(share > LEAST_SHARE, 0.0)


def narrow_mouths(
    pixels: np.ndarray, landmarks: np.ndarray, shares: np.ndarray, region: Box | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures whose mouths are partly shut, jaws with them, and the landmarks there.

    Args:
        pixels: (F, H, W, 3) uint8.
        landmarks: (F, 478, 3) in their pixels.
        shares: (F,) of `narrowing`.
        region: left, top, right, bottom in face coordinates of what may change; None is all.
    """
    found, points = pixels, landmarks
    for index in np.flatnonzero(shares):
        if found is pixels:
            found, points = pixels.copy(), landmarks.copy()
        found[index], points[index] = _narrowed(
            pixels[index], landmarks[index], float(shares[index]), region
        )
    return found, points


def _narrowed(
    pixels: np.ndarray, landmarks: np.ndarray, share: float, region: Box | None
) -> tuple[np.ndarray, np.ndarray]:
    frame = FaceFrame.of(torch.from_numpy(landmarks).float()[None])
    points = frame.points[0].numpy().astype(np.float64)
    flat = points[:, :2]
    slant = float(row_slant(frame.points)[0])
    hidden = tuple(turned_away(frame.points)[0].tolist())
    shut = shut_lips(flat, _average_in_pose(landmarks), slant, hidden)
    layers = [
        (source, source + share * (target - source), stiffness)
        for source, target, stiffness in mouth_layers(points, shut)
    ]
    lips = {index: flat[index] + share * (place - flat[index]) for index, place in shut.items()}
    seam = np.stack([(lips[up] + lips[low]) / 2 for up, low in zip(INNER_UPPER, INNER_LOWER)])
    seam[:, 0] = np.maximum.accumulate(seam[:, 0])
    box = BOX if region is None else tuple(INSIDE * side for side in region)
    shade = max(0.0, (share - SHADED) / (1 - SHADED))
    picture = unrolled(pixels, frame, layers, seam, box, shade)
    moved = landmarks.copy()
    places = torch.from_numpy(moved_points(flat, layers, lips)).float()
    moved[:, :2] = frame.to_pixels(places[None])[0].numpy()
    return picture, moved


def _average_in_pose(landmarks: np.ndarray) -> np.ndarray:
    """Return (478, 2) the average face turned as a face (478, 3) px is, from its lips' middle."""
    _, rotation, _ = fit_similarity(landmarks[None, RIGID], template()[list(RIGID)])
    turned = torch.from_numpy(template() @ rotation[0]).float()
    flat = FaceFrame.of(turned[None]).points[0, :, :2].numpy().astype(np.float64)
    return flat - (flat[13] + flat[14]) / 2
