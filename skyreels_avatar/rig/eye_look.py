"""What stands before the eyes of a photo, and how light its lids are.

Dark glasses hide the eyes: nothing moves behind them. Rims do not go with the brows, nor with a
lid that unfolds. Where a picture's light leaves the fold above an eye black, a lid unfolded from
it would be a hole; it takes the light of the skin below the eye instead.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.drawn_style import FACE_PX, face_crop, to_lab
from skyreels_avatar.rig.geometry import EYES, LARGE_EYE

# Measured on 34 test portraits: over the bridge of the nose colors differ by 23 and more (CIE Lab,
# 2 % of H apart, in a row all across) with dark or thick rims, by 16 and less without.
_BRIDGE = 18.0
_HIDDEN_LIGHT, _HIDDEN_CONTRAST = 0.45, 22.0  # of the cheeks' light; behind dark glasses
_RIM = 20.0  # difference of colors at the edge of a rim
_LID_LIGHT = 0.7  # of the light below the eye
_WARMTH = 0.7  # shaded skin is of a deeper color
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
        lid: (2, 3) color in [0, 1] of the skin that a shut lid shows.
        lit: share of it in a lid whose own fold is in the dark, 0 for others.
    """

    seen: torch.Tensor
    brows: torch.Tensor
    room: torch.Tensor
    lid: torch.Tensor
    lit: torch.Tensor

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

    def light_lid(self, pixels: torch.Tensor, stretched: torch.Tensor, eye: int) -> torch.Tensor:
        """Return (F, 4, h, w) pixels, 0 to 255, of an eye whose lid takes the light of its skin.

        Args:
            stretched: (F, 1, h, w) of `stretched_rows`: where the lid is.
            eye: 0 the person's right, 1 the left.
        """
        if not bool(self.lit[eye] > 0):
            return pixels
        color = torch.cat([255 * self.lid[eye], self.lid.new_zeros(1)])[:, None, None]
        return torch.lerp(pixels, color.expand_as(pixels), self.lit[eye] * stretched)


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
    skin = np.median(_at(crop, points[list(_CHEEKS)]), 0).clip(1) / 255
    soft = cv2.GaussianBlur(lab, (0, 0), 1.0)
    steps = np.zeros(lab.shape[:2], np.float32)
    steps[2:-2] = np.linalg.norm(soft[4:] - soft[:-4], axis=2)
    glasses = _over_bridge(steps, points) > _BRIDGE
    seen, room, lids, lit = [], [], [], []
    for rings in EYES:
        upper, lower, fold, bag = (points[list(ring)][2:7] for ring in rings)
        lid = float(np.median(_at(light, _between(fold, upper, 0.2, 0.7))))
        below = max(float(np.median(_at(light, _between(lower, bag, 0.5, 1.2)))), 1.0)
        inside = np.percentile(_at(light, _between(upper, lower, 0.1, 0.9)), [5, 95])
        dark = below < _HIDDEN_LIGHT * cheeks and np.ptp(inside) < _HIDDEN_CONTRAST
        seen.append(0.0 if glasses and dark else 1.0)
        room.append(_below_rim(steps, upper, fold) if glasses else 1.0)
        shade = _LID_LIGHT * min(1.0, below / cheeks) * (skin / skin.mean()) ** _WARMTH
        lids.append((shade * skin).clip(0, 1).astype(np.float32))
        large = float((lower - upper)[:, 1].max()) > LARGE_EYE * FACE_PX  # its lashes are dark
        lit.append(
            0.0 if large else float(np.sqrt(max(0.0, 1 - lid / (_LID_LIGHT * min(below, cheeks)))))
        )
    return EyeLook(
        torch.tensor(seen), torch.tensor(0.0 if glasses else 1.0), torch.tensor(room),
        torch.from_numpy(np.stack(lids)), torch.tensor(lit),
    )  # fmt: skip


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
