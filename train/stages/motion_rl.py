"""Improve a distilled transformer by reward: what it samples is judged, and it learns from that.

Its own few steps are sampled with gradients and the penalties of `train/reward.py` are taken back
through all of them: nearly everything that is wanted is a function of 32 numbers a frame that can
be differentiated. With `reward.group.size` samples are compared in groups instead, which needs no
gradient of what they are worth (`train/group_policy.py`). A leash holds its velocities, where it
goes itself, to those of the weights it started from: for two samplers with the same noise that is
the KL divergence of their paths up to a factor. It is short for head, eyes and face and long for
the mouth. Head, brows and face follow what many steps of a teacher make of the same noise: few
steps move less, and differ less from noise to noise.
Source: DRaFT (arXiv 2309.17400), AlignProp (arXiv 2310.03739); the leash is that of Flow-GRPO
(arXiv 2505.05470), eq. 9.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.flow import step
from skyreels_avatar.loading.components import Components, build_components
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.models.condition_cache import ConditionCache
from skyreels_avatar.rig.coefficients import GROUP_SIZE
from skyreels_avatar.rig.smoothing import LIDS
from train.closures import SHUT_GAP
from train.config import RewardConfig, TrainConfig
from train.data.cache import read_shards
from train.data.mel_variation import record_mel, vary_mel
from train.data.windows import WindowBatch, WindowOptions, WindowSampler
from train.group_policy import Groups, act, advantages, policy_loss
from train.group_reward import Critic, critic_loss, event_penalties, judge_samples, weighed
from train.loop import Run, start_from, with_weights
from train.objective import Prepared, latent_weights, prepare
from train.reward import closures, few_step_penalties, least_gap, new_frames, penalties
from train.stages.distill import draw_guidance, rows_of
from train.stages.pretrain import make_sampler
from train.validate import Sampling, sample_motion
from train.walk import Walk, keep_given, velocity_at

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
class Told:
    """Windows, what networks are told of them, and how they are sampled."""

    batch: WindowBatch
    prepared: Prepared
    walk: Walk


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
    _check(config.reward)
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

    group = config.reward.group
    heads: dict[str, torch.nn.Module] = {}
    if group.size:
        num_latents = 1 + (config.data.num_frames - 1) // 4
        heads["groups"] = Groups(config.batch_size, group.size, num_latents, group.noise)
        heads["critic"] = Critic(seed=config.seed)

    def step_loss(parts: Components, step_number: int) -> dict[str, torch.Tensor]:
        number, update = divmod(step_number, group.updates) if heads else (step_number, 0)
        controlled = number % config.reward.control_every == config.reward.control_every - 1
        rng = np.random.default_rng([config.seed, 89, number])
        batch = (sampler if controlled else still).batch(config.batch_size, rng)
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
        if heads:
            told = tell(parts, batch, config, generator, controlled)
            drawn = generator if update == 0 else None
            return group_loss(parts, reference.before, heads, told, config, drawn)
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

    Run(config, heads).train(step_loss, figures)


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
    told = tell(parts, with_pairs(batch, reward.num_pairs), config, generator, controlled)
    batch, prepared, noise = told.batch, told.prepared, told.batch.noise
    leashed = int(torch.randint(reward.num_steps, (), generator=generator))
    walk = replace(told.walk, leashed=leashed)
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


def group_loss(
    parts: Components,
    before: Components,
    heads: dict[str, torch.nn.Module],
    told: Told,
    config: TrainConfig,
    generator: torch.Generator | None,
) -> dict[str, torch.Tensor]:
    """Return "loss", its parts, and the penalties of the samples that it learns from.

    Args:
        before: the networks that the policy is held to.
        heads: "groups", a `Groups`, and "critic", a `Critic`.
        generator: draws the samples; None = learn again from those of last time, which were of
            the same windows.
    """
    group, groups, learnt = config.reward.group, heads["groups"], 0.0
    batch, prepared, walk = told.batch, told.prepared, told.walk
    if generator is not None:
        motion = act(parts, prepared, batch.noise, walk, groups, generator)
        found = judge_samples(motion, batch, heads["critic"], config.reward.opening_factor)
        rewards = weighed(found, config.reward)
        groups.advantages.copy_(advantages(rewards))
        groups.judged = {name: value.mean() for name, value in found.items()}
        groups.judged["reward"] = rewards.mean()
        learnt = critic_loss(heads["critic"], motion, batch)
    moved = policy_loss(parts, before, prepared, walk, groups, group.clip)
    total = moved["policy"] + group.kl * moved["kl"] + learnt
    return {"loss": total, **moved, **groups.judged}


def tell(
    parts: Components,
    batch: WindowBatch,
    config: TrainConfig,
    generator: torch.Generator,
    controlled: bool,
) -> Told:
    """Return windows as networks are told of them: other sound, drawn scales of guidance."""
    varied = record_mel(vary_mel(batch.mel, generator), generator)
    with torch.no_grad():
        prepared = prepare(parts, replace(batch, mel=varied), controlled)
    batch = batch.to(prepared.clean.device)
    guidance = draw_guidance(len(batch.captions), config.distill, generator)
    walk = Walk(config.reward.num_steps, guidance.to(prepared.clean.device))
    return Told(batch, prepared, walk)


def with_pairs(batch: WindowBatch, num_pairs: int) -> WindowBatch:
    """Return a batch whose rows P to 2 P are its first P windows again; noise stays as it is."""
    order = list(range(len(batch.captions)))
    order[num_pairs : 2 * num_pairs] = order[:num_pairs]
    return replace(batch.rows(order), noise=batch.noise)


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
    sigmas = walk.sigmas(parts)
    unknown = 1 - prepared.mask[:, :1]
    latents, cache, leash = noise, ConditionCache(), noise.new_zeros(())
    for index in range(walk.num_steps):
        velocity = velocity_at(parts, prepared, latents, walk, index, cache)
        if index == walk.leashed:
            with torch.no_grad():
                usual = velocity_at(before, prepared, latents, walk, index)
            weights = latent_weights((_MOUTH, mouth_leash), (LIDS, 2.0)).to(noise) * unknown
            leash = ((velocity - usual).square() * weights).sum() / weights.sum().clamp_min(1.0)
        latents = step(latents, velocity, sigmas[index], sigmas[index + 1])
        latents = keep_given(latents, prepared, noise, sigmas[index + 1])
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


def _check(reward: RewardConfig) -> None:
    """Raise InputError where samples in groups cannot be told apart."""
    group = reward.group
    for key, allowed, said in (
        ("size", group.size == 0 or group.size > 1, "0 or 2 and more"),
        ("updates", group.updates > 0, "1 or more"),
        ("noise", 0 < group.noise <= 1, "above 0 and at most 1"),
    ):
        if not allowed:
            raise InputError(f"reward.group.{key} must be {said}, got {getattr(group, key)}")
    if group.size and reward.num_steps < 2:
        raise InputError(
            f"groups part before the last step: reward.num_steps must be 2 or more, "
            f"got {reward.num_steps}"
        )


@torch.no_grad()
def judge(parts: Components, batch: WindowBatch, sampling: Sampling) -> dict[str, float]:
    """Return the penalties of sampled motion, and shares of lips that are shut.

    `shut`: of the middles of p, b and m. `anyway`: of all frames in which somebody speaks.
    """
    motion = sample_motion(parts, batch, sampling, torch.Generator().manual_seed(6))
    spoken = new_frames(batch) * (batch.active > 0.5)
    shut = (least_gap(motion) <= SHUT_GAP).float()
    middle = closures(batch) * spoken
    found = {**penalties(motion, batch), **event_penalties(motion, batch)}
    figures = {name: float(value.mean()) for name, value in found.items()}
    return {
        "shut": float((shut * middle).sum() / middle.sum().clamp_min(1)),
        "anyway": float((shut * spoken).sum() / spoken.sum().clamp_min(1)),
        **figures,
    }
