r"""Distill a transformer that draws pixels: guidance in one pass, and long steps.

    python -m train distill --tier infinitetalk --dry-run
    torchrun --nproc-per-node 8 -m train distill --tier infinitetalk device=cuda \
        footage.folder=FOLDER

The stage `distill` for tiers whose networks draw pixels, by the same method: the student begins as
the teacher, is told the scales of guidance and how far a step goes, and learns the teacher's guided
velocity for short steps and the mean of two of its own steps for long ones (arXiv 2210.03142,
2410.12557). It learns from windows of own footage, as the stage `lora` does. All weights learn;
over several processes they, their gradients and moments are shared out (FSDP). No average of the
weights is kept, which would be as large as they are.
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.checkpoints.keymap import to_public
from skyreels_avatar.loading.checkpoints.public import PartFiles, inner_name
from skyreels_avatar.loading.checkpoints.skyreels_v3 import TRANSFORMER
from skyreels_avatar.loading.tiers import Tier, load_tier
from skyreels_avatar.pipeline.conditions import Conditions
from train.config import TrainConfig
from train.stages.distill import LONGER_THAN_TOLD, draw_guidance, draw_steps, mean_of_two
from train.video.estimate import dry_run
from train.video.loop import Draw, VideoRun, is_first_process, prepare_windows, start
from train.video.networks import (
    empty_transformer,
    full_weights,
    keep_matrices_in,
    load_transformer,
    place,
    student_of,
)
from train.video.windows import VideoWindow, predict

NAME = "student"
_BEYOND = 1.4  # of the usual scales, up to which others are learnt


def run(config: TrainConfig) -> None:
    """Train a student of the transformer of `tier`; it goes to `export/student`.

    Raises:
        InputError: a transformer that cannot be told how it is sampled, or footage that gives no
            window.
        CheckpointError: the tier's weights are not here.
        MissingExtraError: accelerate is not installed.
    """
    tier = load_tier(config.tier)
    config.distill.usual = (tier.guidance_scale, tier.audio_guidance_scale)
    config.distill.largest = tuple(1 + _BEYOND * (one - 1) for one in config.distill.usual)
    config.loss.sigma_shift = config.loss.sigma_shift or tier.shift_of(0)
    if config.video.dry_run:
        print(dry_run(config, is_lora=False))
        return
    teacher = empty_transformer(tier)
    if "distilled" not in teacher.config:
        raise InputError(f"the transformer of tier {tier.name} cannot be told how it is sampled")
    accelerator = start(config)
    learnt, back = prepare_windows(config, accelerator)
    half = torch.bfloat16 if config.use_bf16 else torch.float32
    weights, told = {}, {}
    student = empty_transformer(tier, distilled=True)
    if is_first_process():
        weights = load_transformer(tier, torch.device("cpu"), half).state_dict()
        dim = teacher.config.num_attention_heads * teacher.config.attention_head_dim
        told = student_of(weights, dim, torch.Generator().manual_seed(config.seed))
    place(keep_matrices_in(teacher, half), weights, accelerator.device)
    place(student.float(), told, accelerator.device, half)
    del weights, told
    teacher.eval().requires_grad_(False)
    student.train().enable_gradient_checkpointing()
    run = VideoRun(config, accelerator, student, partial(export, tier=tier))

    def loss_function(window: VideoWindow, draw: Draw) -> torch.Tensor:
        return distill_loss(student, teacher, window, draw, config)

    run.train(loss_function, learnt, back)


def distill_loss(
    student: torch.nn.Module,
    teacher: torch.nn.Module,
    window: VideoWindow,
    draw: Draw,
    config: TrainConfig,
) -> torch.Tensor:
    """Return the mean square of student - target in velocity.

    All windows of a step learn the same kind of steps: processes that share the weights have to
    ask their networks equally often.
    """
    is_long = bool(torch.rand((), generator=draw.shared) < config.distill.long_share)
    device = window.clean.device
    guidance = draw_guidance(1, config.distill, draw.generator).to(device)
    steps = draw_steps(1, int(is_long), config, draw.generator).to(device)
    noise = torch.randn(window.clean.shape, generator=draw.generator).to(window.clean)
    noisy, free = window.noised(noise, steps.sigma, draw.generator)

    def ask(latents: torch.Tensor, sigma: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        down = (sigma - end)[:, None] / LONGER_THAN_TOLD
        told = torch.cat([guidance, down], 1)
        return predict(student, window.conditions, latents, sigma, told).float()

    with torch.no_grad():
        if is_long:
            target = mean_of_two(ask, noisy, _put_in(window, noise, draw), steps)
        else:
            target = guided(teacher, window.conditions, noisy, steps.sigma, guidance)
    missed = ask(noisy, steps.sigma, steps.end) - target
    return (missed.square() * free).sum() / free.expand_as(missed).sum()


def _put_in(window: VideoWindow, noise: torch.Tensor, draw: Draw):
    """Return what puts held frames into latents at a noise level, as the sampler does."""

    def put(latents: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        given, free = window.noised(noise, sigma, draw.generator)
        return torch.lerp(given, latents, free)

    return put


def guided(
    teacher: torch.nn.Module,
    conditions: Conditions,
    noisy: torch.Tensor,
    sigma: torch.Tensor,
    guidance: torch.Tensor,
) -> torch.Tensor:
    """Return the velocity guided by (1, 2) scales of text and audio, as `pipeline.denoise`."""
    no_text = conditions.without_text()
    full, unprompted, unheard = (
        predict(teacher, some, noisy, sigma).float()
        for some in (conditions, no_text, no_text.without_audio())
    )
    text, audio = guidance[0]
    return unheard + audio * (unprompted - unheard) + text * (full - unprompted)


def export(network: torch.nn.Module, folder: Path, tier: Tier) -> None:
    """Write the student as a folder that a tier names as its transformer.

    It holds what is published for the teacher: the projector of the audio, too, under the public
    names, and the config beside them.
    """
    weights = full_weights(network)
    if not is_first_process():
        return
    teacher = PartFiles(tier.weights.transformer).file
    public = to_public(weights, TRANSFORMER)
    public |= {name: teacher[name] for name in teacher if inner_name(name) not in public}
    half = torch.bfloat16
    public = {
        inner_name(name): value.to("cpu", half if value.dim() > 1 else torch.float32).contiguous()
        for name, value in public.items()
    }
    folder = folder / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(dict(teacher.config())))
    part = folder / "model.part"
    save_file(public, part)
    part.chmod(0o644)  # as other files; these are their owner's alone
    os.replace(part, folder / "model.safetensors")
