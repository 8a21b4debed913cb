"""Steps of a sampler that training takes: where they go, and what is given stays."""

import numpy as np
import pytest
import torch

from skyreels_avatar.flow import step
from train.data.cache import read_shards
from train.data.windows import WindowOptions, WindowSampler
from train.objective import prepare
from train.validate import Sampling, sample_motion
from train.walk import Walk, keep_given, velocity_at


@pytest.fixture
def batch(corpus):
    sampler = WindowSampler(read_shards(corpus, "synthetic"), None, WindowOptions(num_frames=17))
    return sampler.batch(3, np.random.default_rng(0))


def test_all_steps_are_the_sampler_of_the_validator(tiny_parts, batch):
    generator = torch.Generator().manual_seed(0)
    torch.nn.init.normal_(tiny_parts.transformer.proj_out.weight, std=0.1, generator=generator)
    walk = Walk(3, torch.tensor([[2.0, 1.4]]).expand(3, -1))
    with torch.no_grad():
        prepared = prepare(tiny_parts, batch, False)
        noise = torch.randn(prepared.clean.shape, generator=torch.Generator().manual_seed(1))
        latents, sigmas = noise, walk.sigmas(tiny_parts)
        for index in range(3):
            velocity = velocity_at(tiny_parts, prepared, latents, walk, index)
            latents = step(latents, velocity, sigmas[index], sigmas[index + 1])
            latents = keep_given(latents, prepared, noise, sigmas[index + 1])
    usual = Sampling(3, (2.0, 1.4), True, tiny_parts.tier.shift_of(0))
    plain = sample_motion(tiny_parts, batch, usual, torch.Generator().manual_seed(1))
    torch.testing.assert_close(tiny_parts.vae.unpack(latents), plain, atol=1e-4, rtol=1e-4)


def test_what_is_given_is_kept_and_nothing_else(tiny_parts, batch):
    prepared = prepare(tiny_parts, batch, False)
    noise, latents = torch.zeros_like(prepared.clean), torch.ones_like(prepared.clean)
    kept = keep_given(latents, prepared, noise, torch.tensor(0.25))
    given = prepared.mask[:, :1].expand_as(kept) > 0.5
    assert given.any() and not given.all()
    torch.testing.assert_close(kept[given], 0.75 * prepared.known[given])
    assert (kept[~given] == 1).all()
