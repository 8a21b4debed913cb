"""Backward warps of a face: from rig coefficients to the source position of each output pixel.

The forward order is lids and irises (`eyes`), then expression and jaw (two layers), then the head;
a backward warp undoes them in the opposite order. The smooth parts are inverted on a coarse grid
in face coordinates by fixed-point iteration; lids, irises and the line of the lips are exact at
full resolution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache

import torch
import torch.nn.functional as F

from skyreels_avatar.rig.coefficients import clamp_coefficients
from skyreels_avatar.rig.eye_look import EyeLook
from skyreels_avatar.rig.fields import (
    LOWER,
    UPPER,
    FaceShape,
    LipOutline,
    MotionValues,
    face_field,
    lip_moves,
    mouth_field,
)
from skyreels_avatar.rig.geometry import FaceFrame, select_frames, smoothstep
from skyreels_avatar.rig.head import HeadTransform, head_depth, head_weight, transform_head
from skyreels_avatar.rig.lookup import Lookup
from skyreels_avatar.rig.picture_edge import keep_inside_picture
from skyreels_avatar.rig.reference_clip import ReferenceClip, detail_place, enlarge, follows_head
from skyreels_avatar.rig.secondary_motion import trailing_field
from skyreels_avatar.rig.torso import torso_warp

# What may move of the head: left, top, right, bottom in face coordinates.
FIELD_BOX = (-1.0, -1.35, 1.0, 0.9)
# And what lips and jaw move of it: beyond, `mouth_field` is less than 1e-4.
MOUTH_REACH = (-0.7, -0.5, 0.7, 0.8)
# Where the layers part, with room for what moves there: only there all of them are inverted.
PARTED = (-0.82, -0.62, 0.82, 0.9)
CELLS_PER_FACE = 44  # coarse grid nodes per face height
# Shares of the steps of fixed-point iteration. Whole ones converge where skin is pushed together;
# where it is stretched, as under a raised brow, they overshoot, and half ones set that right.
INVERSION_STEPS = (1.0, 0.5, 1.0, 0.5, 1.0, 1.0)
TEETH_BEHIND_LIPS = 0.03  # of H
TORSO_STEP = 4  # times coarser: the field of the torso is smooth


@dataclass(frozen=True)
class CoarseWarp:
    """Backward displacements in face coordinates on the grid of `FIELD_BOX`, (F, 2, gh, gw) each.

    Attributes:
        both: the layer that is seen at each node.
        upper, lower: the layer above and below the lips; away from the mouth both are the upper.
        head: the head alone, at the depth of the teeth; near the mouth.
    """

    both: torch.Tensor
    upper: torch.Tensor
    lower: torch.Tensor
    head: torch.Tensor

    def look_up(
        self, frame: FaceFrame, clip: ReferenceClip, torso: MotionValues | None = None
    ) -> Lookup:
        """Return what the coarse maps say at each pixel of a clip, and `torso_warp` below them.

        They are looked up at the knots of a lattice in the picture, as coarse as the maps, and
        interpolated along rows and columns, which is far cheaper. Round lips and eyes, which part
        within a cell, the caller looks anew.
        """
        (height, width), still = clip.frames.shape[2:], slice(0, 1 if clip.is_still else None)
        spacing = max(1, round(float(frame.height_px.amin()) / CELLS_PER_FACE))
        lattice = _lattice(height, width, spacing, self.both)
        placed = frame.select(still)  # of a still camera one frame tells where all of them are
        knots = placed.from_pixels(lattice)
        nodes = field_nodes(self.both)[None]
        window = _sample(field_window(nodes, clip.region)[:, None], knots)
        found, follows = _sample(self.both, knots), 1.0
        if clip.detail is not None:
            follows = follows_head(clip.select(still).detail, lattice.permute(0, 3, 1, 2))
            found = found * follows
        looked = frame.to_pixels(knots + found.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        if torso is not None:
            chin, coarse = clip.landmarks[still, 152, :2], TORSO_STEP * spacing
            below = torso_warp(
                _lattice(height, width, coarse, self.both), chin, placed, torso, clip.edges
            )
            start = TORSO_STEP - 1  # of the finer lattice, which overhangs less
            rows, columns = (slice(start, start + side) for side in lattice.shape[1:3])
            move, share = (
                enlarge(part, TORSO_STEP)[:, :, rows, columns] * follows for part in below
            )
            looked, window = looked + move, torch.maximum(window, share)
        maps = looked
        if clip.detail is not None:
            maps = torch.cat([looked, detail_place(clip.detail, looked)], 1)
        return Lookup(maps, window, spacing, (height, width))

    def at(self, name: str, points: torch.Tensor) -> torch.Tensor:
        """Return (F, h, w, 2) displacements of one map at (F, h, w, 2) points."""
        return _sample(getattr(self, name), points).permute(0, 2, 3, 1)

    def layers_at(self, points: torch.Tensor) -> list[torch.Tensor]:
        """Return `at` of `upper`, `lower` and `head`."""
        layers = torch.cat([self.upper, self.lower, self.head], 1)
        return [one.permute(0, 2, 3, 1) for one in _sample(layers, points).split(2, 1)]


@dataclass(frozen=True)
class PosedFace:
    """The face of a clip with coefficients applied, for F frames.

    Attributes:
        frame: where the face is in the pictures.
        shape: the face at rest; of 1 frame if it hardly deforms in the clip.
        values: the coefficients, clamped.
        warp: their inverse.
        lips: the inner edges of the lips.
        drawn: a flat drawing.
        eyes: what stands before the eyes; None = nothing.
    """

    frame: FaceFrame
    shape: FaceShape
    values: MotionValues
    warp: CoarseWarp
    lips: LipOutline
    drawn: bool = False
    eyes: EyeLook | None = None

    @classmethod
    def of(
        cls, clip: ReferenceClip, motion: torch.Tensor, trail: torch.Tensor | None = None
    ) -> PosedFace:
        """Apply (F, 32) coefficients to the face of a clip.

        Args:
            trail: of `delay_head`; None leaves hair with the head.
        """
        frame, eyes = FaceFrame.of(clip.landmarks), clip.look.eyes
        rims, glasses = (None, False) if eyes is None else (eyes.rims, eyes.glasses)
        if clip.has_own_motion:  # whose jaw is relative to the frames
            shape = _shape_of(frame.points, rims, glasses)
            shape = replace(shape, jaw=torch.zeros_like(shape.jaw))
        else:
            rest = frame.averaged_if_still() if clip.rest is None else clip.rest
            shape = _shape_of(rest, rims, glasses)
        motion = clamp_coefficients(motion)
        values = MotionValues(motion if eyes is None else eyes.hold(motion))
        late = None if trail is None else MotionValues(clamp_coefficients(trail))
        lips = LipOutline.of(shape, values)
        warp = coarse_warp(shape, values, clip.region, late, clip.edges, lips)
        return cls(frame, shape, values, warp, lips, clip.look.drawn is not None, eyes)

    def select(self, frames: slice) -> PosedFace:
        """Return the face in some of the frames."""
        shape = self.shape  # the same one keeps what it knows
        if len(shape.points) > 1:
            shape = select_frames(shape, frames)
        return replace(
            self,
            frame=self.frame.select(frames),
            shape=shape,
            values=MotionValues(self.values.motion[frames]),
            warp=select_frames(self.warp, frames),
            lips=select_frames(self.lips, frames),
        )


def _shape_of(points: torch.Tensor, rims: torch.Tensor | None, glasses: bool) -> FaceShape:
    """Return the shape of a face; of one that does not change, the same with what it keeps."""
    if len(points) > 1 or points.requires_grad or points.device.type != "cpu":
        return replace(FaceShape.of(points), rims=rims, glasses=glasses)
    heights = None if rims is None else tuple(rims[0].tolist())
    return _still_shape(points.numpy().tobytes(), heights, glasses)


@lru_cache(maxsize=4)
def _still_shape(values: bytes, rims: tuple[float, ...] | None, glasses: bool) -> FaceShape:
    points = torch.frombuffer(bytearray(values), dtype=torch.float32).reshape(1, -1, 3)
    heights = None if rims is None else torch.tensor([rims])
    return replace(FaceShape.of(points), rims=heights, glasses=glasses)


def _lattice(height: int, width: int, spacing: int, like: torch.Tensor) -> torch.Tensor:
    """Return (1, rows, columns, 2) pixels x, y: the centers of cells that overhang by one cell."""
    y, x = torch.meshgrid(
        *(
            (torch.arange(-(-side // spacing) + 2, device=like.device) - 0.5) * spacing
            for side in (height, width)
        ),
        indexing="ij",
    )
    return torch.stack([x, y], -1)[None]


def _sample(coarse: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Sample maps (F or 1, C, gh, gw) at (F or 1, h, w, 2): (F, C, h, w)."""
    frames, (scale, shift) = max(len(coarse), len(points)), _grid_units(points.device)
    grid = torch.addcmul(-shift, points, scale).expand(frames, -1, -1, -1)
    return _sampled(coarse.expand(frames, -1, -1, -1), grid)


def _sampled(coarse: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    return F.grid_sample(coarse, grid, mode="bilinear", padding_mode="border", align_corners=True)


@cache
def _grid_units(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what takes face x and y to -1..1 of `FIELD_BOX`: times the one, less the other."""
    left, top, right, bottom = FIELD_BOX
    sizes, ends = [right - left, bottom - top], [right + left, bottom + top]
    size = torch.tensor(sizes, device=device)
    return 2 / size, torch.tensor(ends, device=device) / size


def coarse_warp(
    shape: FaceShape,
    values: MotionValues,
    region: tuple[float, ...] | None = None,
    trail: MotionValues | None = None,
    edges: torch.Tensor | None = None,
    lips: LipOutline | None = None,
) -> CoarseWarp:
    """Invert the smooth fields of F frames.

    Args:
        shape: of F frames, or of 1 that all frames share.
        region: of `ReferenceClip`.
        trail: motion whose head is where hair would be, of `delay_head`; None is `values`.
        edges: of `ReferenceClip`.
        lips: of `values`, if it is known.
    """
    nodes = field_nodes(shape.points)[None]
    size = nodes.shape[1:3]
    points = nodes.reshape(1, -1, 2).expand(shape.points.shape[0], -1, -1)
    depth, weight = (shape.at_rest(make, points) for make in (head_depth, head_weight))
    window = field_window(points[:1], region).unflatten(1, size)[:, None]
    turn, swing = HeadTransform.of(shape, values), None
    skin = face_field(points, shape, values)
    turned = transform_head(points + skin, depth, weight, turn)
    if trail is not None:
        turns = turn, HeadTransform.of(shape, trail)
        hanging, swung = trailing_field(points, depth, weight, shape, turns)
        swing = torch.zeros_like(turned).index_copy_(1, hanging, swung)
        turned = turned + swing
    common = _as_maps(skin + keep_inside_picture(turned, points, edges), size)
    # Lips and jaw are left out so far. Round them either layer has its own way.
    mouth = (slice(None), slice(None), *_nodes_in(MOUTH_REACH))
    near = _mouth_nodes(points.device).expand(shape.points.shape[0], -1, -1)
    near_skin, near_depth, near_weight = (
        _within_mouth(part, size) for part in (skin, depth, weight)
    )
    lip_line = lip_moves(shape, values, near[:, : common[mouth].shape[3], 0])
    layers, moves = mouth_field(near, shape, values, edges=lip_line), []
    for layer in (UPPER, LOWER):
        move = near_skin + layers[:, layer]
        turned = transform_head(near + move, near_depth, near_weight, turn)
        if swing is not None:
            turned = turned + _within_mouth(swing, size)
        moved = move + keep_inside_picture(turned, near, edges)
        layered = common.clone() if layer == UPPER else common
        box = layered[mouth]
        box.copy_(_as_maps(moved, box.shape[2:]))
        moves.append(layered)
    turned = transform_head(points, depth + TEETH_BEHIND_LIPS, weight, turn)
    moves.append(_as_maps(keep_inside_picture(turned, points, edges), size))
    inverted, parted = [], (..., *_nodes_in(PARTED))
    scale, shift = _grid_units(points.device)
    units = scale[:, None, None]
    places = (nodes * scale - shift).permute(0, 3, 1, 2)  # in units of the grid
    for layer, move in enumerate(moves):
        away = move * (-units * window)
        at, back = places, away
        if layer != UPPER:  # elsewhere it is the upper layer that is seen
            at, back = places[parted], away[parted]
        for share in INVERSION_STEPS:
            found = _sampled(away, (at + back).permute(0, 2, 3, 1))
            back = found if share == 1 else torch.lerp(back, found, share)
        back = back / units
        if layer != UPPER:
            whole = inverted[UPPER].clone()
            whole[parted] = back
            back = whole
        inverted.append(back)
    upper, lower, head = inverted
    at = nodes[(slice(None), *_nodes_in(PARTED))] + head[parted].permute(0, 2, 3, 1)
    line = (lips or LipOutline.of(shape, values)).line(at[..., 0].flatten(1))
    below = at[..., 1] > line.unflatten(1, at.shape[1:3])
    both = upper.clone()
    both[parted] = torch.where(below[:, None], lower[parted], upper[parted])
    return CoarseWarp(both, upper, lower, head)


def _as_maps(points: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return (F, 2, rows, columns) of (F, N, 2)."""
    return points.transpose(1, 2).unflatten(2, size)


def _within_mouth(values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return what (F, N) or (F, N, 2) values at all nodes are at `_mouth_nodes`."""
    rows, columns = _nodes_in(MOUTH_REACH)
    if values.dim() == 2:
        return values.unflatten(1, size)[:, rows, columns].flatten(1)
    return _as_maps(values, size)[:, :, rows, columns].flatten(2).transpose(1, 2)


@cache
def _mouth_nodes(device: torch.device) -> torch.Tensor:
    """Return (1, N, 2) the nodes in `MOUTH_REACH`."""
    nodes = _field_nodes(device)
    return _within_mouth(nodes.reshape(1, -1, 2), nodes.shape[:2])


def field_nodes(like: torch.Tensor) -> torch.Tensor:
    """Return (rows, columns, 2) the grid of `FIELD_BOX` in face coordinates."""
    return _field_nodes(like.device)


@cache
def _field_nodes(device: torch.device) -> torch.Tensor:
    left, top, right, bottom = FIELD_BOX
    rows = round((bottom - top) * CELLS_PER_FACE) + 1
    columns = round((right - left) * CELLS_PER_FACE) + 1
    y, x = torch.meshgrid(
        torch.linspace(top, bottom, rows, device=device),
        torch.linspace(left, right, columns, device=device),
        indexing="ij",
    )
    return torch.stack([x, y]).permute(1, 2, 0)


def _nodes_in(box: tuple[float, float, float, float]) -> tuple[slice, slice]:
    """Return the rows and the columns of `field_nodes` in left, top, right, bottom."""
    left, top = FIELD_BOX[:2]
    columns = [round((x - left) * CELLS_PER_FACE) for x in (box[0], box[2])]
    rows = [round((y - top) * CELLS_PER_FACE) for y in (box[1], box[3])]
    return slice(rows[0], rows[1] + 1), slice(columns[0], columns[1] + 1)


def field_window(points: torch.Tensor, region: tuple[float, ...] | None = None) -> torch.Tensor:
    """Return (F, ...) 1 well inside a region, falling smoothly to 0 at its border.

    Args:
        region: left, top, right, bottom in face coordinates; None is `FIELD_BOX`.
    """
    left, top, right, bottom = region or FIELD_BOX
    x, y = points.unbind(-1)
    distance = torch.stack([x - left, right - x, y - top, bottom - y]).amin(0)
    return smoothstep(0.0, 0.125 * min(right - left, bottom - top), distance)
