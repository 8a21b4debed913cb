"""How a head turns: its points as those of a solid that a camera sees from near.

It turns with its own relief about an axis in the neck, and what comes nearer grows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from skyreels_avatar.rig.fields import FaceShape, MotionValues
from skyreels_avatar.rig.geometry import SIDES, head_turn, smoothstep
from skyreels_avatar.rig.lenses import flatten_lenses
from skyreels_avatar.rig.relief import depth_at, steepness

# Of H, from the axis of the head. The face mesh is a tenth deeper than heads are: with this
# distance a nose passes the eyes as that of ICT-FaceKit's head does, seen from 90 cm.
CAMERA_DISTANCE = 8.0
_AXIS_BEHIND_SIDES = 0.05  # of H
_STEEPEST = 0.75  # way by which neighbors may pass each other; a steeper relief becomes flatter
_NOSE_TIP, _EYE_CORNERS = 1, (33, 263)
# Of H: what a nose stands out before the corners of the eyes, median of 32 portraits. The face mesh
# says 0.15 to 0.30 of heads that are all alike: flat ones would hardly turn.
_NOSE, _GROWS = 0.255, 1.3
# Of a face in a side view one half is hidden, and landmarks of it lie behind others: radians
# between which its relief becomes flatter, and by how much.
_TURNED_AWAY, _RELIEF_HIDDEN = (0.35, 0.75), 0.65
# And it turns less and less further away, where what is still seen of that half would fold.
_TURNING_AWAY, _AWAY_HELD = (0.05, 0.45), 0.8


def head_depth(points: torch.Tensor, shape: FaceShape) -> torch.Tensor:
    """Return (F, N) depth of the head at points: see `relief`, and `lenses`."""
    depth = depth_at(points, shape.points)
    return flatten_lenses(depth, points, shape.points) if shape.glasses else depth


def _nose_scale(marks: torch.Tensor) -> torch.Tensor:
    """Return (F, 1) by what the depth of a face has to grow for its nose to be as long as usual."""
    nose = marks[:, list(_EYE_CORNERS), 2].mean(1, keepdim=True) - marks[:, _NOSE_TIP, 2:]
    return (_NOSE / nose.clamp_min(0.05)).clamp(1.0, _GROWS)


def _pose(marks: torch.Tensor, _: FaceShape) -> tuple[torch.Tensor, ...]:
    """Return what `HeadTransform.of` knows of (F, 478, 3) faces at rest.

    Returns:
        its origin, the level of the eyes below the neck (F,), and (F, 1) each: the side to which
        the face is turned, how far it is kept from turning further there, how much of its depths
        counts, and how much at most times the sine of its turn.
    """
    axis = marks[:, list(SIDES), 0].mean(1)
    eye_level = (marks[:, 10, 1] + marks[:, 152, 1]) / 2
    depth = marks[:, list(SIDES), 2].mean(1) + _AXIS_BEHIND_SIDES
    facing = head_turn(marks)[:, None]
    held = _AWAY_HELD * smoothstep(*_TURNING_AWAY, facing.abs())
    hidden = smoothstep(*_TURNED_AWAY, facing.abs())
    shown = 1 - _RELIEF_HIDDEN * hidden
    relief = shown * torch.lerp(_nose_scale(marks), torch.ones_like(hidden), hidden)
    origin, neck = torch.stack([axis, eye_level, depth], -1), eye_level - (marks[:, 152, 1] - 0.05)
    return origin, neck, facing.sign(), held, relief, shown * _STEEPEST / steepness(marks)


def head_weight(points: torch.Tensor, shape: FaceShape) -> torch.Tensor:
    """Return (F, N) in 0..1: how far a point goes with the head (1) or stays with the body (0)."""
    x, y = points[..., 0], points[..., 1]
    chin = shape.points[:, 152, 1:2]
    middle = (shape.points[:, 234, :1] + shape.points[:, 454, :1]) / 2
    sides = smoothstep(1.05, 0.58, (x - middle).abs())
    neck = smoothstep(0.50, 0.0, y - chin - 0.12 * smoothstep(0.3, 0.0, (x - middle).abs()))
    return sides * neck


def head_field(
    points: torch.Tensor,
    depth: torch.Tensor,
    weight: torch.Tensor,
    shape: FaceShape,
    values: MotionValues,
) -> torch.Tensor:
    """Return (F, N, 2) what turning, shifting and leaning the head does.

    Args:
        points: (F, N, 2) after the expression was applied.
        depth: (F, N) from `head_depth`.
        weight: (F, N) from `head_weight`.
    """
    return transform_head(points, depth, weight, HeadTransform.of(shape, values))


@dataclass(frozen=True)
class HeadTransform:
    """What turning, shifting and leaning does to F heads that a camera sees from near.

    Attributes:
        origin: (F, 3) the axis of the head, the level of the eyes, and the depth of the axis.
        relief: (F, 1) how much of the depths counts.
        rows: (F, 3, 4) what (x, y, depth, 1), seen from the origin without perspective, become: x
            and y as the camera sees them from `CAMERA_DISTANCE`, times the third row.
        shift: (F, 2) what is added after the division.
    """

    origin: torch.Tensor
    relief: torch.Tensor
    rows: torch.Tensor
    shift: torch.Tensor

    @classmethod
    def of(cls, shape: FaceShape, values: MotionValues) -> HeadTransform:
        origin, neck, side, held, relief, most = shape.at_rest(_pose, shape.points)
        further = (values.yaw * side).clamp_min(0.0) * side
        yaw = values.yaw - held * further
        turn = torch.hypot(yaw, values.pitch).clamp(1e-4, 1.5).sin()
        relief = torch.minimum(relief, most / turn)
        angles = torch.cat([yaw, values.pitch, values.roll], 1)
        cos_yaw, cos_pitch, cos_roll = angles.cos().unbind(1)
        sin_yaw, sin_pitch, sin_roll = angles.sin().unbind(1)
        # The head turns about the neck, this far below the level of the eyes, and then nods.
        neck, none = neck.expand_as(cos_yaw), torch.zeros_like(cos_yaw)
        across = torch.stack([cos_yaw, none, -sin_yaw, none], -1)
        down = torch.stack(
            [sin_yaw * sin_pitch, cos_pitch, cos_yaw * sin_pitch, neck * (cos_pitch - 1)], -1
        )
        depths = torch.stack(
            [sin_yaw * cos_pitch, -sin_pitch, cos_yaw * cos_pitch, -neck * sin_pitch], -1
        )
        nearness = depths / CAMERA_DISTANCE
        nearness[:, 3] += 1
        # Roll leans about the neck, too, in the picture.
        zoom, shift = values.zoom.exp(), torch.cat([values.shift_x, values.shift_y], 1)
        cos_roll, sin_roll = cos_roll[:, None], sin_roll[:, None]
        leaned = (across * cos_roll - down * sin_roll, across * sin_roll + down * cos_roll)
        rows = [row * zoom for row in leaned] + [nearness]
        lean = torch.cat([-sin_roll, cos_roll], 1) * neck[:, None] * zoom
        shift = shift + lean - torch.stack([none, neck], 1)
        return cls(origin, relief, torch.stack(rows, 1), shift)


def transform_head(
    points: torch.Tensor, depth: torch.Tensor, weight: torch.Tensor, turn: HeadTransform
) -> torch.Tensor:
    """Return (F, N, 2) of `head_field` where `turn` is known."""
    flat = points.mT - turn.origin[:, :2, None]  # F, x and y, N
    z = turn.relief * (depth - turn.origin[:, 2:])
    # What comes nearer to the camera grows.
    grown = flat * (z / CAMERA_DISTANCE + 1)[:, None]
    solid = torch.cat([grown, z[:, None]], 1)
    seen = torch.baddbmm(turn.rows[..., 3:], turn.rows[..., :3], solid)
    moved = seen[:, :2] / seen[:, 2:] + turn.shift[..., None] - flat
    return (moved * weight[:, None]).mT
