"""Displacement fields: how rig coefficients move the points of a face.

Every function maps points in face coordinates (see `geometry`) to their displacement. The face is
two layers, upper and lower, that slide apart along the lip line: each layer alone is smooth and can
be inverted, so that an opening mouth never smears one lip over the other. Lips take their shapes
from `mouth_shapes`, all other amplitudes from `constants`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.curves import refine
from skyreels_avatar.rig.far_lips import far_reach, joined_beyond, turned_away, without_upright_ends
from skyreels_avatar.rig.geometry import (
    INNER_LOWER,
    INNER_UPPER,
    MOUTH_CORNERS,
    SHUT_GAP,
    as_points,
    interpolate_columns,
    lip_gap,
    smoothstep,
)
from skyreels_avatar.rig.mouth_shapes import mouth_shapes, shaped
from skyreels_avatar.rig.skin import SKIN_COEFFICIENTS, brow_tilts, held_brows, skin_moves
from skyreels_avatar.rig.skin import bump as _bump

UPPER, LOWER = 0, 1
LIPS = CONSTANTS.lips
LEAST_UNDONE = 0.1  # of a smile, by which also straight lips may smile less


@dataclass(frozen=True)
class FaceShape:
    """What the fields need to know of the face at rest, in face coordinates, for F frames."""

    points: torch.Tensor  # (F, 478, 3)
    lip_x: torch.Tensor  # (F, 11) columns of the inner lip points
    upper_y: torch.Tensor  # (F, 11) inner edge of the upper lip
    lower_y: torch.Tensor  # (F, 11)
    gap: torch.Tensor  # (F,) lip gap at rest, 0 when shut
    jaw: torch.Tensor  # (F,) how far the jaw hangs at rest, in H
    center: torch.Tensor  # (F, 2) middle of the lips
    half_width: torch.Tensor  # (F, 2) from the middle to the right, left corner
    thickness: torch.Tensor  # (F, 2) of the upper, lower lip
    smile: torch.Tensor  # (F,) that the face shows at rest, in units of the coefficient
    reach: torch.Tensor  # (F, 2) from the inner edge of the lip to the base of the nose, the chin
    rims: torch.Tensor | None = None  # (1, 2) of `held_brows`
    glasses: bool = False
    kept: dict = field(init=False, default_factory=dict, repr=False, compare=False)

    def at_rest(
        self, make: Callable[[torch.Tensor, FaceShape], torch.Tensor], points: torch.Tensor
    ) -> torch.Tensor:
        """Return make(points, shape), which no motion changes; of the same points made once."""
        if points.stride(0) == 0:  # one frame's, expanded
            points = points[:1]
        place = points.data_ptr(), points.shape, points.stride()
        found = self.kept.get((make, len(points[0])))
        # The points are kept, too: nothing else can come to lie where they are.
        if found is None or found[0] != place:
            found = self.kept[make, len(points[0])] = place, make(points, self), points
        return found[1]

    @classmethod
    def of(cls, points: torch.Tensor) -> FaceShape:
        """Measure the shape of a face at rest from (F, 478, 3) points in face coordinates."""
        up, low = points[:, list(INNER_UPPER)], points[:, list(INNER_LOWER)]
        gap = lip_gap(points)
        shut = (gap < SHUT_GAP)[:, None]
        middle = (up[..., 1] + low[..., 1]) / 2
        center = (points[:, 13, :2] + points[:, 14, :2]) / 2
        right = (center[:, 0] - points[:, 61, 0]).clamp_min(0.03)
        left = (points[:, 291, 0] - center[:, 0]).clamp_min(0.03)
        upper = (points[:, 13, 1] - points[:, 0, 1]).clamp_min(0.012)
        lower = (points[:, 17, 1] - points[:, 14, 1]).clamp_min(0.015)
        nose = points[:, 13, 1] - points[:, 2, 1]
        chin = points[:, 152, 1] - points[:, 14, 1]
        gap = torch.where(gap < SHUT_GAP, torch.zeros_like(gap), gap)
        smile = _rest_smile(points)
        lip_x = (up[..., 0] + low[..., 0]) / 2
        upper_y, lower_y = without_upright_ends(points, lip_x, up[..., 1], low[..., 1])
        return cls(
            points=points,
            lip_x=lip_x,
            upper_y=torch.where(shut, middle, upper_y),
            lower_y=torch.where(shut, middle, torch.maximum(lower_y, upper_y)),
            gap=gap,
            jaw=LIPS.jaw_at_rest * gap * (1 - LIPS.jaw_in_smile * smile),
            center=center,
            smile=smile,
            half_width=torch.stack([right, left], -1),
            thickness=torch.stack([upper, lower], -1),
            reach=torch.stack(
                [torch.maximum(nose, upper + 0.02), torch.maximum(chin, lower + 0.05)], -1
            ),
        )


def _rest_smile(points: torch.Tensor) -> torch.Tensor:
    """Return (F,) in 0..1 the smile of (F, 478, 3) faces: wide mouths whose corners are lifted."""
    corners, eyes = points[:, list(MOUTH_CORNERS), :2], points[:, [33, 263], :2]
    lift = (points[:, 13, 1] + points[:, 14, 1] - corners[..., 1].sum(1)) / 2
    width = (corners[:, 1] - corners[:, 0]).norm(dim=-1) / (eyes[:, 1] - eyes[:, 0]).norm(
        dim=-1
    ).clamp_min(0.1)
    lifted, wide = ((lift - 0.005) / 0.04).clamp(0, 1), ((width - 0.58) / 0.16).clamp(0, 1)
    return 0.6 * lifted + 0.4 * wide * lifted.sqrt()


class MotionValues:
    """Access coefficients of (F, 32) motion by name, as (F, 1) columns: `values.lip_gap`."""

    def __init__(self, motion: torch.Tensor):
        self.motion = motion

    def __getattr__(self, name: str) -> torch.Tensor:
        index = MOTION_INDEX.get(name)
        if index is None:
            raise AttributeError(name)
        column = self.motion[:, index, None]
        vars(self)[name] = column  # asked for again and again
        return column


def lip_moves(
    shape: FaceShape, values: MotionValues, columns: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how far the inner edges of the upper and the lower lip move at (F, N) columns.

    Args:
        columns: face x of F frames or of 1.
    """
    inner, rest_height = shape.at_rest(_openings, columns[..., None])
    roundness = values.pucker.clamp(0.0, 1.0)
    arch = inner ** (LIPS.arch - LIPS.arch_rounded * roundness)
    bite, tongue = (
        ((part - LIPS.least_part) / (1 - LIPS.least_part)).clamp(0.0, 1.0)
        for part in (values.tuck, values.tongue)
    )
    gap_now = values.lip_gap.clamp_min(0.0) + LIPS.bite_gap * bite + LIPS.tongue_gap * tongue
    rest_gap = shape.gap[:, None]
    share = (gap_now / rest_gap.clamp_min(1e-4)).clamp(0.0, 1.0)
    opened = (gap_now - rest_gap).clamp_min(0.0)
    shut = rest_height * (share - 1) + opened * arch  # gap - rest
    raised = values.upper_raise + LIPS.bite_raise * bite + LIPS.round_raise * roundness * opened
    raised = raised + LIPS.sneer_raise * values.sneer.clamp_min(0.0)
    falls = LIPS.upper_share + LIPS.upper_share_rounded * roundness
    upper_move = falls * (-shut).clamp_min(0.0) - raised * arch
    return upper_move, upper_move + shut


def _openings(columns: torch.Tensor, shape: FaceShape) -> tuple[torch.Tensor, torch.Tensor]:
    """Return at (F, N, 1) columns the base of the arch of an open mouth, and the height at rest."""
    columns = columns[..., 0]
    # Of the same curves as the outline: lips that shut would leave slits where they differ.
    curves = (refine(curve) for curve in (shape.lip_x, shape.upper_y, shape.lower_y))
    upper, lower = joined_beyond(columns, *curves)
    across = columns - shape.center[:, :1]
    beyond = far_reach(shape.points, shape.lip_x)
    inner = torch.where(
        across < 0,
        shape.center[:, :1] - shape.lip_x[:, :1] + beyond[:, :1],
        shape.lip_x[:, -1:] - shape.center[:, :1] + beyond[:, 1:],
    )
    base = (1 - (across / inner.clamp_min(0.02)) ** 2).clamp_min(1e-6)
    height = (lower - upper) * (shape.gap[:, None] > 0)
    # Far lips that the picture parts meet again as a whole, and not their inner edges alone.
    turned = turned_away(shape.points)
    turned = torch.where(across < 0, turned[:, :1], turned[:, 1:])
    whole = torch.maximum(height, shape.gap[:, None] * base**LIPS.arch)
    return base, torch.lerp(height, whole, turned)


def added_smile(shape: FaceShape, values: MotionValues) -> torch.Tensor:
    """Return (F, 1) the smile, held within what a face has left.

    A grin has less room above, and a straight face hardly any below: what takes the smile of a
    photo back would turn down the corners of lips that do not smile, as grief does.
    """
    room = 1.75 - 1.4 * shape.smile[:, None]
    wanted = values.smile.clamp_min(0)
    held = wanted / (1 + (wanted / room) ** 3) ** (1 / 3)
    undone = torch.maximum(values.smile, -LEAST_UNDONE - shape.smile[:, None])
    return torch.where(values.smile > 0, held, undone)


def relaxed_smile(shape: FaceShape, values: MotionValues) -> torch.Tensor:
    """Return (F, 1) how much of the smile at rest rounded, shut and biting lips undo."""
    rounded, shut, bite = (
        values.pucker * (1 / LIPS.full_rounding), values.press, LIPS.relaxed_by_bite * values.tuck,
    )  # fmt: skip
    share = torch.maximum(torch.maximum(rounded, shut), bite).clamp(0.0, 1.0)
    return LIPS.relaxed * share * shape.smile[:, None]


def mouth_field(
    points: torch.Tensor,
    shape: FaceShape,
    values: MotionValues,
    rolled: bool = True,
    edges: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Return (F, 2, N, 2) what lips and jaw do to points as those of the upper, the lower layer.

    Args:
        rolled: lips that roll in go behind the lip line; False leaves their edges at it.
        edges: of `lip_moves`, where they are known: at the columns of the points, or at those of
            one row of points that lie in rows alike.
    """
    moves, near = shape.at_rest(_mouth_moves, points)
    amounts = _mouth_amounts(shape, values, rolled)
    if len(moves) == 1:
        moved = amounts @ moves.flatten(2)[0]
    else:
        moved = (amounts[:, None] @ moves.flatten(2))[:, 0]
    moved = moved.unflatten(1, (2, 2, -1))  # F, layers, x and y, N
    edges = torch.stack(edges or lip_moves(shape, values, points[..., 0]), 1)[:, :, None]
    down = moved[:, :, 1].unflatten(2, (-1, edges.shape[3]))
    down.addcmul_(edges, near.unflatten(2, (-1, edges.shape[3])))
    return moved.transpose(2, 3)


def _mouth_amounts(shape: FaceShape, values: MotionValues, rolled: bool) -> torch.Tensor:
    """Return (F, K) how much of each of `_mouth_moves` is seen."""
    opening = (values.lip_gap - shape.gap[:, None]).clamp_min(0.0)
    none = torch.zeros_like(opening)
    weights = {
        "pucker": values.pucker,
        "width": values.width - LIPS.narrowing * opening,
        "smile": added_smile(shape, values) - relaxed_smile(shape, values),
        "frown": values.frown,
        "press": values.press if rolled else none,
        "tuck": values.tuck if rolled else none,
    }
    fringe = none
    if rolled and bool((shape.gap > 0).any()):
        shut = 1 - (values.lip_gap / shape.gap[:, None].clamp_min(1e-4)).clamp(0.0, 1.0)
        fringe = LIPS.fringe * torch.maximum(shut, values.pucker) * (shape.gap[:, None] > 0)
    dropped = values.jaw_drop - shape.jaw[:, None]
    shapes = mouth_shapes(opening.device).amounts(weights)
    return torch.cat([shapes, fringe, values.skew + none, opening, dropped], 1)


def _mouth_moves(points: torch.Tensor, shape: FaceShape) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a unit of each amount does to points of both layers, and near (F, 2, N).

    Returns:
        (F, K, 2, 2, N): K shapes of a mouth, the fringe of parted lips, skew, what an opening does
        to the corners and a jaw that drops; the layers; x and y. And how far points go with the
        inner edge of their lip.
    """
    x, y = points[..., 0], points[..., 1]
    beside = x - shape.center[:, :1]
    side = torch.where(beside < 0, shape.half_width[:, :1], shape.half_width[:, 1:])
    u = beside / side
    skew = LIPS.skew * _bump(points, shape.center, LIPS.skew_radius)
    chin = (shape.points[:, 152, 1:2] - shape.center[:, 1:]).clamp_min(0.1)
    falls = torch.exp(-((beside.abs() / LIPS.jaw_half_width) ** 3))
    none, layers = torch.zeros_like(skew), []
    edges = joined_beyond(x, shape.lip_x, shape.upper_y, shape.lower_y)
    for layer, edge in enumerate(edges):
        v = y - edge
        away = (v if layer == LOWER else -v).clamp_min(0.0)
        thickness, reach = shape.thickness[:, layer, None], shape.reach[:, layer, None]
        mouth = (shape.half_width.mean(1, keepdim=True), thickness, reach)
        across, leaves, lift = shaped(u, away, layer, mouth)
        down = (leaves if layer == LOWER else -leaves) - lift
        fringe = torch.exp(-((away / 0.03) ** 2))
        tapered = fringe * torch.exp(-2 * u**8)  # beyond the corners skin does not part
        parted = -fringe * u.clamp(-1.0, 1.0) * torch.exp(-(u**8) / 4)
        corners = torch.exp(-(((u.abs() - 1) / 0.35) ** 2) - (v / 0.09) ** 2)
        beyond = (away - LIPS.firm[layer] * thickness).clamp_min(0.0)
        if layer == UPPER:
            near, jaw = torch.exp(-((beyond / LIPS.upper_reach) ** 2)), none
        else:
            tapered = -tapered
            near = torch.exp(-((beyond / (0.5 * chin).clamp_max(LIPS.lower_reach)) ** 2))
            jaw = smoothstep(0.0, 1.0, away / chin) * falls * (1 - near)
            jaw = jaw * torch.exp(-(((away - chin).clamp_min(0.0) / LIPS.jaw_fade) ** 2))
        own = ((parted, tapered), (skew, none), (none, LIPS.corner_drop * corners), (none, jaw))
        own = torch.stack([torch.stack(move, 1) for move in own], 1)
        shapes = torch.stack([across * side[:, None], down], 2)
        layers.append((torch.cat([shapes, own], 1), near))
    moves, near = zip(*layers)
    return torch.stack(moves, 2), torch.stack(near, 1)


@dataclass(frozen=True)
class LipOutline:
    """The moved inner edges of the lips, head undone.

    Attributes:
        upper, lower: (F, K, 2) face coordinates from the right to the left corner.
        tips: (F, 2, 2) where lips meet beyond the right, the left end: see `far_reach`.
    """

    upper: torch.Tensor
    lower: torch.Tensor
    tips: torch.Tensor

    @classmethod
    def of(cls, shape: FaceShape, values: MotionValues) -> LipOutline:
        """Move the inner edges; those of lips that roll in stay at the lip line."""
        both = shape.at_rest(_rest_lips, shape.points)
        num = both.shape[1] // 2
        edges = lip_moves(shape, values, both[:, :num, 0])  # both have the same columns
        moved = both + face_field(both, shape, values)
        mouth = mouth_field(both, shape, values, False, edges)
        upper = moved[:, :num] + mouth[:, UPPER, :num]
        lower = moved[:, num:] + mouth[:, LOWER, num:]
        tips = (upper[:, [0, -1]] + lower[:, [0, -1]]) / 2
        return cls(upper[:, 1:-1], lower[:, 1:-1], tips)

    def at(self, columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return face y (F, N) of the upper and the lower edge at (F, N) columns."""
        upper, lower = (
            interpolate_columns(columns, edge[..., 0], edge[..., 1])
            for edge in (self.upper, self.lower)
        )
        return upper, torch.maximum(lower, upper)

    def line(self, columns: torch.Tensor) -> torch.Tensor:
        """Return face y (F, N) of the line that parts the layers at (F, N) columns."""
        middle = torch.cat([self.tips[:, :1], (self.upper + self.lower) / 2, self.tips[:, 1:]], 1)
        return interpolate_columns(columns, middle[..., 0], middle[..., 1])


def _rest_lips(_: torch.Tensor, shape: FaceShape) -> torch.Tensor:
    """Return (F, 2 K, 2) the inner edges at rest with their tips, first the upper one."""
    upper, lower, x = (refine(one) for one in (shape.upper_y, shape.lower_y, shape.lip_x))
    beyond = far_reach(shape.points, shape.lip_x)
    x = torch.cat([x[:, :1] - beyond[:, :1], x, x[:, -1:] + beyond[:, 1:]], 1)
    ends = (upper[:, [0, -1]] + lower[:, [0, -1]]) / 2
    edges = [torch.cat([ends[:, :1], edge, ends[:, 1:]], 1) for edge in (upper, lower)]
    return as_points(x.repeat(1, 2), torch.cat(edges, 1))


_SKIN_MOTION = [MOTION_INDEX[name] for name in SKIN_COEFFICIENTS]
_BROWS = slice(SKIN_COEFFICIENTS.index("brow_r"), SKIN_COEFFICIENTS.index("brow_l") + 1)
_BROW_MOTION = [MOTION_INDEX[name] for name in ("brow_r", "brow_l", "furrow")]


def face_field(points: torch.Tensor, shape: FaceShape, values: MotionValues) -> torch.Tensor:
    """Return (F, N, 2) what corners, cheeks, nose, chin and brows do: the same in both layers."""
    moves, motion = shape.at_rest(_skin_moves, points).flatten(2), values.motion
    amounts = torch.cat([motion[:, _SKIN_MOTION], brow_tilts(motion[:, _BROW_MOTION])], 1)
    held = held_brows(amounts[:, _BROWS], shape.points[..., :2], shape.rims)
    amounts = torch.cat([amounts[:, : _BROWS.start], held, amounts[:, _BROWS.stop :]], 1)
    moved = amounts @ moves[0] if len(moves) == 1 else (amounts[:, None] @ moves)[:, 0]
    return moved.unflatten(1, (2, -1)).transpose(1, 2)


def _skin_moves(points: torch.Tensor, shape: FaceShape) -> torch.Tensor:
    """Return (F, 8, 2, N) of `skin_moves`, x and y apart."""
    at = shape.points[..., :2]
    return skin_moves(points, at, shape.rims).movedim(-1, 2).contiguous()
