"""Improve a distilled transformer by reward: what it samples is judged, and it learns from that.

Its own few steps are sampled with gradients and the penalties of `train/reward.py` are taken back
through all of them: nearly everything that is wanted is a function of 32 numbers a frame that can
be differentiated, so that a gradient says of each sample what group-relative policy optimisation
has to find out from many. A leash holds its velocities, where it goes itself, to those of the
weights it started from: for two samplers with the same noise that is the KL divergence of their
paths up to a factor. It is short for head, eyes and face and long for the mouth. Head, brows and
face follow what many steps of a teacher make of the same noise: few steps move less, and
differ less from noise to noise.
Source: DRaFT (arXiv 2309.17400), AlignProp (arXiv 2310.03739); the leash is that of Flow-GRPO
(arXiv 2505.05470), eq. 9.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.flow import add_noise, make_sigmas, step
from skyreels_avatar.loading.components import Components, build_components
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.models.condition_cache import ConditionCache
from skyreels_avatar.rig.coefficients import GROUP_SIZE
from skyreels_avatar.rig.smoothing import LIDS
from train.closures import SHUT_GAP
from train.config import TrainConfig
from train.data.cache import read_shards
from train.data.mel_variation import record_mel, vary_mel
from train.data.windows import WindowBatch, WindowOptions, WindowSampler
from train.loop import Run, start_from, with_weights
from train.objective import Prepared, latent_weights, predict, prepare
from train.reward import closures, few_step_penalties, least_gap, new_frames, penalties
from train.stages.distill import draw_guidance, rows_of
from train.stages.pretrain import make_sampler
from train.validate import Sampling, sample_motion

_NEEDED = ("transformer", "controlnet", "audio_encoder", "text_encoder")
_MOUTH = slice(0, GROUP_SIZE)
_HELD_OUT = {"voices": "held-out", "natural": "held-natural", "people": "held-recorded"}
_NUM_VALIDATION_WINDOWS = 32


@dataclass(frozen=True)
class Reference:
    """Frozen networks that a student is compared with.

    Attributes:
        before: the weights as they were, to which the leash holds. teacher: whose many steps are
            followed.
    """

    before: Components
    teacher: Components


@dataclass(frozen=True)
class Walk:
    """How windows are sampled with gradients.

    Attributes:
        num_steps: of the sampler. guidance: (B, 2) scales of text and audio.
        leashed: the step whose velocity is held to that of the weights as they were; None = none.
    """

    num_steps: int
    guidance: torch.Tensor
    leashed: int | None = None


def run(config: TrainConfig) -> None:
    """Train the transformer of `start_from`; batch and noise depend on (seed, step) alone."""
    folder = Path(config.start_from)
    absent = [name for name in _NEEDED if not (folder / f"{name}.safetensors").is_file()]
    if not config.start_from or absent:
        raise InputError(
            f"motion_rl needs start_from=FOLDER with all weights of a distilled model, {absent} "
            "are missing"
        )
    if 2 * config.reward.num_pairs > config.batch_size:
        raise InputError(
            f"reward.num_pairs may be half of batch_size, {config.batch_size}, at most, "
            f"got {config.reward.num_pairs}"
        )
    before = build_components(load_tier(config.tier), config.device)
    start_from(before, folder)
    if not before.transformer.config.distilled:
        raise InputError(f"{folder}: the transformer is not distilled; run the stage distill first")
    teacher = with_weights(before, Path(config.reward.teacher or folder))
    reference = Reference(before, teacher)
    sampler, held_out = make_sampler(config), held_out_windows(config)
    still = WindowSampler(
        sampler.synthetic,
        sampler.real,
        replace(sampler.options, camera_share=0.0, retalk_share=0.0),
        sampler.natural,
    )

    def step_loss(parts: Components, number: int) -> dict[str, torch.Tensor]:
        controlled = number % config.reward.control_every == config.reward.control_every - 1
        rng = np.random.default_rng([config.seed, 89, number])
        batch = (sampler if controlled else still).batch(config.batch_size, rng)
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
        return reward_loss(parts, reference, batch, config, generator, controlled)

    def figures(parts: Components) -> dict[str, float]:
        usual = Sampling(
            config.reward.num_steps, tuple(config.distill.usual), True, parts.tier.shift_of(0)
        )
        return {
            f"{kind}_{name}": value
            for kind, batch in held_out.items()
            for name, value in judge(parts, batch, usual).items()
        }

    Run(config).train(step_loss, figures)


def reward_loss(
    parts: Components,
    reference: Reference,
    batch: WindowBatch,
    config: TrainConfig,
    generator: torch.Generator,
    controlled: bool,
) -> dict[str, torch.Tensor]:
    """Return "loss", the penalties that it weighs, and the leash."""
    reward = config.reward
    batch = with_pairs(batch, reward.num_pairs)
    heard = record_mel(vary_mel(batch.mel, generator), generator)
    with torch.no_grad():
        prepared = prepare(parts, replace(batch, mel=heard), controlled)
    batch = batch.to(prepared.clean.device)
    guidance = draw_guidance(len(batch.captions), config.distill, generator)
    leashed = int(torch.randint(reward.num_steps, (), generator=generator))
    walk = Walk(reward.num_steps, guidance.to(prepared.clean.device), leashed)
    noise = batch.noise.to(prepared.clean)
    latents, leash = sample_with_gradient(
        parts, reference.before, prepared, noise, walk, reward.mouth_leash
    )
    motion = parts.vae.unpack(latents)
    found = penalties(motion, batch, reward.opening_factor)
    if reward.num_pairs:
        paired = slice(0, 2 * reward.num_pairs)
        rows = rows_of(paired, prepared, noise, walk.guidance)
        with torch.no_grad():
            finely = sample_finely(reference.teacher, *rows, reward.many_steps)
        found |= few_step_penalties(motion[paired], finely, new_frames(batch)[paired])
    weighed = sum(getattr(reward, name) * value for name, value in found.items())
    return {"loss": weighed + reward.leash * leash, "leash": leash, **found}


def with_pairs(batch: WindowBatch, num_pairs: int) -> WindowBatch:
    """Return a batch whose rows P to 2 P are its first P windows again; noise stays as it is."""
    order = list(range(len(batch.captions)))
    order[num_pairs : 2 * num_pairs] = order[:num_pairs]
    tensors = {
        name: value[order] for name, value in vars(batch).items() if isinstance(value, torch.Tensor)
    }
    captions = [batch.captions[row] for row in order]
    return replace(batch, **{**tensors, "captions": captions, "noise": batch.noise})


def sample_finely(
    parts: Components,
    prepared: Prepared,
    noise: torch.Tensor,
    guidance: torch.Tensor,
    num_steps: int,
) -> torch.Tensor:
    """Return the motion (B, F, 32) that many steps sample from the same noise."""
    walk = Walk(num_steps, guidance)
    return parts.vae.unpack(sample_with_gradient(parts, parts, prepared, noise, walk)[0])


def sample_with_gradient(
    parts: Components,
    before: Components,
    prepared: Prepared,
    noise: torch.Tensor,
    walk: Walk,
    mouth_leash: float = 1.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return sampled latents (B, 32, T, 1, 4), as the pipeline samples them, and the leash.

    Args:
        before: the networks that the leash holds to.
        mouth_leash: weight of the mouth in it, of lids it is 2, of all else 1.

    Returns:
        latents with the gradients of all steps, and the weighted mean square of what one step's
        velocity differs from that of `before` at the same place.
    """
    sigmas = make_sigmas(walk.num_steps, parts.tier.shift_of(0)).to(noise)
    unknown = 1 - prepared.mask[:, :1]
    latents, cache, leash = noise, ConditionCache(), noise.new_zeros(())
    for index in range(walk.num_steps):
        sigma, end = (sigmas[place].expand(len(noise)) for place in (index, index + 1))
        told = torch.cat([walk.guidance, (sigma - end)[:, None]], 1)
        velocity = predict(parts, prepared, latents, sigma, told, cache)
        if index == walk.leashed:
            with torch.no_grad():
                usual = predict(before, prepared, latents, sigma, told)
            weights = latent_weights((_MOUTH, mouth_leash), (LIDS, 2.0)).to(noise) * unknown
            leash = ((velocity - usual).square() * weights).sum() / weights.sum().clamp_min(1.0)
        latents = step(latents, velocity, sigma, end)
        given = add_noise(prepared.known, noise, end)
        latents = torch.lerp(latents, given, prepared.mask[:, :1])
    return latents, leash


def held_out_windows(config: TrainConfig) -> dict[str, WindowBatch]:
    """Return fixed windows of voices that are never trained on, of each kind that the cache has."""
    data, folder = config.data, Path(config.data.cache)
    options = WindowOptions(data.num_frames, real_share=0.0)
    found = {}
    for number, (kind, prefix) in enumerate(_HELD_OUT.items()):
        if any(folder.glob(f"{prefix}-*.npz")):
            rng = np.random.default_rng([config.seed, 89, 1, number])
            sampler = WindowSampler(read_shards(folder, prefix), None, options)
            found[kind] = sampler.batch(_NUM_VALIDATION_WINDOWS, rng)
    return found


@torch.no_grad()
def judge(parts: Components, batch: WindowBatch, sampling: Sampling) -> dict[str, float]:
    """Return the penalties of sampled motion, and shares of lips that are shut.

    `shut`: of the middles of p, b and m. `anyway`: of all frames in which somebody speaks.
    """
    motion = sample_motion(parts, batch, sampling, torch.Generator().manual_seed(6))
    spoken = new_frames(batch) * (batch.active > 0.5)
    shut = (least_gap(motion) <= SHUT_GAP).float()
    middle = closures(batch) * spoken
    figures = {name: float(value) for name, value in penalties(motion, batch).items()}
    return {
        "shut": float((shut * middle).sum() / middle.sum().clamp_min(1)),
        "anyway": float((shut * spoken).sum() / spoken.sum().clamp_min(1)),
        **figures,
    }
