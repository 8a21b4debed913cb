"""Group-relative policy optimisation of a sampler of few steps, whose samples part at one of them.

A window is sampled without chance up to one step. There G samples part, each by a Gaussian action,
and go on without chance; each earns a reward, and what it earned above its group, in standard
deviations, is its advantage. All of a group act in the same state: one pass with gradients serves
them all, and only their actions can have made the difference.

The Gaussian is that of coefficients-preserving sampling: part of the noise that a step leaves is
drawn anew. The usual stochastic differential equation, in steps as long as those of four, would
leave more noise than the next step is told.

Source: GRPO (arXiv 2402.03300, eq. 3), Flow-GRPO (arXiv 2505.05470: log-probabilities are means
over numbers, and the KL divergence in closed form), DanceGRPO (arXiv 2505.07818: a group shares its
first noise), TempFlow-GRPO (arXiv 2508.04324: samples part at one step), the Gaussian of
coefficients-preserving sampling (arXiv 2509.05952).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from skyreels_avatar.flow import clean_from_velocity, step
from skyreels_avatar.loading.components import Components
from skyreels_avatar.models.condition_cache import ConditionCache
from train.objective import Prepared
from train.stages.distill import rows_of
from train.walk import Walk, keep_given, velocity_at

_LEAST_SPREAD = 1e-4  # of rewards in a group: below it nobody was better


@dataclass(frozen=True)
class Gaussian:
    """Where a step leads: mean (B, 32, T, 1, 4), standard deviation of each number, a scalar."""

    mean: torch.Tensor
    std: torch.Tensor


class Groups(torch.nn.Module):
    """What was sampled last, for the updates that follow; a checkpoint holds it.

    Args:
        windows: B of a batch. size: G samples of each. num_latents: T of a window.
        share: of a step's noise that is drawn anew, as `gaussian_step` takes it.

    Attributes:
        index: of the step at which samples part. state: (B, 32, T, 1, 4) before it.
        actions: (B, G, 32, T, 1, 4) after it. before: (B, G) log-probabilities with the weights
            that acted. advantages: (B, G).
        judged: figures of the samples for the log; not in the checkpoint.
    """

    def __init__(self, windows: int, size: int, num_latents: int, share: float):
        super().__init__()
        self.share = share
        latent = (32, num_latents, 1, 4)
        self.register_buffer("index", torch.zeros((), dtype=torch.long))
        self.register_buffer("state", torch.zeros(windows, *latent))
        self.register_buffer("actions", torch.zeros(windows, size, *latent))
        self.register_buffer("before", torch.zeros(windows, size))
        self.register_buffer("advantages", torch.zeros(windows, size))
        self.judged: dict[str, torch.Tensor] = {}


def gaussian_step(
    latents: torch.Tensor,
    velocity: torch.Tensor,
    sigma: torch.Tensor,
    end: torch.Tensor,
    share: float,
) -> Gaussian:
    """Return the stochastic step from `sigma` to `end`; with a share of 0 it is the Euler step.

    Args:
        sigma, end: scalars; at an end of 0 there is no noise to draw.
        share: of the noise that is drawn anew, 0 to 1, as an angle.
    """
    angle = math.pi / 2 * share
    clean = clean_from_velocity(latents, velocity, sigma)
    noise = latents + (1 - sigma) * velocity
    mean = (1 - end) * clean + end * math.cos(angle) * noise
    return Gaussian(mean, end * math.sin(angle))


def log_probability(actions: torch.Tensor, policy: Gaussian, unknown: torch.Tensor) -> torch.Tensor:
    """Return (B, G) log-probabilities but for a constant, means over the numbers that are acted.

    Args:
        actions: (B, G, 32, T, 1, 4).
        unknown: (B, 1, T, 1, 4), 0 where a number is given.
    """
    off = (actions - policy.mean[:, None]) / policy.std
    return -0.5 * _mean_of(off.square(), unknown[:, None])


def divergence(policy: Gaussian, usual: Gaussian, unknown: torch.Tensor) -> torch.Tensor:
    """Return the KL divergence of Gaussians of one standard deviation, mean over numbers."""
    off = (policy.mean - usual.mean) / policy.std
    return 0.5 * _mean_of(off.square(), unknown).mean()


def advantages(rewards: torch.Tensor) -> torch.Tensor:
    """Return (B, G) by how many standard deviations of its group a sample is better."""
    above = rewards - rewards.mean(1, keepdim=True)
    return above / (above.square().mean(1, keepdim=True).sqrt() + _LEAST_SPREAD)


def clipped_loss(
    after: torch.Tensor, before: torch.Tensor, advantage: torch.Tensor, clip: float
) -> torch.Tensor:
    """Return what is to be made small: ratios earn their advantage until they leave 1 by `clip`."""
    ratio = (after - before).exp()
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()


@torch.no_grad()
def act(
    parts: Components,
    prepared: Prepared,
    noise: torch.Tensor,
    walk: Walk,
    groups: Groups,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return the motion (B, G, F, 32) of groups, and note in `groups` how they acted.

    Args:
        walk: its last step has no chance, so that it takes two steps at least.
        generator: of the CPU; draws the step at which samples part, and the actions.
    """
    count, size = groups.before.shape
    sigmas, cache = walk.sigmas(parts), ConditionCache()
    index = int(torch.randint(walk.num_steps - 1, (), generator=generator))
    latents = noise
    for before in range(index):
        velocity = velocity_at(parts, prepared, latents, walk, before, cache)
        latents = step(latents, velocity, sigmas[before], sigmas[before + 1])
        latents = keep_given(latents, prepared, noise, sigmas[before + 1])
    policy = policy_at(parts, prepared, latents, walk, index, groups.share)
    drawn = torch.randn((count, size, *noise.shape[1:]), generator=generator).to(noise)
    actions = policy.mean[:, None] + policy.std * drawn
    prepared, noise, guidance = rows_of(
        torch.arange(count).repeat_interleave(size), prepared, noise, walk.guidance
    )
    walk = Walk(walk.num_steps, guidance)
    groups.index.fill_(index)
    groups.state.copy_(latents)
    latents = keep_given(actions.flatten(0, 1), prepared, noise, sigmas[index + 1])
    groups.actions.copy_(latents.unflatten(0, (count, size)))
    unknown = 1 - prepared.mask[::size, :1]
    groups.before.copy_(log_probability(groups.actions, policy, unknown))
    cache = ConditionCache()
    for after in range(index + 1, walk.num_steps):
        velocity = velocity_at(parts, prepared, latents, walk, after, cache)
        latents = step(latents, velocity, sigmas[after], sigmas[after + 1])
        latents = keep_given(latents, prepared, noise, sigmas[after + 1])
    return parts.vae.unpack(latents).unflatten(0, (count, size))


def policy_at(
    parts: Components,
    prepared: Prepared,
    latents: torch.Tensor,
    walk: Walk,
    index: int,
    share: float,
) -> Gaussian:
    """Return the Gaussian that weights draw a step from."""
    sigma, end = walk.sigmas(parts)[index : index + 2]
    velocity = velocity_at(parts, prepared, latents, walk, index)
    return gaussian_step(latents, velocity, sigma, end, share)


def policy_loss(
    parts: Components,
    before: Components,
    prepared: Prepared,
    walk: Walk,
    groups: Groups,
    clip: float,
) -> dict[str, torch.Tensor]:
    """Return "policy", the clipped loss of what `groups` did, and "kl" from the weights before."""
    index, unknown = int(groups.index), 1 - prepared.mask[:, :1]
    policy = policy_at(parts, prepared, groups.state, walk, index, groups.share)
    with torch.no_grad():
        usual = policy_at(before, prepared, groups.state, walk, index, groups.share)
    after = log_probability(groups.actions, policy, unknown)
    return {
        "policy": clipped_loss(after, groups.before, groups.advantages, clip),
        "kl": divergence(policy, usual, unknown),
        "drift": (after - groups.before).abs().mean().detach(),
    }


def _mean_of(values: torch.Tensor, unknown: torch.Tensor) -> torch.Tensor:
    """Return the mean over the last four axes where numbers are not given."""
    weights = unknown.expand_as(values)
    return (values * weights).flatten(-4).sum(-1) / weights.flatten(-4).sum(-1).clamp_min(1.0)
