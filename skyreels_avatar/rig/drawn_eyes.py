"""Eyes of flat drawings: a lash line that comes down, and a lid of flat skin behind it.

Such eyes are often larger than the skin above them, so that no lid can be unfolded from it. The
lash line moves as a whole, the lower one comes to meet it, and what they leave is skin from below
the eye. Here the fold and the bag of the mesh are the outer edges of the two lines.
"""

from __future__ import annotations

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
    along = marks[:, upper_lid[-1], :2] - first
    length = along.norm(dim=-1, keepdim=True)
    along, width = along / length.clamp_min(1e-6), length.clamp_min(0.02)
    axes = torch.stack([along, torch.stack([-along[:, 1], along[:, 0]], -1)], 1)

    def local(xy: torch.Tensor) -> torch.Tensor:
        return torch.einsum("fnk,fjk->fnj", xy - first[:, None], axes)

    where = local(points)
    x, y = where.unbind(-1)
    rims = [local(marks[:, list(ring), :2]).unbind(-1) for ring in (upper_lid, lower_lid)]
    upper, lower = (interpolate_columns(x, *map(refine, rim)) for rim in rims)
    lower = torch.maximum(lower, upper)
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
    slid = _slid_iris(where, local(marks[:, list(IRISES[eye]), :2]), (upper, lower), width, values)
    wide = new_upper < upper - 1e-5
    row = torch.where(wide, slid[..., 1] + widening(y, upper, lower, new_upper), slid[..., 1])
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


def _slid_iris(
    where: torch.Tensor,
    iris: torch.Tensor,
    rims: tuple[torch.Tensor, torch.Tensor],
    width: torch.Tensor,
    values: MotionValues,
) -> torch.Tensor:
    """Return (F, N, 2) where points in an eye look for the gaze: the iris slides, rims stay."""
    upper, lower = rims
    center = iris[:, :1]
    radius = (iris[:, 1:] - center).norm(dim=-1).mean(1, keepdim=True).clamp_min(0.01)
    away = (where - center).norm(dim=-1) / radius
    across = torch.minimum(where[..., 0], width - where[..., 0]) - LIDS.drawn_rim
    down = torch.minimum(where[..., 1] - upper, lower - where[..., 1]) - LIDS.drawn_rim
    # Less than the way to the rim, or what lies behind it would be looked up and not the eye.
    room = torch.stack([torch.minimum(0.8 * across, 1.6 * down), 0.8 * torch.minimum(across, down)])
    furthest = torch.minimum(room.clamp_min(0.0), LIDS.drawn_gaze * radius)
    gaze = torch.cat([values.gaze_x, values.gaze_y], 1) * width
    slide = gaze.T[..., None] * smoothstep(2.1, 0.9, away)
    slide = torch.maximum(torch.minimum(slide, furthest), -furthest)
    return where - slide.movedim(0, -1)
