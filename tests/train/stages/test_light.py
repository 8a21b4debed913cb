"""The stage that teaches the reader of light."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skyreels_avatar.models.light_encoder import LightEncoder
from train.stages.light import captions, figures_of, loss_of, word_targets


@pytest.fixture
def parts() -> SimpleNamespace:
    torch.manual_seed(0)
    return SimpleNamespace(light=LightEncoder(16, 12, 512, 1, 2), device=torch.device("cpu"))


def test_the_loss_falls_on_a_few_sentences(parts):
    said = captions(48, np.random.default_rng(0))
    optimizer = torch.optim.AdamW(parts.light.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        losses.append(loss_of(parts, said)["loss"])
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]


def test_tokens_know_which_share_of_their_words_is_about_light(parts):
    for one in captions(200, np.random.default_rng(1)):
        shares, there = word_targets(parts, [one])
        assert there.sum() == min(len(one.of_light), 12)
        assert shares.max() <= 1 and (shares > 0).any() == any(one.of_light)
        if len(one.of_light) <= 12:
            assert shares[0, : len(one.of_light)].tolist() == list(one.of_light)


def test_figures_tell_alarms_misses_and_errors(parts):
    said = captions(60, np.random.default_rng(2))
    with torch.no_grad():
        parts.light.proj_out.bias[0] = -50  # hears nothing
    figures = figures_of(parts, said)
    assert figures["false_alarms"] == 0 and figures["misses"] == 1
    asked = [
        abs(end.exposure) for one in said if one.light for end in (one.light.begin, one.light.end)
    ]
    assert figures["exposure"] == pytest.approx(np.mean(asked))
