"""Teach the camera ControlNet how a person answers a moving camera; the rest is frozen.

The validation is the ablation: error of gaze and head with the control and without it.
"""

from __future__ import annotations

import numpy as np
import torch

from skyreels_avatar.components import Components
from skyreels_avatar.models.motion import MOTION_INDEX
from train.config import TrainConfig
from train.data.windows import WindowBatch
from train.loop import Run
from train.objective import loss_parts
from train.stages.pretrain import make_sampler
from train.validate import Sampling, sample_motion

_NUM_VALIDATION_WINDOWS = 48
_MEASURED = ("yaw", "pitch", "gaze_x", "gaze_y")


def run(config: TrainConfig) -> None:
    """Train on windows most of which see a moving camera."""
    sampler = make_sampler(config)
    held_out = sampler.batch(_NUM_VALIDATION_WINDOWS, np.random.default_rng([config.seed, 77, 1]))

    def step_loss(parts: Components, step: int) -> dict[str, torch.Tensor]:
        batch = sampler.batch(config.batch_size, np.random.default_rng([config.seed, 77, step + 2]))
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        return loss_parts(parts, batch, config.loss, generator, use_control=True)

    Run(config).train(step_loss, lambda parts: ablation(parts, held_out))


def ablation(parts: Components, batch: WindowBatch) -> dict[str, float]:
    """Return rms errors of gaze and head with and without control, and how the gaze follows.

    `gaze_follows` is Pearson r of the sideways gaze with the turn that would keep eye contact.
    """
    figures: dict[str, float] = {}
    true = batch.motion.numpy()
    turn = batch.apparent.numpy()[..., MOTION_INDEX["yaw"]]
    for name, use_control in (("with", True), ("without", False)):
        sampling = Sampling(use_control=use_control)
        made = sample_motion(parts, batch, sampling, torch.Generator().manual_seed(3)).numpy()
        for number in _MEASURED:
            index = MOTION_INDEX[number]
            error = made[..., index] - true[..., index]
            figures[f"{number}_error_{name}"] = float(np.sqrt((error**2).mean()))
        looks = made[..., MOTION_INDEX["gaze_x"]]
        figures[f"gaze_follows_{name}"] = float(np.corrcoef(looks.ravel(), -turn.ravel())[0, 1])
    return figures
