"""Teach the VAE's eye finder where the eyes of drawn faces are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.components import Components
from train.config import TrainConfig
from train.data.eyes import EyeCrop, eye_crops, sample
from train.data.simulate.portraits import load_portraits
from train.loop import Run

VALIDATION_CROPS = 1024


def run(config: TrainConfig) -> None:
    """Train on the eyes under `data.portraits`; people kept out are for validation only."""
    if not config.data.portraits:
        raise InputError("give the folder of portraits: data.portraits=FOLDER")
    cache = Path(config.data.cache) / "portraits.npz"
    faces = load_portraits(Path(config.data.portraits), cache)
    crops = {
        kept: [crop for face in faces if face.kept_out == kept for crop in eye_crops(face)]
        for kept in (False, True)
    }

    def step_loss(parts: Components, step: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([config.seed, step])
        points, radius = _errors(parts, *draw_batch(crops[False], config.batch_size, rng))
        lids = F.smooth_l1_loss(points, torch.zeros_like(points), beta=0.03)
        iris = F.smooth_l1_loss(radius, torch.zeros_like(radius), beta=0.03)
        return {"loss": lids + 0.1 * iris, "lids": lids.detach()}

    held = draw_batch(crops[True], VALIDATION_CROPS, np.random.default_rng(1))

    Run(config).train(step_loss, lambda parts: figures_of(parts, held))


@torch.no_grad()
def figures_of(
    parts: Components, held: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
) -> dict[str, float]:
    """Return mean errors of the eye finder as shares of the eye's width.

    Args:
        held: of `draw_batch`, people kept out.
    """
    points, radius = _errors(parts, *held)
    width = (held[1][:, 8] - held[1][:, 0]).norm(dim=-1)
    off = points.norm(dim=-1) / width[:, None]
    return {
        "lids, of the eye's width": float(off[:, :16].mean()),
        "nine tenths below": float(off[:, :16].mean(1).quantile(0.9)),
        "iris": float(off[:, 16].mean()),
        "radius": float((radius.abs() / width).mean()),
    }


def draw_batch(
    crops: list[EyeCrop], number: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return pictures (N, 3, 64, 64) in 0..1, points (N, 17, 2) and radii (N,)."""
    chosen = [sample(crops[i], rng) for i in rng.integers(0, len(crops), number)]
    pictures, points, radii = zip(*chosen)
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    return batch, torch.from_numpy(np.stack(points)), torch.tensor(radii)


def _errors(
    parts: Components, pictures: torch.Tensor, points: torch.Tensor, radii: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return errors (N, 17, 2) and (N,) in crop units."""
    device = next(parts.vae.parameters()).device
    found, radius = parts.vae.eye_finder(pictures.to(device))
    return found - points.to(device), radius - radii.to(device)
