"""The table of few steps against many: its figures, intervals and what it says of guidance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from skyreels_avatar.errors import InputError
from train.stages import validate_steps as steps
from train.stages.validate_steps import (
    closures,
    guidance_table,
    held_out_windows,
    interval,
    is_monotone,
    sample,
    spaced,
    step_rows,
    step_table,
)
from train.validate import Sampling


@pytest.fixture(scope="module")
def batch():
    from train.config import TrainConfig

    return held_out_windows(TrainConfig(), 3)


def test_an_interval_holds_its_mean_and_narrows_with_more():
    rng = np.random.default_rng(0)
    few, many = (interval(rng.normal(5, 1, number)) for number in (10, 1000))
    assert few[1] < few[0] < few[2] and many[1] < many[0] < many[2]
    assert many[2] - many[1] < 0.3 * (few[2] - few[1])
    assert interval(np.array([1, 0]), np.array([10, 10]))[0] == pytest.approx(0.05)


def test_a_mouth_that_is_the_truth_is_shut_where_it_ought_to_be(batch):
    true = batch.motion[None].numpy()[:, :, 4:]
    shut, wanted = closures(true, batch)
    assert (shut == wanted).all() and wanted.sum() > 0
    opened = true.copy()
    opened[..., 0] = 0.05
    assert closures(opened, batch)[0].sum() == 0


def test_the_first_number_of_steps_stands_for_the_truth(batch):
    motion = np.repeat(batch.motion[None].numpy(), 2, 0)
    moved = motion + np.random.default_rng(0).normal(0, 0.01, motion.shape)
    taken = {40: motion, 4: moved}
    same, other = (step_rows(taken, number, batch) for number in (40, 4))
    key = "mouth from 40 steps, rms of its spread"
    assert same[key][0] == 0 < other[key][0]
    assert same["spread over seeds"][0] == pytest.approx(0, abs=1e-6)
    table = step_table({"windows": 3, "seeds": 2, "steps": {"40": same, "4": other}})
    assert "| opening / H |" in table and table.splitlines()[2].endswith("| 4 steps |")
    opening = next(line for line in table.splitlines() if line.startswith("| opening"))
    share = other["opening / H"][0] / same["opening / H"][0]
    assert opening.endswith(f"), {share:.3f} |") and opening.count("),") == 1


def test_seeds_differ_and_repeat(batch, tiny_parts):
    sampling = Sampling(num_steps=2, guidance=(2.0, 1.4), one_pass=True)
    first, again = (sample(tiny_parts, batch, sampling, seeds=2) for _ in range(2))
    assert first.shape == (2, 3, 49, 32) and np.array_equal(first, again)
    assert not np.allclose(first[0], first[1])
    assert len(spaced(batch, 1).captions) == 1 and len(spaced(batch, 9).captions) == 3


def test_what_rises_is_told_from_what_does_not():
    rising = {"1": [0.1, 0, 1], "2": [0.2, 0, 1]}
    falling = {"1": [0.2, 0, 1], "2": [0.1, 0, 1]}
    assert is_monotone(rising) and not is_monotone(falling)
    lines = guidance_table({"smile": rising, "nods": falling}).splitlines()
    assert lines[2].endswith("| yes |") and lines[3].endswith("| no |")


def test_a_network_that_is_not_distilled_is_refused(monkeypatch, tiny_config, tiny_parts):
    tiny_parts.transformer.register_to_config(distilled=False)
    monkeypatch.setattr(steps, "load_components", lambda _: tiny_parts)
    with pytest.raises(InputError, match="not distilled"):
        steps.run(tiny_config)
    assert not Path(tiny_config.run, "steps.json").exists()
    assert torch.get_num_threads() == tiny_config.threads
