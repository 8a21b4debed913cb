"""Teach the transformer to do guidance itself, and long steps: one pass instead of three or more.

The teacher is the network as it was, guided by text and audio in three passes. The student is told
the two scales and how far the step goes down. For an infinitely short step it learns the guided
velocity; for a long one the mean over its own two steps of half the length.
Source: guidance distillation (arXiv 2210.03142), shortcut models (arXiv 2410.12557).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.flow import add_noise, make_sigmas, step
from skyreels_avatar.loading.components import Components, build_components
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.rig.coefficients import GROUP_SIZE, MOTION_GROUPS
from skyreels_avatar.rig.smoothing import LIDS
from train.config import DistillConfig, TrainConfig
from train.data.windows import WindowBatch
from train.loop import Run, start_from
from train.objective import Prepared, draw_sigmas, guided, latent_weights, predict, prepare
from train.stages.pretrain import held_out_sampler, make_sampler
from train.validate import Sampling, Validator, sample_motion

_TEACHING = ("transformer", "controlnet", "audio_encoder", "text_encoder")
_NUM_STEPS = 4
_TEACHER_STEPS = 16
MOUTH = slice(0, GROUP_SIZE)
# What a long step changes is learnt by a fifth too small: four steps moved heads 0.82 times as much
# as twenty. Learnt from steps that are told to be shorter than they are, the network makes up for
# it when it is told the truth.
LONGER_THAN_TOLD = 1.4
_NUM_VALIDATION_WINDOWS = 24


@dataclass(frozen=True)
class Steps:
    """The steps that a batch learns, (B,) each.

    Args:
        sigma: where a step starts.
        middle: where it is cut into two; `sigma` itself for an infinitely short one.
        end: where it ends.
        finest: whether the two halves are told to be infinitely short.
    """

    sigma: torch.Tensor
    middle: torch.Tensor
    end: torch.Tensor
    finest: bool

    def to(self, device: torch.device) -> Steps:
        """Return the same steps on a device."""
        sigmas = (sigma.to(device) for sigma in (self.sigma, self.middle, self.end))
        return Steps(*sigmas, self.finest)


def run(config: TrainConfig) -> None:
    """Train the transformer of `start_from` to guide itself."""
    taught_by = [Path(config.start_from) / f"{name}.safetensors" for name in _TEACHING]
    absent = [path.name for path in taught_by if not config.start_from or not path.is_file()]
    if absent:
        raise InputError(
            f"distill needs start_from=FOLDER with all weights of the teacher, {absent} are missing"
        )
    teacher = build_components(load_tier(config.tier), config.device)
    start_from(teacher, Path(config.start_from))
    sampler, validator = make_sampler(config), Validator(config.data)
    rng = np.random.default_rng([config.seed, 78, 1])
    held_out = held_out_sampler(config).batch(_NUM_VALIDATION_WINDOWS, rng)

    def step_loss(student: Components, number: int) -> dict[str, torch.Tensor]:
        seed = [config.seed, 78, number + 2]
        batch = sampler.batch(config.batch_size, np.random.default_rng(seed))
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
        return distill_loss(student, teacher, batch, config, generator)

    def figures(student: Components) -> dict[str, float]:
        usual = tuple(config.distill.usual)
        return {
            **validator(student, Sampling(_NUM_STEPS, usual, one_pass=True)),
            **gap_to_teacher(student, teacher, held_out, usual),
        }

    Run(config).train(step_loss, figures)


def distill_loss(
    student: Components,
    teacher: Components,
    batch: WindowBatch,
    config: TrainConfig,
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """Return "loss" and its parts: weighted mean squares of student - target in velocity."""
    with torch.no_grad():
        prepared = prepare(teacher, batch, use_control=True)
        if torch.rand((), generator=generator) < 0.2:
            prepared = replace(prepared, control=None)
        count, device = prepared.clean.shape[0], prepared.clean.device
        num_long = round(config.distill.long_share * count)
        long, short = slice(0, num_long), slice(num_long, count)
        guidance = draw_guidance(count, config.distill, generator).to(device)
        steps = draw_steps(count, num_long, config, generator).to(device)
        noise = batch.noise.to(prepared.clean)
        noisy = add_noise(prepared.clean, noise, steps.sigma)
        target = torch.empty_like(noisy)
        if num_long:
            target[long] = two_steps(student, *rows_of(long, prepared, noise, guidance, steps))
        if num_long < count:
            rows = rows_of(short, prepared, noisy, steps.sigma, guidance)
            target[short] = guided(teacher, *rows)
    made = told(student, prepared, noisy, steps.sigma, steps.end, guidance)
    counts = (MOUTH, config.distill.mouth), (LIDS, config.distill.lids)
    weights = latent_weights(*counts).to(made.device) * (1 - prepared.mask[:, :1])
    missed = made - target
    error = missed.square() * weights
    losses = {
        name: error[rows].sum() / weights[rows].sum().clamp_min(1)
        for name, rows in (("loss", slice(None)), ("short", short), ("long", long))
    }
    # What differs from frame to frame shows most: as a shiver.
    curves = student.vae.unpack(missed * (1 - prepared.mask[:, :1])) / student.vae.motion_std
    losses["shiver"] = curves.diff(dim=1).diff(dim=1).square().mean()
    losses["loss"] = losses["loss"] + config.distill.shiver * losses["shiver"]
    return losses


def draw_guidance(count: int, config: DistillConfig, generator: torch.Generator) -> torch.Tensor:
    """Return (count, 2) scales of text and audio."""
    largest = torch.tensor(config.largest)
    scales = 1 + torch.rand(count, 2, generator=generator) * (largest - 1)
    kind = torch.rand(count, 1, generator=generator)
    scales = torch.where(kind < config.usual_share, torch.tensor(config.usual), scales)
    return torch.where(kind > 1 - config.plain_share, torch.ones(2), scales)


def draw_steps(count: int, num_long: int, config: TrainConfig, generator: torch.Generator) -> Steps:
    """Return steps, the first `num_long` of them those of a sampler, the others short."""
    numbers = config.distill.long_steps
    number = numbers[int(torch.randint(len(numbers), (), generator=generator))]
    fine = make_sigmas(2 * number, load_tier(config.tier).shift_of(0))
    first = 2 * torch.randint(number, (num_long,), generator=generator)
    sigma = draw_sigmas(count, config.loss.sigma_shift, generator)
    sigma = torch.where(torch.rand(count, generator=generator) < 0.15, 1.0, sigma)
    sigma[:num_long] = fine[first]
    middle, end = sigma.clone(), sigma.clone()
    middle[:num_long], end[:num_long] = fine[first + 1], fine[first + 2]
    return Steps(sigma, middle, end, finest=number == max(numbers))


def two_steps(
    student: Components,
    prepared: Prepared,
    noise: torch.Tensor,
    guidance: torch.Tensor,
    steps: Steps,
) -> torch.Tensor:
    """Return the mean velocity over the two halves of steps as the student takes them."""

    def ask(latents: torch.Tensor, sigma: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        return told(student, prepared, latents, sigma, end, guidance)

    def put(latents: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        given = add_noise(prepared.clean, noise, sigma)
        return torch.lerp(latents, given, prepared.mask[:, :1])

    return mean_of_two(ask, add_noise(prepared.clean, noise, steps.sigma), put, steps)


def mean_of_two(
    ask: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
    noisy: torch.Tensor,
    put: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    steps: Steps,
) -> torch.Tensor:
    """Return the mean velocity (B, C, T, h, w) over the two halves of steps.

    Args:
        ask: for the velocity of latents from a noise level (B,) on, in a step to another.
        noisy: (B, C, T, h, w) at the beginning of the steps.
        put: what is known into latents at a noise level.
    """
    sigma, middle, end = steps.sigma, steps.middle, steps.end
    ends = (sigma, middle) if steps.finest else (middle, end)
    first = ask(noisy, sigma, ends[0])
    second = ask(put(step(noisy, first, sigma, middle), middle), middle, ends[1])
    share = ((sigma - middle) / (sigma - end))[:, None, None, None, None]
    return torch.lerp(second, first, share)


def gap_to_teacher(
    student: Components, teacher: Components, batch: WindowBatch, guidance: tuple[float, float]
) -> dict[str, float]:
    """Return rms differences from the teacher's 16 guided steps, in standard deviations.

    Samples start from the same noise. `gap_*` is of the student's few steps, `few_*` of as few
    steps of the teacher: what distillation has to beat.
    """
    usual = Sampling(_TEACHER_STEPS, guidance, use_control=True)
    ways = {
        "gap": (student, replace(usual, num_steps=_NUM_STEPS, one_pass=True)),
        "few": (teacher, replace(usual, num_steps=_NUM_STEPS)),
    }
    made = {
        name: sample_motion(parts, batch, sampling, torch.Generator().manual_seed(4))
        for name, (parts, sampling) in {**ways, "full": (teacher, usual)}.items()
    }
    spread = made["full"].std((0, 1)) + 1e-6
    figures = {}
    for name in ways:
        gap = ((made[name] - made["full"]) / spread).square().mean((0, 1))
        gap = gap.unflatten(0, (len(MOTION_GROUPS), -1)).mean(1).sqrt()
        figures.update({f"{name}_{group}": float(g) for group, g in zip(MOTION_GROUPS, gap)})
    return figures


def told(parts, prepared, noisy, sigma, end, guidance) -> torch.Tensor:
    """Return the velocity of a student that learns a step, told to be shorter than it is."""
    down = (sigma - end)[:, None] / LONGER_THAN_TOLD
    return predict(parts, prepared, noisy, sigma, torch.cat([guidance, down], 1))


def rows_of(rows: slice, *values):
    """Return the same rows of each value: of tensors, and of the tensors in dataclasses."""
    return [
        value[rows]
        if isinstance(value, torch.Tensor)
        else replace(
            value,
            **{
                field.name: tensor[rows]
                for field in fields(value)
                if isinstance(tensor := getattr(value, field.name), torch.Tensor)
            },
        )
        for value in values
    ]
