"""Teach the rig's encoder to read rig coefficients from tracked landmarks.

The rig's fields say where every landmark of a face goes for given coefficients. The encoder
learns the way back, on faces of many portraits with the tracker's noise added.
"""

from __future__ import annotations

from pathlib import Path

import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.components import Components
from skyreels_avatar.rig.coefficients import MOTION_GROUPS, MOTION_INDEX
from skyreels_avatar.rig.geometry import FaceFrame
from train.config import TrainConfig
from train.data.simulate.landmarks import random_motion, simulate_landmarks
from train.data.simulate.portraits import load_portraits
from train.loop import Run

NUM_VALIDATION = 2048


def run(config: TrainConfig) -> None:
    """Train on the faces under `data.portraits`; faces kept out are for validation only."""
    if not config.data.portraits:
        raise InputError("give the folder of portraits: data.portraits=FOLDER")
    cache = Path(config.data.cache) / "portraits.npz"
    faces = load_portraits(Path(config.data.portraits), cache)
    rest = {kept: face_points([f for f in faces if f.kept_out == kept]) for kept in (False, True)}

    def step_loss(parts: Components, step: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        error = _errors(parts, rest[False], config.batch_size, generator)
        return {"loss": (error**2).mean()}

    Run(config).train(step_loss, lambda parts: figures_of(parts, rest[True]))


@torch.no_grad()
def figures_of(parts: Components, rest: torch.Tensor) -> dict[str, float]:
    """Return mean errors of coefficients and of their groups, in units of their scales.

    Args:
        rest: of `face_points`, people kept out.
    """
    generator = torch.Generator().manual_seed(1)
    error = _errors(parts, rest, NUM_VALIDATION, generator).abs().mean(0)
    names = ("blink_l", "gaze_x", "yaw", "pitch", "jaw_drop", "width", "pucker", "smile")
    figures = {name: float(error[MOTION_INDEX[name]]) for name in names}
    for index, group in enumerate(MOTION_GROUPS):
        figures[group] = float(error[8 * index : 8 * index + 8].mean())
    return figures


def face_points(faces: list) -> torch.Tensor:
    """Return (N, 478, 3) points of portraits in face coordinates."""
    landmarks = torch.stack([torch.from_numpy(face.landmarks) for face in faces])
    return FaceFrame.of(landmarks.float()).points


def _errors(
    parts: Components, faces: torch.Tensor, number: int, generator: torch.Generator
) -> torch.Tensor:
    """Return (number, 32) errors of the encoder in units of each number's scale."""
    chosen = torch.randint(len(faces), (number,), generator=generator)
    rest = faces[chosen] * (1 + 0.06 * torch.randn(number, 1, 3, generator=generator))
    motion = random_motion(number, generator)
    device = parts.vae.motion_std.device
    points = simulate_landmarks(rest, motion, generator).to(device)
    rest, motion = rest.to(device), motion.to(device)
    return parts.vae.encoder(points, rest[..., :2]).float() - motion / parts.vae.motion_std
