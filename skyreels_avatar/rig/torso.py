"""Shoulders and chest: they breathe, rise on stressed words, and follow the head a little later.

The field is smooth over the whole torso, so that nothing tears: clothes, arms and hands go along.
It fades out at the neck, towards the hips, at the edges of the picture and beside the person.
Amplitudes are those of calm speakers who sit or stand: the trunk takes up a fifth of what the head
turns and tilts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.coefficients import MOTION_INDEX, clamp_coefficients
from skyreels_avatar.rig.fields import MotionValues
from skyreels_avatar.rig.geometry import FaceFrame, smoothstep
from skyreels_avatar.rig.picture_edge import keep_inside_picture

BREATH = MOTION_INDEX["breath"]
MOST_RAISED = 0.14  # shoulders / H
DELAY_FRAMES = 9  # of the past, this one included: as many as a window knows before its own
LATE = slice(MOTION_INDEX["yaw"], MOTION_INDEX["sway"] + 1)
# Left, top, right, bottom of what may move, in face heights from the chin.
TORSO_REACH = (-2.4, 0.05, 2.4, 3.4)
_NECK = (0.08, 0.62)  # below the chin: where the neck goes over into shoulders
_SIDE_FADE, _HIP_FADE = 0.6, 1.4
_TURN, _TILT, _LEAN, _NOD, _SHIFT = 0.22, 0.20, 0.40, 0.06, 0.12  # shares of the head's
_CHEST_DEPTH, _CHEST_HALF_WIDTH = 0.55, 1.35
_WAIST = 1.7  # below the chin: what the trunk tilts and leans about
_WIDENS = 0.3  # the chest, by what the shoulders rise


@dataclass(frozen=True)
class TorsoBox:
    """Where a person is below the chin, in face heights from it: left, right, bottom."""

    left: float
    right: float
    bottom: float

    def pixels(self, landmarks: torch.Tensor) -> tuple[float, float, float, float]:
        """Return left, top, right, bottom of it over all of (F, 478, 3) frames."""
        chin, height = landmarks[:, 152, :2], FaceFrame.of(landmarks).height_px
        x, y = chin.unbind(-1)
        return (
            float((x + self.left * height).amin()),
            float((y + TORSO_REACH[1] * height).amin()),
            float((x + self.right * height).amax()),
            float((y + self.bottom * height).amax()),
        )


def delay_torso(motion: torch.Tensor) -> torch.Tensor:
    """Return (B, F, 32) motion with head and shoulders 0.16 s later, smoother, and within bounds.

    Args:
        motion: (B, F, 32) numbers of neighboring frames.
    """
    weights = torch.hann_window(DELAY_FRAMES + 2, periodic=False)[1:-1].to(motion)
    raised = motion[..., BREATH].clamp(-MOST_RAISED, MOST_RAISED)
    motion = clamp_coefficients(motion)
    motion[..., BREATH] = raised  # a shrug is more than speech
    past = F.pad(motion[..., LATE].transpose(1, 2), (DELAY_FRAMES - 1, 0), mode="replicate")
    late = (past.unfold(2, DELAY_FRAMES, 1) * (weights / weights.sum())).sum(-1).transpose(1, 2)
    return torch.cat([motion[..., : LATE.start], late, motion[..., LATE.stop :]], -1)


def torso_field(points: torch.Tensor, values: MotionValues) -> torch.Tensor:
    """Return (F, N, 2) where points of the torso go.

    Args:
        points: (F or 1, N, 2) face heights from the chin, along the picture's axes.
        values: of `delay_torso`.
    """
    x, y = points.unbind(-1)
    shoulders = smoothstep(0.1, 0.8, x.abs())
    rise = values.breath * (0.7 + 0.3 * shoulders) * smoothstep(3.0, 0.8, y)
    bulge = _CHEST_DEPTH * (1 - (x / _CHEST_HALF_WIDTH) ** 2).clamp_min(0.0)
    tilt, lean = _TILT * values.roll, _LEAN * values.zoom
    up = y - _WAIST
    chest = torch.exp(-(((y - 1.1) / 0.7) ** 2)) * x.clamp(-1.0, 1.0)
    dx = (
        _TURN * values.yaw * bulge
        + values.sway
        + _SHIFT * values.shift_x
        - tilt * up
        + lean * x
        + _WIDENS * values.breath * chest
    )
    dy = -rise + tilt * x + lean * up - _NOD * values.pitch + _SHIFT * values.shift_y
    return torch.stack([dx, dy], -1) * torso_weight(points)[..., None]


def torso_weight(points: torch.Tensor) -> torch.Tensor:
    """Return (F, N) in 0..1: how far points, of `torso_field`, go with the torso."""
    x, y = points.unbind(-1)
    _, _, right, bottom = TORSO_REACH
    aside = smoothstep(right, right - _SIDE_FADE, x.abs())
    return smoothstep(*_NECK, y) * aside * smoothstep(bottom, bottom - _HIP_FADE, y)


def torso_warp(
    lattice: torch.Tensor,
    chin: torch.Tensor,
    frame: FaceFrame,
    values: MotionValues,
    edges: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the backward displacements of the torso, and where it may be seen.

    Displacements are so small against the field's slopes that they are those of the forward field
    with another sign.

    Args:
        lattice: (1, h, w, 2) pixels.
        chin: (F or 1, 2) pixels.
        edges: as in `ReferenceClip`.

    Returns:
        (F, 2, h, w) pixels x, y, and (F or 1, 1, h, w) a share in 0..1, 0 where nothing moves.
    """
    rows, columns = lattice.shape[1:3]
    flat, height = lattice.reshape(1, -1, 2), frame.height_px[:, None, None]
    points = (flat - chin[:, None]) / height
    move = torso_field(points, values)
    if edges is not None:  # they are in face coordinates
        turned = move @ frame.axes.transpose(1, 2)
        move = keep_inside_picture(turned, frame.from_pixels(flat), edges) @ frame.axes
    maps = (-move * height).transpose(1, 2), torso_weight(points)[:, None]
    return tuple(part.unflatten(2, (rows, columns)).contiguous() for part in maps)


def torso_box(person: torch.Tensor, landmarks: torch.Tensor) -> TorsoBox | None:
    """Return where a person is seen below the chin; None where hardly anything is.

    Args:
        person: (h, w) in [0, 1], of any size, over the picture.
        landmarks: (478, 3) in pixels of a picture of that size.
    """
    chin, height = landmarks[152, :2], float(FaceFrame.of(landmarks[None]).height_px)
    left, top, right, bottom = TORSO_REACH
    below = person[max(0, math.floor(float(chin[1]) + top * height)) :] > 0.02
    rows, columns = below.any(1).nonzero()[:, 0], below.any(0).nonzero()[:, 0]
    if len(rows) < 0.15 * height or not len(columns):
        return None
    reach = (
        (float(columns[0]) - float(chin[0])) / height,
        (float(columns[-1]) + 1 - float(chin[0])) / height,
        (person.shape[0] - float(chin[1])) / height,
    )
    return TorsoBox(max(left, reach[0]), min(right, reach[1]), min(bottom, reach[2]))
