"""Eyes: lids that close over an eyeball that stays in place, irises that slide.

Undone exactly at every pixel near an eye, twice as fine where a lid moves.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.drawn_eyes import undo_drawn_eye
from skyreels_avatar.rig.fields import FaceShape, MotionValues
from skyreels_avatar.rig.geometry import (
    EYES,
    IRISES,
    LARGE_EYE,
    interpolate_columns,
)
from skyreels_avatar.rig.warp import PosedFace

LIDS = CONSTANTS.lids
BLINKING = 0.05  # from here on a lid's edge needs more than one sample a pixel


def undo_eye_at(positions: torch.Tensor, eye: int, face: PosedFace) -> torch.Tensor:
    """Return (F, 2, h, w) the source of pixels whose source is (F, 2, h, w) but for one eye."""
    looked = face.frame.from_pixels(positions.permute(0, 2, 3, 1))
    points = looked.flatten(1, 2)
    room = None if face.eyes is None else face.eyes.room[eye]
    undo = undo_drawn_eye if face.drawn or _is_large(face.shape, eye) else undo_eye
    undone = undo(points, eye, face.shape, face.values, room)
    undone = undone.reshape(looked.shape)
    return face.frame.to_pixels(undone).permute(0, 3, 1, 2)


def _is_large(shape: FaceShape, eye: int) -> bool:
    """Tell whether an eye is open as far as drawn ones only are."""
    upper, lower = (shape.points[:, ring[4], 1] for ring in EYES[eye][:2])
    return bool((lower - upper).mean() > LARGE_EYE)


def blinks(face: PosedFace, eye: int) -> bool:
    """Tell whether a lid moves enough in these frames to be drawn at twice the resolution."""
    lid = MOTION_INDEX["blink_r"] + eye
    return bool((face.values.motion[:, lid] > BLINKING).any())


def twice_as_fine(positions: torch.Tensor) -> torch.Tensor:
    """Return (F, 2, 2 h, 2 w) positions between (F, 2, h, w)."""
    return F.interpolate(positions, scale_factor=2, mode="bilinear")


def eye_place(positions: torch.Tensor, eye: int, face: PosedFace) -> torch.Tensor:
    """Return (F, h, w, 2) where pixels whose source is (F, 2, h, w) lie round an eye.

    -1 to 1 from corner to corner, and from half an eye's width above to half of it below them.
    """
    points = face.frame.from_pixels(positions.permute(0, 2, 3, 1))
    corners = face.shape.points[:, [EYES[eye][0][0], EYES[eye][0][-1]], :2]
    along = corners[:, 1] - corners[:, 0]
    width2 = along.square().sum(-1, keepdim=True).clamp_min(4e-4)
    axes = torch.stack([along, torch.stack([-along[:, 1], along[:, 0]], -1)], -1)
    away = points - corners.mean(1)[:, None, None]
    return 2 * (away @ (axes / width2[..., None])[:, None])


def undo_eye(
    points: torch.Tensor,
    eye: int,
    shape: FaceShape,
    values: MotionValues,
    room: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return where points near one eye look in the picture at rest.

    The upper lid is a sheet between the fold under the brow and the lashes: it stretches down
    over an eyeball that stays in place. The lower lid rises likewise. The iris slides.

    Args:
        points: (F, N, 2) face coordinates with head and expression undone.
        eye: 0 the person's right, 1 the left.
        room: () of `EyeLook`; None is up to the fold.
    """
    marks = shape.points
    upper_lid, lower_lid, fold, bag = EYES[eye]
    first, last = marks[:, upper_lid[0], :2], marks[:, upper_lid[-1], :2]
    along = last - first
    width = along.norm(dim=-1).clamp_min(0.02)
    along = along / width[:, None]
    axes = torch.stack([along, torch.stack([-along[:, 1], along[:, 0]], -1)], 1)

    def local(xy: torch.Tensor) -> torch.Tensor:
        return torch.einsum("fnk,fjk->fnj", xy - first[:, None], axes)

    where = local(points)
    x, y = where.unbind(-1)
    curves = []
    for indices in (upper_lid, lower_lid, fold, bag):
        curve = local(marks[:, list(indices), :2])
        curves.append(interpolate_columns(x, curve[..., 0], curve[..., 1]))
    upper, lower, top, bottom = curves
    lower = torch.maximum(lower, upper)
    top = torch.minimum(top, upper - 0.03)
    if room is not None:
        top = torch.maximum(top, upper - room)
    bottom = torch.maximum(bottom, lower + 0.02)
    blink = (values.blink_r if eye == 0 else values.blink_l).clamp(0.0, 1.0)
    open_height = lower - upper
    raised = LIDS.squint_raise * values.squint.clamp(0.0, 1.0) * (1 - blink)
    raised = raised + LIDS.blink_raise * blink
    new_lower = lower - raised * open_height
    wide = LIDS.wide * (-values.squint).clamp(0.0, 1.0)
    new_upper = (
        upper + (blink * LIDS.overlap * (new_lower - upper)) - wide * open_height * (1 - blink)
    )

    # eyeball: the iris slides, strongest at its center, nothing at the lids
    iris = local(marks[:, list(IRISES[eye]), :2])
    center = iris[:, :1]
    radius = (iris[:, 1:] - center).norm(dim=-1).mean(1, keepdim=True).clamp_min(0.01)
    reach = ((where - center).norm(dim=-1) / (2.1 * radius)).clamp(0.0, 1.0)
    inside = (torch.minimum(y - upper, lower - y) / 0.006 + 0.5).clamp(0.0, 1.0)
    slide = (1 - reach**2) ** 2 * inside
    eye_x = x - slide * values.gaze_x * width[:, None]
    eye_y = y - slide * values.gaze_y * width[:, None]
    stretched = upper + (y - new_upper) / (lower - new_upper).clamp_min(1e-4) * open_height
    eye_y = torch.where(new_upper < upper - 1e-5, stretched, eye_y)

    # Landmarks run inside the lash line: the shut lid must not show a strip of the open eye.
    edge = upper - blink * (LIDS.margin * open_height).clamp_max(0.5 * (upper - top))
    lid_y = _unfolded(y, top, new_upper, edge)
    low_y = bottom - (bottom - y) * (bottom - lower) / (bottom - new_lower).clamp_min(1e-3)
    on_lid, on_low = (y < new_upper) & (y > top), (y > new_lower) & (y < bottom)
    out_x = torch.where(on_lid | on_low | (y <= top) | (y >= bottom), x, eye_x)
    out_y = torch.where(on_lid, lid_y, torch.where(on_low, low_y, eye_y))
    out_y = torch.where((y <= top) | (y >= bottom), y, out_y)
    looked = torch.einsum("fnj,fjk->fnk", torch.stack([out_x, out_y], -1), axes)
    return looked + first[:, None]


def _unfolded(
    y: torch.Tensor, top: torch.Tensor, new_upper: torch.Tensor, edge: torch.Tensor
) -> torch.Tensor:
    """Return the rows (F, N) that rows y of a lid look at, from its fold to its moved edge.

    Lashes keep their size and what is close to the brow, or a pair of glasses, its place: the lid
    unfolds between the two.
    """
    lashes = (LIDS.lashes_share * (edge - top)).clamp_max(LIDS.lashes)
    hidden, seen = edge - lashes - top, (new_upper - lashes - top).clamp_min(1e-3)
    over = ((y - top) / seen).clamp(0.0, 1.0)
    unfolds = (seen / hidden.clamp_min(1e-3) - 1).clamp(0.0, LIDS.unfolds)
    return top + hidden * over * (1 + unfolds * (1 - over)) + (y - top - seen).clamp_min(0.0)
