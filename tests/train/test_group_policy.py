"""Policy optimisation in groups: laws of the Gaussian step, and a reward that is gained by it."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from skyreels_avatar.flow import step
from train.data.cache import read_shards
from train.data.windows import WindowOptions, WindowSampler
from train.group_policy import (
    Gaussian,
    Groups,
    act,
    advantages,
    clipped_loss,
    divergence,
    gaussian_step,
    log_probability,
    policy_at,
    policy_loss,
)
from train.objective import prepare
from train.walk import Walk

SHAPE = (2, 32, 5, 1, 4)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def parts(tiny_parts):
    for values in tiny_parts.transformer.parameters():
        torch.nn.init.normal_(values, std=0.1, generator=generator())
    return tiny_parts


@pytest.fixture
def prepared(parts, corpus):
    sampler = WindowSampler(read_shards(corpus, "synthetic"), None, WindowOptions(num_frames=17))
    batch = sampler.batch(2, np.random.default_rng(0))
    with torch.no_grad():
        return prepare(parts, batch, False)


@pytest.fixture
def walk():
    return Walk(3, torch.tensor([[2.0, 1.4]]).expand(2, -1))


def test_without_chance_it_is_the_euler_step():
    latents, velocity = torch.randn(2, *SHAPE, generator=generator())
    sigma, end = torch.tensor(0.6), torch.tensor(0.3)
    policy = gaussian_step(latents, velocity, sigma, end, 0.0)
    torch.testing.assert_close(policy.mean, step(latents, velocity, sigma, end))
    assert float(policy.std) == 0


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_as_much_noise_is_left_as_the_next_step_expects(share):
    """An Euler-Maruyama step of this length would leave more."""
    clean, noise, drawn = torch.randn(3, 200_000, generator=generator())
    sigma, end = torch.tensor(0.8), torch.tensor(0.4)
    noisy = (1 - sigma) * clean + sigma * noise
    policy = gaussian_step(noisy, noise - clean, sigma, end, share)
    left = policy.mean + policy.std * drawn - (1 - end) * clean
    assert float(left.std()) == pytest.approx(float(end), rel=0.01)
    assert float((left * noise).mean() / end) == pytest.approx(
        math.cos(math.pi / 2 * share), abs=0.01
    )


def test_log_probabilities_are_those_of_the_normal_distribution():
    mean, actions = torch.randn(SHAPE, generator=generator()), torch.randn(2, 3, *SHAPE[1:])
    policy, unknown = Gaussian(mean, torch.tensor(0.7)), torch.ones(2, 1, 5, 1, 4)
    unknown[:, :, 0] = 0
    found = log_probability(actions, policy, unknown)
    normal = torch.distributions.Normal(mean[:, None], 0.7).log_prob(actions)[..., 1:, :, :]
    plain = normal.flatten(2).mean(2)
    torch.testing.assert_close(found - found[:, :1], plain - plain[:, :1])


def test_the_divergence_is_that_of_two_gaussians():
    first, second = (Gaussian(torch.full(SHAPE, mean), torch.tensor(0.5)) for mean in (0.0, 0.2))
    normals = [torch.distributions.Normal(one.mean, one.std) for one in (first, second)]
    expected = torch.distributions.kl_divergence(*normals).mean()
    torch.testing.assert_close(divergence(first, second, torch.ones(2, 1, 5, 1, 4)), expected)


def test_advantages_are_standard_scores_and_a_group_of_equals_has_none():
    found = advantages(torch.tensor([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]))
    torch.testing.assert_close(found[0], torch.tensor([-1.2247, 0.0, 1.2247]), atol=1e-3, rtol=0)
    assert (found[1] == 0).all()


def test_a_ratio_beyond_the_clip_earns_nothing_more():
    before, advantage = torch.zeros(1, 2), torch.tensor([[1.0, -1.0]])
    for way, still in ((0.05, True), (0.5, False)):
        after = torch.tensor([[way, -way]], requires_grad=True)
        clipped_loss(after, before, advantage, 0.1).backward()
        assert bool((after.grad != 0).all()) is still


def test_groups_part_at_one_step_and_keep_what_is_given(parts, prepared, walk):
    groups, noise = Groups(2, 4, 5, 0.5), torch.randn(prepared.clean.shape, generator=generator())
    motion = act(parts, prepared, noise, walk, groups, generator(1))
    assert motion.shape == (2, 4, 17, 32) and 0 <= int(groups.index) < 2
    assert (motion.std(1).mean((1, 2)) > 1e-3).all()
    given = prepared.mask[:, 0, :, 0, 0] > 0.5
    same = parts.vae.unpack(prepared.clean)[:, None].expand_as(motion)
    frames = torch.cat([given[:, :1], given[:, 1:].repeat_interleave(4, 1)], 1)
    for window in range(2):
        known = frames[window]
        torch.testing.assert_close(motion[window][:, known], same[window][:, known])
    calm = act(parts, prepared, noise, walk, Groups(2, 4, 5, 1e-6), generator(1))
    assert float(calm.std(1).max()) < 1e-3


def test_the_weights_that_acted_have_ratios_of_one(parts, prepared, walk):
    groups, noise = Groups(2, 4, 5, 0.5), torch.randn(prepared.clean.shape, generator=generator())
    act(parts, prepared, noise, walk, groups, generator(2))
    groups.advantages.copy_(advantages(torch.randn(2, 4, generator=generator())))
    found = policy_loss(parts, parts, prepared, walk, groups, 0.1)
    assert float(found["drift"]) < 1e-6 and float(found["kl"]) == 0
    assert abs(float(found["policy"])) < 1e-5


def test_reward_is_gained_by_better_samples_alone(parts, prepared, walk):
    """The reward has no gradient: how far the head of a sample is to the right."""
    student, noise = copy.deepcopy(parts), torch.randn(prepared.clean.shape, generator=generator())
    prepared = replace(prepared, mask=torch.zeros_like(prepared.mask))
    optimizer = torch.optim.Adam(student.transformer.parameters(), lr=1e-3)
    groups = Groups(2, 16, 5, 0.7)

    def to_the_right() -> float:
        with torch.no_grad():
            policy = policy_at(student, prepared, noise, walk, 0, 0.0)
        return float(parts.vae.unpack(policy.mean)[..., 16].mean())

    start = to_the_right()
    for number in range(40):
        motion = act(student, prepared, noise, walk, groups, generator(number))
        groups.advantages.copy_(advantages(torch.round(100 * motion[..., 16].mean(2))))
        for _ in range(2):
            loss = policy_loss(student, parts, prepared, walk, groups, 0.01)["policy"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert to_the_right() > start + 0.01
