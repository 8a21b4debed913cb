"""Eyes: lids that close over an eyeball that stays in place, irises that slide.

Undone exactly at every pixel near an eye, twice as fine where a lid moves.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.drawn_eyes import eye_axis, lower_lid_raise, undo_drawn_eye, widening
from skyreels_avatar.rig.fields import FaceShape, MotionValues
from skyreels_avatar.rig.geometry import (
    EYES,
    IRISES,
    LARGE_EYE,
    look_up_curves,
    smoothstep,
    tabulate_curves,
)
from skyreels_avatar.rig.warp import PosedFace

LIDS = CONSTANTS.lids
BLINKING = 0.05  # from here on a lid's edge needs more than one sample a pixel
GAZING = 0.02  # so does the line of a large eye's lid, under which its iris slides
_GAZE = tuple(MOTION_INDEX[name] for name in ("gaze_x", "gaze_y"))


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
    motion = face.values.motion
    moves = motion[:, MOTION_INDEX["blink_r"] + eye] > BLINKING
    if face.drawn or _is_large(face.shape, eye):
        moves = moves | (motion[:, list(_GAZE)].abs().amax(1) > GAZING)
    found, count = moves.nonzero()[:, 0].tolist(), len(moves)
    if not found:
        return [(slice(0, count), False)]
    first, stop = found[0], found[-1] + 1
    spans = ((0, first, False), (first, stop, True), (stop, count, False))
    return [(slice(start, end), fine) for start, end, fine in spans if end > start]


def twice_as_fine(positions: torch.Tensor) -> torch.Tensor:
    """Return (F, 2, 2 h, 2 w) positions between (F, 2, h, w)."""
    return F.interpolate(positions, scale_factor=2, mode="bilinear")


def own_side(positions: torch.Tensor, eye: int, face: PosedFace) -> torch.Tensor:
    """Return (F, 1, h, w) bool: pixels whose source is (F, 2, h, w) on the eye's side of the nose.

    Boxes round both eyes overlap when a head moves: a box must not draw the other eye, too, open.
    """
    looked = face.frame.from_pixels(positions.permute(0, 2, 3, 1))
    inner = face.shape.points[:, [EYES[0][0][-1], EYES[1][0][0]], :2]
    apart, middle = inner[:, 1] - inner[:, 0], inner.mean(1)
    along = ((looked - middle[:, None, None]) * apart[:, None, None]).sum(-1)
    return (along < 0 if eye == 0 else along >= 0)[:, None]


def lid_place(positions: torch.Tensor, eye: int, face: PosedFace) -> torch.Tensor:
    """Return (F, h, w, 2) where pixels whose source is (F, 2, h, w) lie on a shut lid.

    -1 to 1 from corner to corner; -1 is the fold, 0 the lashes, 1 the bag under the eye. A lid that
    is half shut shows its lower part.
    """
    looked = face.frame.from_pixels(positions.permute(0, 2, 3, 1))
    room = None if face.eyes is None else face.eyes.room[eye]
    first, axes, width, _, curves = face.shape.at_rest(_EYES_AT_REST[eye], face.shape.points)
    along = axes.expand(len(looked), -1, -1)
    where = torch.baddbmm(-along @ first[..., None], along, looked.flatten(1, 2).transpose(1, 2))
    x, y = where.unbind(1)
    lines = _lid_lines(x, curves, room)
    edge, _ = _moved_edges(lines, eye, face.values)
    shut = torch.lerp(lines.upper, lines.lower, LIDS.overlap * (1 - LIDS.blink_raise))
    above, below = (shut - lines.top).clamp_min(0.02), (lines.bottom - shut).clamp_min(0.02)
    down = y - edge
    down = torch.where(down < 0, down / above, down / below)
    return torch.stack([2 * x / width - 1, down], -1).reshape(looked.shape)


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
    lines = _lid_lines(x, curves, room)
    upper, lower, top, bottom = lines
    blink = blink_of(eye, values)
    open_height = lower - upper
    new_upper, new_lower = _moved_edges(lines, eye, values)

    # eyeball: the iris slides as a whole, nothing at the lids
    center_x, center_y, radius = iris.split(1, 1)
    away = ((x - center_x) ** 2 + (y - center_y) ** 2).sqrt() / radius
    inside = (torch.minimum(y - upper, lower - y) / 0.006 + 0.5).clamp(0.0, 1.0)
    slide = smoothstep(2.1, 0.7, away) * inside
    eye_x = x - slide * (values.gaze_x * width)
    eye_y = y - slide * (values.gaze_y * width)
    widened = eye_y + widening(y, upper, lower, new_upper)
    eye_y = torch.where(new_upper < upper - 1e-5, widened, eye_y)

    # Landmarks run inside the lash line: the shut lid must not show a strip of the open eye, nor
    # the end of its lash line above the outer corner.
    outwards = x - width if eye else -x
    wing = smoothstep(-LIDS.wing_width, 0.0, outwards) * smoothstep(LIDS.wing_width, 0.0, outwards)
    margin = LIDS.margin * open_height + LIDS.wing * wing
    edge = upper - blink * margin.clamp_max(0.5 * (upper - top))
    lid_y = _unfolded(y, top, new_upper, edge)
    low_y = bottom - (bottom - y) * (bottom - lower) / (bottom - new_lower).clamp_min(1e-3)
    on_lid, on_low = (y < new_upper) & (y > top), (y > new_lower) & (y < bottom)
    out_x = torch.where(on_lid | on_low | (y <= top) | (y >= bottom), x, eye_x)
    out_y = torch.where(on_lid, lid_y, torch.where(on_low, low_y, eye_y))
    out_y = torch.where((y <= top) | (y >= bottom), y, out_y)
    looked = torch.stack([out_x, out_y], 1)
    looked = torch.baddbmm(first[..., None], along.transpose(1, 2), looked)
    return looked.transpose(1, 2)


class _LidLines(NamedTuple):
    """Rows (F, N) of the edges of both lids, of the fold and of the bag, in an eye's own axes."""

    upper: torch.Tensor
    lower: torch.Tensor
    top: torch.Tensor
    bottom: torch.Tensor


def _lid_lines(x: torch.Tensor, curves: tuple, room: torch.Tensor | None) -> _LidLines:
    """Return the lines of an eye at rest, in order, at columns (F, N); `room` as in `undo_eye`."""
    upper, lower, top, bottom = look_up_curves(x, *curves)
    lower = torch.maximum(lower, upper)
    top = torch.minimum(top, upper - 0.03)
    if room is not None:
        top = torch.maximum(top, upper - room)
    return _LidLines(upper, lower, top, torch.maximum(bottom, lower + 0.02))


def blink_of(eye: int, values: MotionValues) -> torch.Tensor:
    """Return (F, 1) in 0..1 how far an eye is shut."""
    return (values.blink_r if eye == 0 else values.blink_l).clamp(0.0, 1.0)


def _moved_edges(
    lines: _LidLines, eye: int, values: MotionValues
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows (F, N) to which the edges of the upper and the lower lid move."""
    upper, lower, blink = lines.upper, lines.lower, blink_of(eye, values)
    height = lower - upper
    raised = lower_lid_raise(values) * (1 - blink) + LIDS.blink_raise * blink
    new_lower = lower - raised * height
    wide = LIDS.wide * (-values.squint).clamp(0.0, 1.0)
    falls = blink * LIDS.overlap * (new_lower - upper)
    return upper + falls - wide * height * (1 - blink), new_lower


def _eye_at_rest(eye: int, points: torch.Tensor) -> tuple:
    """Return what is known of an eye of (F, 478, 3) faces at rest.

    Returns:
        first (F, 2) its corner on the left of the picture, axes (F, 2, 2) along it and down,
        width (F, 1), iris (F, 3) center and radius in these axes, and the lid's edges, fold and
        bag as `look_up_curves` takes them.
    """
    upper_lid = EYES[eye][0]
    first, last = points[:, upper_lid[0], :2], points[:, upper_lid[-1], :2]
    along, width = eye_axis(first, last)
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
