"""How a head turns: its points as those of a solid that a camera sees from near.

It turns with its own relief about an axis in the neck, and what comes nearer grows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from skyreels_avatar.rig.fields import FaceShape, MotionValues
from skyreels_avatar.rig.geometry import SIDES, as_points, head_turn, smoothstep
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
    """Return (F, N) depth of the head at points: see `relief`."""
    return depth_at(points, shape.points)


def _steepness(points: torch.Tensor, _: FaceShape) -> torch.Tensor:
    return steepness(points)


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


def _nose_scale(marks: torch.Tensor) -> torch.Tensor:
    """Return (F, 1) by what the depth of a face has to grow for its nose to be as long as usual."""
    nose = marks[:, list(_EYE_CORNERS), 2].mean(1, keepdim=True) - marks[:, _NOSE_TIP, 2:]
    return (_NOSE / nose.clamp_min(0.05)).clamp(1.0, _GROWS)


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
        marks = shape.points
        axis = marks[:, list(SIDES), 0].mean(1)
        eye_level = (marks[:, 10, 1] + marks[:, 152, 1]) / 2
        depth = marks[:, list(SIDES), 2].mean(1) + _AXIS_BEHIND_SIDES
        facing = head_turn(marks)[:, None]
        further = (values.yaw * facing.sign()).clamp_min(0.0) * facing.sign()
        yaw = values.yaw - _AWAY_HELD * smoothstep(*_TURNING_AWAY, facing.abs()) * further
        turn = torch.hypot(yaw, values.pitch).clamp(1e-4, 1.5).sin()
        steep = shape.at_rest(_steepness, marks)
        hidden = smoothstep(*_TURNED_AWAY, facing.abs())
        as_usual = torch.lerp(_nose_scale(marks), torch.ones_like(hidden), hidden)
        relief = torch.minimum(as_usual, _STEEPEST / (steep * turn))
        relief = relief * (1 - _RELIEF_HIDDEN * hidden)
        angles = torch.cat([yaw, values.pitch, values.roll], 1)
        cos_yaw, cos_pitch, cos_roll = angles.cos().unbind(1)
        sin_yaw, sin_pitch, sin_roll = angles.sin().unbind(1)
        # The head turns about the neck, this far below the level of the eyes, and then nods.
        neck = (eye_level - (marks[:, 152, 1] - 0.05)).expand_as(cos_yaw)
        none = torch.zeros_like(cos_yaw)
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
        return cls(torch.stack([axis, eye_level, depth], -1), relief, torch.stack(rows, 1), shift)


def transform_head(
    points: torch.Tensor, depth: torch.Tensor, weight: torch.Tensor, turn: HeadTransform
) -> torch.Tensor:
    """Return (F, N, 2) of `head_field` where `turn` is known."""
    axis, eye_level, middle = turn.origin.split(1, 1)
    columns, lines = (points[..., 0] - axis, points[..., 1] - eye_level)
    z = turn.relief * (depth - middle)
    # What comes nearer to the camera grows.
    nearness = 1 + z / CAMERA_DISTANCE
    x, y = columns * nearness, lines * nearness
    seen = []
    for row in turn.rows.unbind(1):
        of_x, of_y, of_z, of_one = row.split(1, 1)
        seen.append(torch.addcmul(torch.addcmul(torch.addcmul(of_one, z, of_z), x, of_x), y, of_y))
    shift_x, shift_y = turn.shift.split(1, 1)
    dx = (seen[0] / seen[2] + shift_x - columns) * weight
    dy = (seen[1] / seen[2] + shift_y - lines) * weight
    return as_points(dx, dy)
