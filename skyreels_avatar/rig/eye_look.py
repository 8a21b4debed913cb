"""What stands before the eyes of a photo, and how light its lids are.

Dark glasses hide the eyes: nothing moves behind them. Rims do not go with the brows, nor with a
lid that unfolds. The fold above an eye lies in the shade, and a lid unfolded from it would be a
smudge or a hole; it takes the light of the skin above and below the eye instead.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.drawn_style import FACE_PX, face_crop, to_lab
from skyreels_avatar.rig.geometry import BROW_EDGES, EYES, LARGE_EYE, smoothstep
from skyreels_avatar.rig.mouth_paint import luminance

# Measured on 34 test portraits: over the bridge of the nose colors differ by 23 and more (CIE Lab,
# 2 % of H apart, in a row all across) with dark or thick rims, by 16 and less without.
_BRIDGE = 18.0
_HIDDEN_LIGHT, _HIDDEN_CONTRAST = 0.45, 22.0  # of the cheeks' light; behind dark glasses
_RIM = 20.0  # difference of colors at the edge of a rim
_LID_LIGHT = 0.95  # of the light of the skin round the eye
_HOLLOW = (0.5, 0.8)  # of that light, where the lid's own is 0, and how fast it rises with that
_SHADED = 0.75  # of the light below the eye: darker, the skin above it is in the shade of the brow
_DARKER = (0.03, 0.16)  # than the skin round it, in light: from here on a lid is a smudge
_LIFTED = 0.95  # share of a smudge that gives way: some shade and texture stay
_CHEEKS = (50, 280, 205, 425, 101, 330, 117, 346, 36, 266)
_BRIDGE_CORNERS = (133, 362)
_LID_MOTION = tuple(MOTION_INDEX[name] for name in ("blink_r", "blink_l"))
_BEHIND = tuple(MOTION_INDEX[name] for name in ("gaze_x", "gaze_y", "squint"))
_BROWS = tuple(MOTION_INDEX[name] for name in ("brow_r", "brow_l", "furrow"))


@dataclass(frozen=True)
class EyeLook:
    """What limits how the eyes of one person move; of the right and the left eye, (2,).

    Attributes:
        seen: 0 for an eye behind dark glasses, which stays as it is, else 1.
        brows: () 0 where they would bend the rims of glasses, else 1.
        room: height in H above the lid from which it can unfold: a rim may come before the fold.
        skin: (2, 3, 2, 5) colors in [0, 1] of a shut lid, above and below each eye, from the left
            to the right of the picture.
        lifts: 0 for an eye whose lid keeps its own colors, else 1.
    """

    seen: torch.Tensor
    brows: torch.Tensor
    room: torch.Tensor
    skin: torch.Tensor
    lifts: torch.Tensor

    def to(self, device: torch.device) -> EyeLook:
        """Return the same on another device."""
        return EyeLook(*(getattr(self, field.name).to(device) for field in fields(self)))

    def hold(self, motion: torch.Tensor) -> torch.Tensor:
        """Return (F, 32) coefficients that leave hidden eyes and rims as they are."""
        share = torch.ones_like(motion[:1])
        share[:, list(_LID_MOTION)] = self.seen
        share[:, list(_BEHIND)] = self.seen.amin()
        share[:, list(_BROWS)] = self.brows
        return motion * share

    def light_lid(
        self, pixels: torch.Tensor, place: torch.Tensor, unfolded: torch.Tensor, eye: int
    ) -> torch.Tensor:
        """Return (F, 4, h, w) pixels, 0 to 255, of an eye whose lid takes the light of its skin.

        Args:
            place: (F, h, w, 2) of `eye_place`.
            unfolded: (F, 1, h, w) in [0, 1]: where the lid is.
            eye: 0 the person's right, 1 the left.
        """
        if not bool(self.lifts[eye] > 0):
            return pixels
        skin = F.grid_sample(
            255 * self.skin[eye, None].expand(len(place), -1, -1, -1), place,
            mode="bilinear", padding_mode="border", align_corners=True,
        )  # fmt: skip
        colors = pixels[:, :3]
        light = luminance(skin, 1).clamp_min(1.0)
        darker = 1 - luminance(colors, 1) / light
        lifted = colors.lerp(skin, _LIFTED * unfolded * smoothstep(*_DARKER, darker))
        return torch.cat([lifted, pixels[:, 3:]], 1)


def find_eye_look(frame: torch.Tensor, landmarks: torch.Tensor) -> EyeLook:
    """Look for glasses and for shade over the eyes.

    Args:
        frame: (3, h, w) in [0, 1].
        landmarks: (478, 3) in pixels.
    """
    pixels = (frame.permute(1, 2, 0).numpy() * 255 + 0.5).clip(0, 255).astype(np.uint8)
    points = landmarks.numpy()
    down = points[152, :2] - points[10, :2]
    crop, matrix = face_crop(pixels, points, float(np.arctan2(-down[0], down[1])))
    lab = to_lab(crop)
    light = lab[..., 0]
    points = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    cheeks = max(float(np.median(_at(light, points[list(_CHEEKS)]))), 1.0)
    soft = cv2.GaussianBlur(lab, (0, 0), 1.0)
    steps = np.zeros(lab.shape[:2], np.float32)
    steps[2:-2] = np.linalg.norm(soft[4:] - soft[:-4], axis=2)
    glasses = _over_bridge(steps, points) > _BRIDGE
    seen, room, skin, lifts = [], [], [], []
    for rings, (_, brow) in zip(EYES, BROW_EDGES):
        upper, lower, fold, bag = (points[list(ring)][2:7] for ring in rings)
        below = max(float(np.median(_at(light, _between(lower, bag, 0.5, 1.2)))), 1.0)
        inside = np.percentile(_at(light, _between(upper, lower, 0.1, 0.9)), [5, 95])
        dark = below < _HIDDEN_LIGHT * cheeks and np.ptp(inside) < _HIDDEN_CONTRAST
        seen.append(0.0 if glasses and dark else 1.0)
        room.append(_below_rim(steps, upper, fold) if glasses else 1.0)
        colors = _lid_skin(crop, (lower, bag), (fold, points[list(brow)]))
        own = float(np.median(_at(crop, _between(fold, upper, 0.2, 0.9)), 0).mean()) / 255
        hollow = _HOLLOW[0] + _HOLLOW[1] * own / max(float(colors.mean()), 1e-2)
        skin.append(min(1.0, hollow) * colors)  # deep eyes lie in the shade with their lids
        large = float((lower - upper)[:, 1].max()) > LARGE_EYE * FACE_PX  # its lashes are dark
        lifts.append(0.0 if large else 1.0)
    return EyeLook(
        torch.tensor(seen), torch.tensor(0.0 if glasses else 1.0), torch.tensor(room),
        torch.from_numpy(np.stack(skin)), torch.tensor(lifts),
    )  # fmt: skip


def _lid_skin(
    crop: np.ndarray, below: tuple[np.ndarray, np.ndarray], above: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return (3, 2, 5) `skin` of an eye from a crop (N, N, 3) of the face, 0 to 255.

    Args:
        below, above: (5, 2) points each between which the skin below and above the eye lies.
    """
    under, over = (
        _smooth(np.median(_at(crop, _between(*ends, *shares)).reshape(6, 5, 3), 0))
        for ends, shares in ((below, (0.5, 1.2)), (above, (0.0, 0.6)))
    )
    light = [colors.mean(1, keepdims=True).clip(1) for colors in (under, over)]
    lit = ((light[1] / light[0] - _SHADED) / (1 - _SHADED)).clip(0, 1)
    over = lit * over + (1 - lit) * _LID_LIGHT * under
    found = _LID_LIGHT * np.stack([over, under])  # 2 5 3
    return (found / 255).clip(0, 1).transpose(2, 0, 1).astype(np.float32)


def _smooth(colors: np.ndarray) -> np.ndarray:
    """Return (5, 3) colors that neighbors have in common: no lash, no wrinkle."""
    padded = np.concatenate([colors[:1], colors, colors[-1:]])
    median = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), 0)
    padded = np.concatenate([median[:1], median, median[-1:]])
    soft = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    return (soft + soft[soft.sum(1).argmax()]) / 2  # a lid is rounder than the hollows beside it


def _at(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the pixels (K, C) of a picture at (K, 2)."""
    column, row = np.round(points).astype(int).clip(0, picture.shape[0] - 1).T
    return picture[row, column]


def _between(first: np.ndarray, second: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return (K, 2) points on the way from (N, 2) to (N, 2), between two shares of it."""
    shares = np.linspace(low, high, 6)[:, None, None]
    return (first + shares * (second - first)).reshape(-1, 2)


def _over_bridge(steps: np.ndarray, points: np.ndarray) -> float:
    """Return how strong the strongest row of edges over the bridge of the nose is."""
    right, left = points[list(_BRIDGE_CORNERS)]
    (x, y), half = (right + left) / 2, max(0.2 * abs(left[0] - right[0]), 2.0)
    high = 0.12 * FACE_PX
    rows, columns = slice(int(y - high), int(y + high)), slice(int(x - half), int(x + half))
    return float(np.percentile(steps[rows, columns], 25, axis=1).max())


def _below_rim(steps: np.ndarray, upper: np.ndarray, fold: np.ndarray) -> float:
    """Return the height in H between the lid and the rim of a pair of glasses above it."""
    heights = []
    for (x, lid), (_, top) in zip(upper, fold):
        first, last = int(top - 0.03 * FACE_PX), int(lid - 0.02 * FACE_PX)
        edges = np.flatnonzero(steps[max(first, 0) : max(last, 1), int(x)] > _RIM)
        heights.append(lid - first - edges[-1] if len(edges) else 1.0 * FACE_PX)
    return max(float(np.median(heights)) / FACE_PX - 0.012, 0.015)
