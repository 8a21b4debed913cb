"""The stage `motion_rl`: it samples as the pipeline does, gains reward, and continues exactly."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.checkpoints.load import load_module, save_module
from skyreels_avatar.models.transformer import AvatarTransformer3DModel
from train.data.cache import read_shards
from train.data.windows import WindowOptions, WindowSampler
from train.objective import prepare
from train.stages import motion_rl
from train.validate import Sampling, sample_motion


@pytest.fixture
def parts(tiny_parts):
    generator = torch.Generator().manual_seed(0)
    for part in ("transformer", "controlnet"):
        for values in getattr(tiny_parts, part).parameters():
            torch.nn.init.normal_(values, std=0.1, generator=generator)
    return tiny_parts


@pytest.fixture
def config(tiny_config, parts, tmp_path):
    for name in ("transformer", "controlnet", "audio_encoder", "text_encoder"):
        save_module(getattr(parts, name), tmp_path / "before" / f"{name}.safetensors")
    tiny_config.start_from = str(tmp_path / "before")
    tiny_config.train = ["transformer"]
    tiny_config.reward.control_every = 2
    tiny_config.reward.many_steps, tiny_config.reward.num_pairs = 6, 1
    tiny_config.data.camera_share = tiny_config.data.retalk_share = 0.5
    tiny_config.data.real_share = 0.3
    return tiny_config


@pytest.fixture
def batch(corpus):
    options = WindowOptions(num_frames=17)
    sampler = WindowSampler(read_shards(corpus, "synthetic"), None, options)
    return sampler.batch(3, np.random.default_rng(0))


def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("controlled", [False, True])
def test_it_samples_what_the_validator_samples(parts, batch, controlled):
    prepared = prepare(parts, batch, controlled)
    noise = torch.randn(prepared.clean.shape, generator=generator())
    walk = motion_rl.Walk(4, torch.tensor([[2.0, 1.4]]).expand(3, -1), 0)
    with torch.no_grad():
        latents, leash = motion_rl.sample_with_gradient(parts, parts, prepared, noise, walk)
    usual = Sampling(4, (2.0, 1.4), True, parts.tier.shift_of(0), controlled)
    plain = sample_motion(parts, batch, usual, generator())
    torch.testing.assert_close(parts.vae.unpack(latents), plain, atol=1e-4, rtol=1e-4)
    assert float(leash) == pytest.approx(0, abs=1e-8)


def test_the_leash_is_the_way_that_the_weights_have_gone(parts, batch):
    prepared = prepare(parts, batch, False)
    noise = torch.randn(prepared.clean.shape, generator=generator())
    walk = motion_rl.Walk(2, torch.ones(3, 2), 1)
    moved = copy.deepcopy(parts)
    lengths = []
    for amount in (0.0, 0.05, 0.1):
        with torch.no_grad():
            moved.transformer.proj_out.bias.copy_(parts.transformer.proj_out.bias + amount)
        _, leash = motion_rl.sample_with_gradient(moved, parts, prepared, noise, walk)
        lengths.append(float(leash))
    assert lengths[0] == pytest.approx(0, abs=1e-8)
    assert lengths[2] == pytest.approx(4 * lengths[1], rel=0.05) and lengths[1] > 0


def test_pairs_are_windows_twice_with_other_noise(batch):
    both = motion_rl.with_pairs(batch, 1)
    assert torch.equal(both.mel[1], batch.mel[0]) and torch.equal(both.motion[0], both.motion[1])
    assert both.captions == [batch.captions[0], batch.captions[0], batch.captions[2]]
    assert torch.equal(both.noise, batch.noise)


def test_motion_that_is_followed_is_that_of_the_validator(parts, batch):
    prepared = prepare(parts, batch, False)
    noise = torch.randn(prepared.clean.shape, generator=generator())
    guidance = torch.tensor([[2.0, 1.4]]).expand(3, -1)
    with torch.no_grad():
        made = motion_rl.sample_finely(parts, prepared, noise, guidance, 6)
    plain = sample_motion(
        parts, batch, Sampling(6, (2.0, 1.4), True, parts.tier.shift_of(0)), generator()
    )
    torch.testing.assert_close(made, plain, atol=1e-4, rtol=1e-4)


def test_reward_is_gained_and_the_gradient_goes_through_all_steps(parts, batch, config):
    student = copy.deepcopy(parts)
    for name in ("audio_encoder", "text_encoder", "controlnet"):
        getattr(student, name).requires_grad_(False)
    config.reward.leash = 0.0
    reference = motion_rl.Reference(parts, parts)
    optimizer = torch.optim.Adam(student.transformer.parameters(), lr=3e-3)
    totals = []
    for _ in range(25):
        loss = motion_rl.reward_loss(student, reference, batch, config, generator(), False)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        totals.append(float(loss.detach()))
    assert totals[-1] < 0.75 * totals[0]


def test_a_run_judges_people_held_out_and_exports(config):
    motion_rl.run(config)
    folder = Path(config.run)
    line = json.loads((folder / "validation.jsonl").read_text().splitlines()[-1])
    assert line["step"] == 3 and 0 <= line["voices_anyway"] <= 1
    assert {"voices_closures", "voices_alike", "voices_lips"} <= set(line)
    load_module(AvatarTransformer3DModel, folder / "export" / "transformer.safetensors")
    assert [path.name for path in (folder / "export").iterdir()] == ["transformer.safetensors"]


def test_a_run_that_was_cut_gives_the_same_weights(config, tmp_path):
    config.final_lr = 1.0
    results = []
    for name, pieces in (("whole", (4,)), ("cut", (2, 4))):
        config.run = str(tmp_path / name)
        for num_steps in pieces:
            config.num_steps = num_steps
            motion_rl.run(config)
        state = torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        weights = [*state["networks"]["transformer"].values(), *state["average"]]
        results.append(torch.cat([values.flatten() for values in weights]))
    assert torch.equal(*results)


@pytest.fixture
def in_groups(config):
    config.reward.group.size, config.reward.group.updates = 3, 2
    return config


def test_a_run_in_groups_learns_twice_from_what_it_sampled_once(in_groups, caplog):
    caplog.set_level("INFO")
    motion_rl.run(in_groups)
    steps = [line.getMessage() for line in caplog.records if "policy" in line.getMessage()]
    assert len(steps) == 3
    judged = [line.split("missed ")[1].split("|")[0] for line in steps]
    assert judged[0] == judged[1] != judged[2]
    drifts = [float(line.split("drift ")[1].split()[0]) for line in steps]
    assert drifts[0] < 1e-5 < drifts[1]
    folder = Path(in_groups.run) / "export"
    assert [path.name for path in folder.iterdir()] == ["transformer.safetensors"]


@pytest.mark.parametrize("first", [1, 2])
def test_a_run_in_groups_that_was_cut_gives_the_same_weights(in_groups, tmp_path, first):
    """Cut between two updates, too: what was sampled is in the checkpoint."""
    in_groups.final_lr = 1.0
    results = []
    for name, pieces in (("whole", (4,)), ("cut", (first, 4))):
        in_groups.run = str(tmp_path / name)
        for num_steps in pieces:
            in_groups.num_steps = num_steps
            motion_rl.run(in_groups)
        state = torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)
        weights = [*state["networks"]["transformer"].values(), *state["average"]]
        results.append(torch.cat([values.flatten() for values in weights]))
    assert torch.equal(*results)


@pytest.mark.parametrize("key, value", [("size", 1), ("updates", 0), ("noise", 0.0)])
def test_groups_of_one_and_steps_without_chance_are_refused(in_groups, key, value):
    setattr(in_groups.reward.group, key, value)
    with pytest.raises(InputError, match=rf"reward\.group\.{key}"):
        motion_rl.run(in_groups)


def test_whole_distilled_weights_must_be_named(config, parts, tmp_path):
    (tmp_path / "before" / "controlnet.safetensors").unlink()
    for folder in ("", str(tmp_path / "before")):
        config.start_from = folder
        with pytest.raises(InputError, match=r"start_from.*controlnet"):
            motion_rl.run(config)
