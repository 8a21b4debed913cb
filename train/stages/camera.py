"""Teach the ControlNet how a person answers the reference video; the rest is frozen.

The reference video may show a moving camera, or the same person saying something else (for
retalking). The validation is the ablation: errors with the control and without it.
"""

from __future__ import annotations

import numpy as np
import torch

from skyreels_avatar.loading.components import Components
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.config import TrainConfig
from train.data.simulate.camera_motion import follow_camera
from train.data.windows import WindowBatch
from train.loop import Run
from train.objective import loss_parts
from train.stages.pretrain import held_out_sampler, make_sampler
from train.validate import Sampling, sample_motion

_NUM_VALIDATION_WINDOWS = 48
_ANSWERED = ("gaze_x", "gaze_y", "yaw")
_MEASURED = ("yaw", "pitch", "gaze_x", "gaze_y", "blink_r", "lip_gap")


def run(config: TrainConfig) -> None:
    """Train on windows most of whose reference videos move."""
    sampler = make_sampler(config)
    held_out = held_out_windows(config)

    def step_loss(parts: Components, step: int) -> dict[str, torch.Tensor]:
        batch = sampler.batch(config.batch_size, np.random.default_rng([config.seed, 77, step + 2]))
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        return loss_parts(parts, batch, config.loss, generator, use_control=True)

    def ablations(parts: Components) -> dict[str, float]:
        return {
            f"{kind}_{name}": value
            for kind, batch in held_out.items()
            for name, value in ablation(parts, batch).items()
        }

    Run(config).train(step_loss, ablations)


def held_out_windows(config: TrainConfig) -> dict[str, WindowBatch]:
    """Return fixed windows of held-out voices under moving cameras and over talking videos."""
    windows = {}
    for number, (kind, camera, retalk) in enumerate((("camera", 1, 0), ("retalk", 0, 1))):
        sampler = held_out_sampler(config, camera_share=camera, retalk_share=retalk)
        rng = np.random.default_rng([config.seed, 77, 1, number])
        windows[kind] = sampler.batch(_NUM_VALIDATION_WINDOWS, rng)
    return windows


def ablation(parts: Components, batch: WindowBatch) -> dict[str, float]:
    """Return rms errors with and without control, and what follows the reference video.

    `gaze_x_answer` is how much of what a moving camera asks of the gaze the control does: the
    slope of what it changes, with the same noise, on what `follow_camera` changes; likewise yaw.
    Glances, which noise decides, are in neither; over talking videos it says nothing.
    `mouth_follows` is Pearson r of the lip gap with the reference video's own: 0 where it has none.
    """
    figures: dict[str, float] = {}
    true, shown = batch.motion.numpy(), batch.apparent.numpy()
    made: dict[str, np.ndarray] = {}
    for name, use_control in (("with", True), ("without", False)):
        sampling = Sampling(use_control=use_control)
        motion = sample_motion(parts, batch, sampling, torch.Generator().manual_seed(3)).numpy()
        for number in _MEASURED:
            index = MOTION_INDEX[number]
            error = motion[..., index] - true[..., index]
            figures[f"{number}_error_{name}"] = float(np.sqrt((error**2).mean()))
        figures[f"mouth_follows_{name}"] = _pearson(motion[:, 8:, 0], shown[:, 8:, 0])
        made[name] = motion
    return figures | answers(made["with"] - made["without"], shown)


def answers(changed: np.ndarray, apparent: np.ndarray) -> dict[str, float]:
    """Return the share of each of `_ANSWERED` that a change (B, F, 32) does of what is asked.

    Args:
        apparent: (B, F, 32) how the camera makes the head seem to move.
    """
    asked = np.stack([follow_camera(np.zeros_like(one), one) for one in apparent])
    figures = {}
    for number in _ANSWERED:
        wanted, done = (motion[:, 8:, MOTION_INDEX[number]] for motion in (asked, changed))
        figures[f"{number}_answer"] = float((wanted * done).sum() / max((wanted**2).sum(), 1e-9))
    return figures


def _pearson(first: np.ndarray, second: np.ndarray) -> float:
    if min(first.std(), second.std()) < 1e-9:
        return 0.0
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
