import copy

import numpy as np
import pytest
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.flow import make_sigmas
from train.data.cache import read_shards
from train.data.windows import WindowOptions, WindowSampler
from train.objective import guided, predict, prepare
from train.stages import distill


@pytest.fixture
def parts(tiny_parts):
    for part in ("transformer", "controlnet"):
        for values in getattr(tiny_parts, part).parameters():
            torch.nn.init.normal_(values, std=0.2)
    return tiny_parts


@pytest.fixture
def batch(corpus):
    options = WindowOptions(num_frames=17, camera_share=0.5, retalk_share=0.5)
    sampler = WindowSampler(read_shards(corpus, "synthetic"), None, options)
    return sampler.batch(4, np.random.default_rng(0))


def generator():
    return torch.Generator().manual_seed(0)


def test_the_student_learns_what_three_passes_say(parts, batch, tiny_config):
    student = copy.deepcopy(parts)
    tiny_config.distill.long_share = 0.0
    optimizer = torch.optim.Adam(student.transformer.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        loss = distill.distill_loss(student, parts, batch, tiny_config, generator())["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


def test_two_halves_lead_where_two_steps_lead(parts, batch, tiny_config):
    tiny_config.distill.long_steps = [2]
    steps = distill.draw_steps(4, 4, tiny_config, generator())
    prepared = prepare(parts, batch, use_control=True)
    noise = torch.randn(prepared.clean.shape, generator=generator())
    scales = torch.full((4, 2), 1.5)
    made = distill.two_steps(parts, prepared, noise, scales, steps)

    noisy = prepared.clean + steps.sigma[:, None, None, None, None] * (noise - prepared.clean)
    sampling = torch.cat([scales, torch.zeros(4, 1)], 1)
    first = predict(parts, prepared, noisy, steps.sigma, sampling)
    half = noisy + (steps.middle - steps.sigma)[:, None, None, None, None] * first
    given = prepared.clean + steps.middle[:, None, None, None, None] * (noise - prepared.clean)
    half = torch.where(prepared.mask[:, :1] > 0, given, half)
    second = predict(parts, prepared, half, steps.middle, sampling)
    there = half + (steps.end - steps.middle)[:, None, None, None, None] * second
    unknown = prepared.mask[:, :1].expand_as(there) == 0
    jumped = noisy + (steps.end - steps.sigma)[:, None, None, None, None] * made
    torch.testing.assert_close(jumped[unknown], there[unknown], atol=1e-4, rtol=1e-4)


def test_long_steps_are_those_of_the_sampler(tiny_config):
    tiny_config.distill.long_steps = [4]
    steps = distill.draw_steps(40, 30, tiny_config, generator())
    grid = make_sigmas(8, 1.0).tolist()
    rows = {tuple(row) for row in torch.stack([steps.sigma, steps.middle, steps.end], 1).tolist()}
    assert set(zip(grid[0::2], grid[1::2], grid[2::2])) <= rows
    assert (steps.end[30:] == steps.sigma[30:]).all()


def test_usual_and_plain_scales_are_drawn_most(tiny_config):
    scales = distill.draw_guidance(400, tiny_config.distill, generator())
    usual = (scales == torch.tensor(tiny_config.distill.usual)).all(1).float().mean()
    plain = (scales == 1).all(1).float().mean()
    assert 0.4 < usual < 0.6 and 0.05 < plain < 0.16
    assert scales.min() >= 1 and (scales.amax(0) <= torch.tensor([3.5, 2.0])).all()


def test_guidance_of_one_is_the_plain_velocity(parts, batch):
    prepared = prepare(parts, batch, use_control=False)
    sigma = torch.full((4,), 0.5)
    with torch.no_grad():
        plain = predict(parts, prepared, prepared.clean, sigma)
        same = guided(parts, prepared, prepared.clean, sigma, torch.ones(4, 2))
    torch.testing.assert_close(same, plain, atol=1e-5, rtol=1e-5)


def test_distillation_stays_on_the_device_of_the_networks(parts, batch, tiny_config):
    for name in ("vae", "transformer", "controlnet", "audio_encoder", "text_encoder"):
        getattr(parts, name).to("meta")
    losses = distill.distill_loss(parts, parts, batch, tiny_config, generator())
    assert {value.device.type for value in losses.values()} == {"meta"}


def test_a_whole_teacher_must_be_named(tiny_config, tmp_path):
    for folder in ("", str(tmp_path)):
        tiny_config.start_from = folder
        with pytest.raises(InputError, match=r"start_from.*controlnet\.safetensors"):
            distill.run(tiny_config)
