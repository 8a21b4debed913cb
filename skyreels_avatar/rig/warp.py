"""Backward warps of a face: from rig coefficients to where each pixel of the output looks.

Order in the picture's own time: lids and irises move, then expression and jaw (two layers), then
the head. A pixel is undone in the opposite order. The smooth parts are inverted on a coarse grid
in face coordinates by fixed-point iteration; lids, irises and the line of the lips are exact at
full resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.fields import (
    LOWER,
    UPPER,
    FaceShape,
    MotionValues,
    face_field,
    head_depth,
    head_field,
    head_weight,
    lip_edges,
    mouth_field,
)
from skyreels_avatar.rig.geometry import (
    EYES,
    IRISES,
    LARGE_EYE,
    FaceFrame,
    interpolate_columns,
    smoothstep,
)
from skyreels_avatar.rig.picture_edge import keep_inside_picture
from skyreels_avatar.rig.reference_clip import ReferenceClip, detail_place, enlarge, follows_head
from skyreels_avatar.rig.secondary_motion import trailing_field

# What may move: left, top, right, bottom in face coordinates. Nothing outside ever changes.
FIELD_BOX = (-1.0, -1.35, 1.0, 0.9)
CELLS_PER_FACE = 44  # coarse grid nodes per face height
INVERSION_STEPS = 5
TEETH_BEHIND_LIPS = 0.03  # of H
LID_MARGIN = 0.08  # of the opening
LASHES = 0.013  # of H
LASHES_SHARE = 0.4  # of the skin between fold and lid edge, at most
LARGE_LASHES = 0.022  # of H
LINING_STEP = 0.5  # of skin looked at for each of lid
LID_UNFOLDS = 0.7  # how unevenly the lid stretches; 1 would be without end at the lashes
LID_OVERLAP = 1.1  # the lashes of a shut eye lie over the lower lid


@dataclass(frozen=True)
class Lookup:
    """The coarse maps at full resolution.

    Attributes:
        positions: (F, 2, h, w) pixels x, y of the frame, of the layer that is seen.
        window: (F, 1, h, w), 0 where nothing ever changes.
        place: (F, 2, h, w) pixels of the finer picture; None without one.
        share: (F, 1, h, w) of the finer picture; None is 1.
    """

    positions: torch.Tensor
    window: torch.Tensor
    place: torch.Tensor | None
    share: torch.Tensor | None


@dataclass(frozen=True)
class CoarseWarp:
    """Backward displacements in face coordinates on the grid of `FIELD_BOX`, (F, 2, gh, gw) each.

    Attributes:
        both: the layer that is seen at each node.
        upper, lower: the layer above and below the lips.
        head: the head alone, at the depth of the teeth.
    """

    both: torch.Tensor
    upper: torch.Tensor
    lower: torch.Tensor
    head: torch.Tensor

    def look_up(self, frame: FaceFrame, clip: ReferenceClip) -> Lookup:
        """Return what the coarse maps say at each pixel of a clip.

        They are looked up at the knots of a lattice in the picture, as coarse as the maps, and
        interpolated along rows and columns, which is far cheaper. Round lips and eyes, which part
        within a cell, the caller looks anew.
        """
        detail, (height, width) = clip.detail, clip.frames.shape[2:]
        spacing = max(1, round(float(frame.height_px.amin()) / CELLS_PER_FACE))
        lattice = _lattice(height, width, spacing, self.both)
        knots = frame.from_pixels(lattice)
        nodes = field_nodes(self.both)[None]
        window = field_window(nodes, clip.region)[:, None].expand(len(self.both), -1, -1, -1)
        found = _sample(torch.cat([self.both, window], 1), knots)
        if detail is not None:
            found[:, :2] *= follows_head(detail, lattice.permute(0, 3, 1, 2))
        looked = frame.to_pixels(knots + found[:, :2].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        maps = [looked, found[:, 2:]]
        if detail is not None:
            place, share = detail_place(detail, looked)
            maps += [place] if share is None else [place, share * found[:, 2:].sqrt()]
        full = enlarge(torch.cat(maps, 1), spacing)
        full = full[:, :, spacing : spacing + height, spacing : spacing + width]
        return Lookup(
            positions=full[:, :2],
            window=full[:, 2:3],
            place=None if detail is None else full[:, 3:5],
            share=full[:, 5:] if full.shape[1] == 6 else None,
        )

    def at(self, name: str, points: torch.Tensor) -> torch.Tensor:
        """Return (F, h, w, 2) displacements of one map at (F, h, w, 2) points."""
        return _sample(getattr(self, name), points).permute(0, 2, 3, 1)


def _lattice(height: int, width: int, spacing: int, like: torch.Tensor) -> torch.Tensor:
    """Return (1, rows, columns, 2) pixels x, y: the centres of cells that overhang by one cell."""
    y, x = torch.meshgrid(
        *(
            (torch.arange(-(-side // spacing) + 2, device=like.device) - 0.5) * spacing
            for side in (height, width)
        ),
        indexing="ij",
    )
    return torch.stack([x, y], -1)[None]


def _sample(coarse: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    left, top, right, bottom = FIELD_BOX
    scale = points.new_tensor([2 / (right - left), 2 / (bottom - top)])
    shift = points.new_tensor([(right + left) / (right - left), (bottom + top) / (bottom - top)])
    grid = (points * scale - shift).expand(coarse.shape[0], *points.shape[1:])
    return F.grid_sample(coarse, grid, mode="bilinear", padding_mode="border", align_corners=True)


def coarse_warp(
    shape: FaceShape,
    values: MotionValues,
    region: tuple[float, ...] | None = None,
    trail: MotionValues | None = None,
    edges: torch.Tensor | None = None,
) -> CoarseWarp:
    """Invert the smooth fields of F frames.

    Args:
        shape: of F frames, or of 1 that all frames share.
        region: of `ReferenceClip`.
        trail: motion whose head is where hair would be, of `trailing`; None is `values`.
        edges: of `ReferenceClip`.
    """
    nodes = field_nodes(shape.points)[None]
    rows, columns = nodes.shape[1:3]
    points = nodes.reshape(1, -1, 2).expand(shape.points.shape[0], -1, -1)
    depth, weight = head_depth(points, shape), head_weight(points, shape)
    window = field_window(points[:1], region)
    common = face_field(points, shape, values)
    swing = 0.0
    if trail is not None:
        swing = trailing_field(points, depth, weight, shape, values, trail)
    moves = []
    for layer in (UPPER, LOWER):
        move = mouth_field(points, shape, values, layer) + common
        turned = head_field(points + move, depth, weight, shape, values)
        moves.append(move + keep_inside_picture(turned + swing, points, edges))
    turned = head_field(points, depth + TEETH_BEHIND_LIPS, weight, shape, values)
    moves.append(keep_inside_picture(turned, points, edges))
    inverted = []
    for move in moves:
        forward = (move * window[..., None]).transpose(1, 2).unflatten(2, (rows, columns))
        back = -forward
        for _ in range(INVERSION_STEPS):
            back = -_sample(forward, nodes + back.permute(0, 2, 3, 1))
        inverted.append(back)
    upper, lower, head = inverted
    at = nodes + head.permute(0, 2, 3, 1)
    line = lip_line(at[..., 0].flatten(1), shape, values).unflatten(1, (rows, columns))
    below = (at[..., 1] > line)[:, None]
    return CoarseWarp(torch.where(below, lower, upper), upper, lower, head)


def field_nodes(like: torch.Tensor) -> torch.Tensor:
    """Return (rows, columns, 2) the grid of `FIELD_BOX` in face coordinates."""
    left, top, right, bottom = FIELD_BOX
    rows = round((bottom - top) * CELLS_PER_FACE) + 1
    columns = round((right - left) * CELLS_PER_FACE) + 1
    y, x = torch.meshgrid(
        torch.linspace(top, bottom, rows, device=like.device),
        torch.linspace(left, right, columns, device=like.device),
        indexing="ij",
    )
    return torch.stack([x, y], -1)


def field_window(points: torch.Tensor, region: tuple[float, ...] | None = None) -> torch.Tensor:
    """Return (F, ...) 1 well inside a region, falling smoothly to 0 at its border.

    Args:
        region: left, top, right, bottom in face coordinates; None is `FIELD_BOX`.
    """
    left, top, right, bottom = region or FIELD_BOX
    x, y = points.unbind(-1)
    distance = torch.stack([x - left, right - x, y - top, bottom - y]).amin(0)
    return smoothstep(0.0, 0.125 * min(right - left, bottom - top), distance)


def lip_line(columns: torch.Tensor, shape: FaceShape, values: MotionValues) -> torch.Tensor:
    """Return (F, N) the middle between the moved lip edges, head undone, at (F, N) columns."""
    upper, lower, upper_move, lower_move = lip_edges(shape, values, columns)
    return (upper + upper_move + lower + lower_move) / 2


def undo_eye(
    points: torch.Tensor, eye: int, shape: FaceShape, values: MotionValues
) -> torch.Tensor:
    """Return where points near one eye look in the picture at rest.

    The upper lid is a sheet between the fold under the brow and the lashes: it stretches down
    over an eyeball that stays in place. The lower lid rises likewise. The iris slides.

    Args:
        points: (F, N, 2) face coordinates with head and expression undone.
        eye: 0 the person's right, 1 the left.
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
    bottom = torch.maximum(bottom, lower + 0.02)
    blink = (values.blink_r if eye == 0 else values.blink_l).clamp(0.0, 1.0)
    open_height = lower - upper
    raised = 0.30 * values.squint.clamp(0.0, 1.0) * (1 - blink) + 0.12 * blink
    new_lower = lower - raised * open_height
    wide = 0.16 * (-values.squint).clamp(0.0, 1.0)
    new_upper = (
        upper + (blink * LID_OVERLAP * (new_lower - upper)) - wide * open_height * (1 - blink)
    )

    # eyeball: the iris slides, strongest at its centre, nothing at the lids
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
    edge = upper - blink * (LID_MARGIN * open_height).clamp_max(0.5 * (upper - top))
    large = (marks[:, lower_lid[4], 1:2] - marks[:, upper_lid[4], 1:2]) > LARGE_EYE
    lid_y = torch.where(
        large,
        _lined(y, upper, new_upper, edge, bottom),
        _unfolded(y, top, new_upper, edge),
    )
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
    lashes = (LASHES_SHARE * (edge - top)).clamp_max(LASHES)
    hidden, seen = edge - lashes - top, (new_upper - lashes - top).clamp_min(1e-3)
    over = ((y - top) / seen).clamp(0.0, 1.0)
    unfolds = (seen / hidden.clamp_min(1e-3) - 1).clamp(0.0, LID_UNFOLDS)
    return top + hidden * over * (1 + unfolds * (1 - over)) + (y - top - seen).clamp_min(0.0)


def _lined(
    y: torch.Tensor,
    upper: torch.Tensor,
    new_upper: torch.Tensor,
    edge: torch.Tensor,
    bottom: torch.Tensor,
) -> torch.Tensor:
    """Return the rows (F, N) that rows y of a drawn eye's lid look at.

    Such an eye is larger than the skin above it: the lashes come down, and the lid above them is
    lined with skin from below the eye.
    """
    lined = bottom + LINING_STEP * (new_upper - LARGE_LASHES - y)
    moved = torch.where(y > new_upper - LARGE_LASHES, y - new_upper + edge, lined)
    return torch.where(y > upper - LARGE_LASHES, moved, y)
