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
    look_up_curves,
    tabulate_curves,
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


def blinking_spans(face: PosedFace, eye: int) -> list[tuple[slice, bool]]:
    """Return spans of the frames, and whether a lid moves so much in them that it is drawn finer.

    From the first such frame to the last one is one span.
    """
    blink = face.values.motion[:, MOTION_INDEX["blink_r"] + eye]
    found, count = (blink > BLINKING).nonzero()[:, 0].tolist(), len(blink)
    if not found:
        return [(slice(0, count), False)]
    first, stop = found[0], found[-1] + 1
    spans = ((0, first, False), (first, stop, True), (stop, count, False))
    return [(slice(start, end), fine) for start, end, fine in spans if end > start]


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
    first, axes, width, iris, curves = shape.at_rest(_EYES_AT_REST[eye], shape.points)
    along = axes.expand(len(points), -1, -1)
    where = torch.baddbmm(-along @ first[..., None], along, points.transpose(1, 2))
    x, y = where.unbind(1)
    upper, lower, top, bottom = look_up_curves(x, *curves)
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
    center_x, center_y, radius = iris.split(1, 1)
    away2 = ((x - center_x) ** 2 + (y - center_y) ** 2) / (2.1 * radius) ** 2
    inside = (torch.minimum(y - upper, lower - y) / 0.006 + 0.5).clamp(0.0, 1.0)
    slide = (1 - away2.clamp_max(1.0)) ** 2 * inside
    eye_x = x - slide * (values.gaze_x * width)
    eye_y = y - slide * (values.gaze_y * width)
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
    looked = torch.stack([out_x, out_y], 1)
    looked = torch.baddbmm(first[..., None], along.transpose(1, 2), looked)
    return looked.transpose(1, 2)


def _eye_at_rest(eye: int, points: torch.Tensor) -> tuple:
    """Return what is known of an eye of (F, 478, 3) faces at rest.

    Returns:
        first (F, 2) its corner on the left of the picture, axes (F, 2, 2) along it and down,
        width (F, 1), iris (F, 3) center and radius in these axes, and the lid's edges, fold and
        bag as `look_up_curves` takes them.
    """
    upper_lid = EYES[eye][0]
    first, last = points[:, upper_lid[0], :2], points[:, upper_lid[-1], :2]
    along = last - first
    width = along.norm(dim=-1, keepdim=True).clamp_min(0.02)
    along = along / width
    axes = torch.stack([along, torch.stack([-along[:, 1], along[:, 0]], -1)], 1)

    def local(indices: tuple[int, ...]) -> torch.Tensor:
        return (points[:, list(indices), :2] - first[:, None]) @ axes.transpose(1, 2)

    iris = local(IRISES[eye])
    radius = (iris[:, 1:] - iris[:, :1]).norm(dim=-1).mean(1, keepdim=True).clamp_min(0.01)
    curves = tabulate_curves(*(local(ring).unbind(-1) for ring in EYES[eye]))
    return first, axes, width, torch.cat([iris[:, 0], radius], 1), curves


def _right_at_rest(points: torch.Tensor, _: FaceShape) -> tuple:
    return _eye_at_rest(0, points)


def _left_at_rest(points: torch.Tensor, _: FaceShape) -> tuple:
    return _eye_at_rest(1, points)


_EYES_AT_REST = _right_at_rest, _left_at_rest


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
