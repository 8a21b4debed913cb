"""The eight camera moves: what each does to the camera at a given amplitude.

Amplitude 1 is no unit: each move has its own (see `PRESETS`), always proportional to `strength`, so
that a strength of 50% is half the distance or half the angle of 100%.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from skyreels_avatar.camera.geometry import pitch, pose, roll, yaw

logger = logging.getLogger(__name__)

RAMP = 0.2
"""Share of the time in which the `trapezoid` ease speeds up, and again slows down."""


@dataclass(frozen=True)
class Preset:
    """One move: its amplitude at 100% before the picture's own limit, and the camera's pose.

    pose_at(amount, anchor, hfov_rad) -> world_from_camera (4, 4) float64, where amount is an
    amplitude, and anchor (3,) the subject in the coordinates of the camera before the move.
    """

    amplitude: float
    unit: str
    pose_at: Callable[[float, Tensor, float], Tensor]


def _static(amount: float, anchor: Tensor, hfov_rad: float) -> Tensor:
    return torch.eye(4, dtype=torch.float64)


def _push(amount: float, anchor: Tensor, hfov_rad: float) -> Tensor:
    # Towards the anchor, not along the axis: the subject keeps its place in the picture.
    return pose(amount * anchor.double(), torch.eye(3, dtype=torch.float64))


def _pan(amount: float, anchor: Tensor, hfov_rad: float) -> Tensor:
    return pose(torch.zeros(3, dtype=torch.float64), yaw(amount * hfov_rad))


def _crane(amount: float, anchor: Tensor, hfov_rad: float) -> Tensor:
    """Rise by amount x subject distance and tilt so that the subject keeps its picture row."""
    y, z = float(anchor[1]), float(anchor[2])
    rise = amount * z
    tilt = math.atan2(y + rise, z) - math.atan2(y, z)
    center = torch.tensor([0.0, -rise, 0.0], dtype=torch.float64)
    return pose(center, pitch(-tilt))


PRESETS: dict[str, Preset] = {
    "static": Preset(0.0, "", _static),
    "push_in": Preset(0.375, "of the subject distance", _push),
    "push_out": Preset(0.25, "of the subject distance", lambda a, p, h: _push(-a, p, h)),
    "pan_left": Preset(0.2, "of the angle of view", lambda a, p, h: _pan(-a, p, h)),
    "pan_right": Preset(0.2, "of the angle of view", _pan),
    "crane_up": Preset(0.2, "of the subject distance", _crane),
    "crane_down": Preset(0.2, "of the subject distance", lambda a, p, h: _crane(-a, p, h)),
    # The swing follows curves in time instead of one path; see `swing_curves` and `swing_pose`.
    "swing": Preset(1.0, "of the handheld sway", _static),
}

MOVES: tuple[str, ...] = tuple(PRESETS)
"""The names of all moves."""

SWING_YAW_DEG, SWING_PITCH_DEG, SWING_ROLL_DEG = 2.0, 1.5, 0.7
SWING_X, SWING_Y, SWING_Z = 0.008, 0.008, 0.012
"""Peaks of the swing at amplitude 1: angles, and shifts in shares of the subject distance."""

SWING_LOW_HZ, SWING_HIGH_HZ, SWING_PARTIALS = 0.15, 2.2, 12
SWING_FADE_S = 0.4
SWING_REFERENCE_S = 8.0
"""Curves are scaled to peak 1 over the clip, or over this time when the clip is shorter: a short
clip then holds a part of a natural sway instead of a blown-up tremble."""


def _trapezoid(u: Tensor) -> Tensor:
    area = 1 - RAMP
    speeding_up = u.square() / (2 * RAMP)
    slowing_down = area - (1 - u).square() / (2 * RAMP)
    position = torch.where(u < RAMP, speeding_up, u - RAMP / 2)
    return torch.where(u > 1 - RAMP, slowing_down, position) / area


EASES: dict[str, Callable[[Tensor], Tensor]] = {
    "trapezoid": _trapezoid,
    "linear": lambda u: u,
    "smooth": lambda u: u.pow(3) * (u * (6 * u - 15) + 10),
}


def eased(progress: Tensor, ease: str) -> Tensor:
    """Return how far along its way a move is, 0 to 1, at a progress in time (...,), clamped."""
    return EASES[ease](progress.double().clamp(0.0, 1.0))


@dataclass(frozen=True)
class CameraMove:
    """A camera move as a director asks for it.

    name: one of `MOVES`. strength: 0 to 1, the share of this picture's largest good amplitude.
    ease: one of `EASES`. seed: which handheld sway `swing` draws. absolute: take the share of the
    preset's own amplitude instead, without the picture's limit, so that strengths compare across
    pictures.

    Raises:
        ValueError: unknown name or ease, or strength outside 0 to 1.
    """

    name: str = "static"
    strength: float = 1.0
    ease: str = "trapezoid"
    seed: int = 0
    absolute: bool = False

    def __post_init__(self) -> None:
        if self.name not in PRESETS:
            raise ValueError(f"unknown camera move {self.name!r}; choose one of {', '.join(MOVES)}")
        if self.ease not in EASES:
            raise ValueError(f"unknown ease {self.ease!r}; choose one of {', '.join(EASES)}")
        if isinstance(self.strength, bool) or not isinstance(self.strength, int | float):
            raise ValueError(f"strength must be a number between 0 and 1, got {self.strength!r}")
        if not 0.0 <= self.strength <= 1.0:
            raise ValueError(f"strength must be between 0% and 100%, got {100 * self.strength:g}%")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise ValueError(f"seed must be a whole number from 0 on, got {self.seed!r}")

    @classmethod
    def parse(cls, text: str) -> CameraMove:
        """Read `name` or `name:percent`, as in "push_in:60" or "push_in:60%"; without it is 100%.

        A number below 1 without % logs a warning: 0.5 may mean half.

        Raises:
            ValueError: unknown move, or a strength that is no number from 0 to 100.
        """
        name, colon, percent = text.strip().partition(":")
        if not colon:
            return cls(name.strip())
        number = percent.strip().removesuffix("%")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            raise ValueError(
                f"strength must be a number from 0 to 100 after the colon, as in push_in:60,"
                f" got {text!r}"
            )
        move = cls(name.strip(), value / 100)
        if 0 < value < 1 and not percent.strip().endswith("%"):
            logger.warning(
                "camera %s is %g%% of the move, which is hardly visible; did you mean %g%%?",
                text.strip(), value, 100 * value,
            )  # fmt: skip
        return move


def swing_curves(seed: int, times_s: Tensor) -> Tensor:
    """Return the handheld sway (F, 6) at the given times: yaw, pitch, roll, x, y, z, peak 1.

    A sum of sinusoids with amplitude 1/f and seeded phases; every curve starts at 0 and fades in.
    """
    generator = torch.Generator().manual_seed(seed)
    phases = 2 * math.pi * torch.rand(6, SWING_PARTIALS, generator=generator, dtype=torch.float64)
    low, high = math.log(SWING_LOW_HZ), math.log(SWING_HIGH_HZ)
    frequencies = torch.linspace(low, high, SWING_PARTIALS, dtype=torch.float64).exp()

    def sway(times: Tensor) -> Tensor:
        angles = 2 * math.pi * frequencies * times[:, None, None] + phases
        value = (angles.sin() - phases.sin()) / frequencies
        fade = (times / SWING_FADE_S).clamp(0, 1)
        return value.sum(dim=-1) * (fade.square() * (3 - 2 * fade))[:, None]

    times_s = times_s.double()
    length_s = max(SWING_REFERENCE_S, float(times_s.max()) if len(times_s) else 0.0)
    reference = sway(torch.arange(0.0, length_s + 0.02, 0.02, dtype=torch.float64))
    return sway(times_s) / reference.abs().amax(dim=0)


def swing_pose(curves: Tensor, amount: float, distance: float) -> Tensor:
    """Return world_from_camera (4, 4) of one instant (6,) of the sway, at an amplitude."""
    turn_yaw, turn_pitch, turn_roll, x, y, z = (amount * float(v) for v in curves)
    rotation = (
        yaw(math.radians(SWING_YAW_DEG) * turn_yaw)
        @ pitch(math.radians(SWING_PITCH_DEG) * turn_pitch)
        @ roll(math.radians(SWING_ROLL_DEG) * turn_roll)
    )
    shift = torch.tensor([SWING_X * x, SWING_Y * y, SWING_Z * z], dtype=torch.float64)
    return pose(distance * shift, rotation)
