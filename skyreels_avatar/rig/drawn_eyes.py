"""Eyes of flat drawings: a lash line that comes down, and a lid of flat skin behind it.

Such eyes are often larger than the skin above them, so that no lid can be unfolded from it. The
lash line moves as a whole, the lower one comes to meet it, and what they leave is skin from below
the eye. Here the fold and the bag of the mesh are the outer edges of the two lines.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.curves import refine
from skyreels_avatar.rig.fields import FaceShape, MotionValues
from skyreels_avatar.rig.geometry import EYES, IRISES, interpolate_columns, smoothstep

LIDS = CONSTANTS.lids


def undo_drawn_eye(
    points: torch.Tensor,
    eye: int,
    shape: FaceShape,
    values: MotionValues,
    room: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return where points near one eye look in the drawing at rest.

    Args:
        points: (F, N, 2) face coordinates with head and expression undone.
        eye: 0 the person's right, 1 the left.
        room: () as in `undo_eye`: for 3-D cartoons, whose lines are not known.
    """
    marks = shape.points
    upper_lid, lower_lid, fold, bag = EYES[eye]
    first = marks[:, upper_lid[0], :2]
    along, width = eye_axis(first, marks[:, upper_lid[-1], :2])
    axes = torch.stack([along, torch.stack([-along[:, 1], along[:, 0]], -1)], 1)

    def local(xy: torch.Tensor) -> torch.Tensor:
        return torch.einsum("fnk,fjk->fnj", xy - first[:, None], axes)

    where = local(points)
    x, y = where.unbind(-1)
    rims = [local(marks[:, list(ring), :2]).unbind(-1) for ring in (upper_lid, lower_lid)]
    rims = [tuple(map(refine, rim)) for rim in rims]

    def lids(columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        upper, lower = (interpolate_columns(columns, *rim) for rim in rims)
        return upper, torch.maximum(lower, upper)

    upper, lower = lids(x)
    # Fold and bag have too few points to follow a round eye; their middles say how thick it is.
    middle = local(marks[:, [fold[4], upper_lid[4], lower_lid[4], bag[4]], :2])[..., 1]
    lashes, line = (middle[:, [1, 3]] - middle[:, [0, 2]]).clamp_min(LIDS.drawn_line).split(1, 1)
    if room is not None:
        lashes = torch.minimum(lashes, room.clamp(LIDS.drawn_line, LIDS.large_lashes))
        line = line.clamp_max(LIDS.large_lashes)
    blink = (values.blink_r if eye == 0 else values.blink_l).clamp(0.0, 1.0)
    squint = values.squint * (1 - blink)
    height = lower - upper
    raised = lower_lid_raise(values) * (1 - blink) * height
    raised = raised + LIDS.drawn_raise * blink**2 * lower.clamp_min(0.0)
    new_lower = lower - raised
    new_upper = upper + blink * (new_lower - upper) - LIDS.wide * (-squint).clamp(0.0, 1.0) * height

    away = LIDS.drawn_line if room is None else LIDS.drawn_line + LIDS.cartoon_skin
    skin = torch.lerp(lower, middle[:, 2:3], 0.7) + line + away  # a row below the eye
    gaze = width * _held_gaze(marks, values)
    iris = local(marks[:, list(IRISES[eye]), :2])
    slid = _slid_iris(where, iris, lids, gaze, width)
    wide = new_upper < upper - 1e-5
    widened = slid[..., 1] + _white_above(where, iris, (upper, lower), new_upper, gaze)
    row = torch.where(wide, widened, slid[..., 1])
    top = upper - lashes
    beside = torch.where(y - top < lashes, 2 * top - y, skin)  # a slight blink shows the skin above
    over = torch.where(y > new_upper - lashes, y - new_upper + upper, beside)
    under = torch.where(y < new_lower + line, y - new_lower + lower, skin)
    on_over = (y < new_upper) & (y > torch.minimum(upper, new_upper) - lashes)
    on_under = (y > new_lower) & (y < lower + line) & ~on_over
    row = torch.where(on_over, over, torch.where(on_under, under, row))
    looked = torch.stack([torch.where(on_over | on_under, x, slid[..., 0]), row], -1)
    outside = (y < torch.minimum(upper, new_upper) - lashes) | (y > lower + line)
    looked = torch.where(outside[..., None], where, looked)
    return torch.einsum("fnj,fjk->fnk", looked, axes) + first[:, None]


def eye_axis(first: torch.Tensor, last: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the direction (F, 2) from one corner of an eye to the other, and its width (F, 1).

    Args:
        first, last: (F, 2) its corners, which nearly meet where a profile hides the eye.
    """
    along = last - first
    length = along.norm(dim=-1, keepdim=True)
    level = along.new_tensor([1.0, 0.0])
    return torch.where(length > 1e-4, along / length.clamp_min(1e-4), level), length.clamp_min(0.02)


def lower_lid_raise(values: MotionValues) -> torch.Tensor:
    """Return (F, 1), of the opening: lower lids rise by themselves, and with cheeks that smile."""
    cheeks = LIDS.cheek_raise * values.cheek.clamp(0.0, 1.0)
    return cheeks + LIDS.squint_raise * values.squint.clamp(0.0, 1.0)


def widening(
    y: torch.Tensor, upper: torch.Tensor, lower: torch.Tensor, new_upper: torch.Tensor
) -> torch.Tensor:
    """Return (F, N) how much further down rows y of an eyeball look under a lid that is raised.

    Stretched the more the closer to the lid, so that pupils stay round.
    """
    still = torch.lerp(upper, lower, LIDS.wide_above)
    above = (still - y).clamp_min(0.0)
    shown = (still - new_upper).clamp_min(1e-4)
    return (upper - new_upper) * (above / shown) ** 2


def _white_above(
    where: torch.Tensor,
    iris: torch.Tensor,
    lids: tuple[torch.Tensor, torch.Tensor],
    new_upper: torch.Tensor,
    gaze: torch.Tensor,
) -> torch.Tensor:
    """Return what `widening` does; where there is white above an iris, that alone is stretched.

    Args:
        iris, gaze: as in `_slid_iris`.
        lids: rows (F, N) of the upper and the lower lid at the columns of the points.
        new_upper: (F, N) to which the upper one moves.
    """
    x, y = where.unbind(-1)
    upper, lower = lids
    center = iris[:, 0] + gaze
    radius = LIDS.drawn_iris * (iris[:, 1:] - iris[:, :1]).norm(dim=-1).mean(1, keepdim=True)
    aside = (x - center[:, :1]).abs().minimum(radius)
    still = center[:, 1:] - (radius**2 - aside**2).sqrt()
    highest = upper.amin(1, keepdim=True)
    clear = smoothstep(0.0, LIDS.drawn_white, center[:, 1:] - radius - highest)
    still = still.maximum(upper + LIDS.drawn_rim).minimum(torch.maximum(lower, upper + 0.02))
    above, raised = (still - y).clamp_min(0.0), upper - new_upper
    stretched = raised * above / (still - new_upper).clamp_min(1e-4)
    return torch.lerp(widening(y, upper, lower, new_upper), stretched, clear)


def _slid_iris(
    where: torch.Tensor,
    iris: torch.Tensor,
    lids: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    gaze: torch.Tensor,
    width: torch.Tensor,
) -> torch.Tensor:
    """Return (F, N, 2) where points in an eye look for the gaze: the iris slides, rims stay.

    The white stretches between the iris and the corners on one side, and is pushed together on the
    other. What would look beyond a lid looks at what lies below its line.

    Args:
        iris: (F, 5, 2) its middle and rim.
        lids: rows (F, N) of the upper and the lower lid at columns (F, N).
        gaze: (F, 2) how far it slides across and down, of `_held_gaze`.
    """
    x, y = where.unbind(-1)
    center = iris[:, :1]
    radius = (iris[:, 1:] - center).norm(dim=-1).mean(1, keepdim=True).clamp_min(0.01)
    upper, lower = lids(x)
    across = (torch.minimum(x, width - x) - LIDS.drawn_rim).clamp_min(0.0)
    down = torch.minimum(y - upper, lower - y) - LIDS.drawn_rim
    away = (where - gaze[:, None] - center).norm(dim=-1)
    beside = (away - LIDS.drawn_iris * radius).clamp_min(0.0) + 1e-4
    looked_x = x - gaze[:, :1] * across / (across + beside)
    looked_y = y - gaze[:, 1:] * down / (down + beside).clamp_min(1e-4)
    upper, lower = lids(looked_x)
    lowest = (lower - LIDS.drawn_rim).maximum((upper + lower) / 2)
    looked_y = looked_y.minimum(lowest).maximum((upper + LIDS.drawn_rim).minimum(lowest))
    moved = (down / LIDS.drawn_edge).clamp(0.0, 1.0)[..., None]
    return torch.lerp(where, torch.stack([looked_x, looked_y], -1), moved)


def _held_gaze(marks: torch.Tensor, values: MotionValues) -> torch.Tensor:
    """Return (F, 2) the gaze of both eyes, in widths of an eye, as far as both irises can slide.

    Not beyond the white on one side, nor so far that on the other side there is none to stretch.
    """
    limits = []
    for (upper, *_), iris in zip(EYES, IRISES):
        first, last = marks[:, upper[0], :2], marks[:, upper[-1], :2]
        along, width = eye_axis(first, last)
        at = ((marks[:, list(iris), :2] - first[:, None]) * along[:, None]).sum(-1)
        radius = (at.amax(1, keepdim=True) - at.amin(1, keepdim=True)) / 2
        sides = torch.cat([at[:, :1] - radius, width - at[:, :1] - radius], 1)
        white = (sides - LIDS.drawn_rim).clamp_min(0.0)
        reach = torch.minimum(white, LIDS.drawn_stretch * white.flip(1))
        limits.append(torch.cat([reach.minimum(LIDS.drawn_gaze * radius), radius], 1) / width)
    left, right, radius = torch.stack(limits).amin(0).split(1, 1)
    down = LIDS.drawn_gaze * radius
    across = values.gaze_x.minimum(right).maximum(-left)
    return torch.cat([across, values.gaze_y.minimum(down).maximum(-down)], 1)
