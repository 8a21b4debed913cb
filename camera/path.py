"""Plan the path of the camera: moves with their times become one pose per frame."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from skyreels_avatar.camera.amplitude import ScenePreview, largest_factor, limit
from skyreels_avatar.camera.geometry import hfov_rad, invert
from skyreels_avatar.camera.moves import (
    PRESETS,
    SWING_FADE_S,
    CameraMove,
    eased,
    swing_curves,
    swing_pose,
)
from skyreels_avatar.camera.scene import Scene

logger = logging.getLogger(__name__)

BLEND_S = 0.5
"""Time in which a move that ends and the next one overlap."""

CHECKED_INSTANTS = 6
"""How many frames of a combination of moves are checked against the picture's limits."""


@dataclass(frozen=True)
class CameraPath:
    """The pose of the camera at each frame.

    intrinsics: (F, 3, 3) pixels. extrinsics: (F, 4, 4) world-to-camera; the world is the frame of
    the camera that took the picture, in units of its depth.
    """

    intrinsics: Tensor
    extrinsics: Tensor
    fps: float

    @property
    def num_frames(self) -> int:
        """Number of poses."""
        return len(self.extrinsics)

    def is_static(self) -> bool:
        """Whether every frame is the picture itself."""
        return bool((self.extrinsics == torch.eye(4)).all())


@dataclass(frozen=True)
class _Leg:
    """One move between two times, at the amplitude that its strength stands for."""

    move: CameraMove
    start_s: float
    end_s: float
    amount: float
    last: bool


def plan_path(
    moves: CameraMove | Sequence[tuple[float, CameraMove]],
    scene: Scene,
    num_frames: int,
    fps: float,
) -> CameraPath:
    """Plan the camera's pose at each frame of a shot.

    Args:
        moves: one move over the whole shot, or (time_s, move) pairs in order of time. Each move
            starts at its time, from where the camera then is, and lasts until the next later time
            or the end of the shot; neighbors overlap by half a second, and moves with the same
            time run together. A combination that leaves the limits of `camera.amplitude` is reduced
            as a whole, with a warning.
        scene: whose anchor, depth and limits count.
        num_frames: frames of the whole shot.
        fps: frames per second.

    Raises:
        ValueError: no frames, an fps that is not positive, or times that fall or lie outside.
    """
    if num_frames < 1:
        raise ValueError(f"num_frames must be at least 1, got {num_frames}")
    if not fps > 0:
        raise ValueError(f"fps must be positive, got {fps}")
    times_s = torch.arange(num_frames, dtype=torch.float64) / fps
    legs = _legs(moves, scene, float(times_s[-1]))
    poses = _poses(legs, scene, times_s)
    if len(legs) > 1 and not all(leg.move.absolute for leg in legs):
        legs = _reduced(legs, scene, times_s)
        poses = _poses(legs, scene, times_s)
    intrinsics = scene.intrinsics.float().expand(num_frames, 3, 3).clone()
    return CameraPath(intrinsics, invert(poses).float(), float(fps))


def _legs(
    moves: CameraMove | Sequence[tuple[float, CameraMove]], scene: Scene, end_s: float
) -> list[_Leg]:
    keyframes = [(0.0, moves)] if isinstance(moves, CameraMove) else list(moves)
    if not keyframes:
        raise ValueError("a camera path needs at least one move; use static for none")
    starts = [float(time_s) for time_s, _ in keyframes]
    if starts != sorted(starts) or starts[0] < 0:
        raise ValueError(f"camera keyframes must come in order of time from 0 s on, got {starts}")
    if len(keyframes) > 1 and starts[-1] >= end_s:
        raise ValueError(
            f"the camera keyframe at {starts[-1]:g} s lies at or after the end of the shot"
            f" ({end_s:g} s)"
        )
    legs = []
    for start_s, move in keyframes:
        later = [s for s in starts if s > start_s]
        amount = move.strength * limit(move, scene) if move.strength > 0 else 0.0
        legs.append(_Leg(move, start_s, later[0] if later else end_s, amount, not later))
    return legs


def _poses(legs: list[_Leg], scene: Scene, times_s: Tensor) -> Tensor:
    """Return world_from_camera (F, 4, 4) float64: the legs one after the other."""
    angle = hfov_rad(scene.intrinsics, scene.depth.shape[1])
    total = torch.eye(4, dtype=torch.float64).expand(len(times_s), 4, 4)
    at_end = torch.eye(4, dtype=torch.float64)
    for leg in legs:
        if leg.amount == 0.0:
            continue
        anchor = invert(at_end) @ torch.cat([scene.anchor.double(), torch.ones(1).double()])
        if leg.move.name == "swing":
            poses = _swing(leg, float(anchor[2]), times_s)
        else:
            pose_at = PRESETS[leg.move.name].pose_at
            shares = _progress(leg, times_s)
            poses = torch.stack(
                [pose_at(leg.amount * float(share), anchor[:3], angle) for share in shares]
            )
            at_end = at_end @ pose_at(leg.amount, anchor[:3], angle)
        total = total @ poses
    return total


def _progress(leg: _Leg, times_s: Tensor) -> Tensor:
    """Return the eased share of the way (F,) that a leg has gone at each time."""
    half_blend = 0.5 * min(BLEND_S, 0.5 * (leg.end_s - leg.start_s))
    start_s = leg.start_s - (half_blend if leg.start_s > 0 else 0.0)
    end_s = leg.end_s + (0.0 if leg.last else half_blend)
    # A single frame has no time to move in: it shows where the move starts.
    progress = (times_s - start_s) / max(end_s - start_s, 1e-9)
    return eased(progress, leg.move.ease)


def _swing(leg: _Leg, distance: float, times_s: Tensor) -> Tensor:
    curves = swing_curves(leg.move.seed, (times_s - leg.start_s).clamp_min(0.0))
    if not leg.last:
        fade = ((leg.end_s + 0.5 * BLEND_S - times_s) / SWING_FADE_S).clamp(0, 1)
        curves = curves * (fade.square() * (3 - 2 * fade))[:, None]
    return torch.stack([swing_pose(c, leg.amount, distance) for c in curves])


def _reduced(legs: list[_Leg], scene: Scene, times_s: Tensor) -> list[_Leg]:
    """Return the legs, all reduced by one factor if the combination leaves the limits."""
    preview = ScenePreview(scene)
    count = min(CHECKED_INSTANTS, len(times_s))
    instants = times_s[torch.linspace(0, len(times_s) - 1, count).round().long()]

    def scaled(factor: float) -> list[_Leg]:
        return [replace(leg, amount=factor * leg.amount) for leg in legs]

    factor = largest_factor(
        lambda f: all(preview.is_acceptable(p) for p in _poses(scaled(f), scene, instants))
    )
    if factor < 1.0:
        logger.warning(
            "together these camera moves leave the picture: all are reduced to %.0f%%",
            100 * factor,
        )
    return scaled(factor)
