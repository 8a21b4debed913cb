"""Teach the reader of light and colour what sentences ask for."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import torch
import torch.nn.functional as functional

from skyreels_avatar.loading.components import Components
from skyreels_avatar.models.light_encoder import LIGHT_NUMBERS, Light, ShotLight
from train.config import TrainConfig
from train.data.simulate.light_captions import Said, light_caption
from train.loop import Run

_NUM_HELD_OUT = 2000
_SMOOTH = 0.2  # errors below count by their square
_GATE, _WORDS = 0.3, 1.0
_NOTHING = ShotLight(Light(), Light())


def run(config: TrainConfig) -> None:
    """Train on sentences that are written when they are needed."""
    held_out = captions(_NUM_HELD_OUT, np.random.default_rng([config.seed, 88, 1]))

    def step_loss(parts: Components, step: int) -> dict[str, torch.Tensor]:
        said = captions(config.batch_size, np.random.default_rng([config.seed, 88, 2, step]))
        return loss_of(parts, said)

    Run(config).train(step_loss, lambda parts: figures_of(parts, held_out))


def captions(number: int, rng: np.random.Generator) -> list[Said]:
    """Draw prompts with what they ask for."""
    return [light_caption(rng) for _ in range(number)]


def loss_of(parts: Components, said: list[Said]) -> dict[str, torch.Tensor]:
    """Return the loss of prompts: is light mentioned, and which numbers are meant."""
    wanted = torch.from_numpy(np.stack([one.numbers for one in said])).to(parts.device)
    given, words = parts.light([one.text for one in said])
    gate = functional.binary_cross_entropy_with_logits(given[:, 0], wanted[:, 0])
    error = functional.smooth_l1_loss(given[:, 1:], wanted[:, 1:], beta=_SMOOTH, reduction="none")
    numbers = (error.sum(1) * wanted[:, 0]).sum() / wanted[:, 0].sum().clamp_min(1)
    of_light, weights = word_targets(parts, said)
    tags = functional.binary_cross_entropy_with_logits(words, of_light, weights, reduction="sum")
    tags = tags / weights.sum()
    loss = _GATE * gate + numbers + _WORDS * tags
    return {"loss": loss, "gate": gate, "numbers": numbers, "words": tags}


def word_targets(parts: Components, said: list[Said]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (B, L) the share of light in each token, and (B, L) 1 where there are words."""
    targets = torch.zeros(2, len(said), parts.light.config.num_tokens)
    for row, one in enumerate(said):
        for slot, flag in zip(parts.light.slots(len(one.of_light)), one.of_light):
            targets[0, row, slot] += flag
            targets[1, row, slot] += 1
    shares = targets[0] / targets[1].clamp_min(1)
    return shares.to(parts.device), (targets[1] > 0).float().to(parts.device)


def figures_of(parts: Components, said: list[Said]) -> dict[str, float]:
    """Return shares of false alarms and misses, and the mean error of each number.

    Misses are prompts whose light would be changed visibly and stays as it is. Errors are
    of both ends. `words` is the share of words that are wrongly taken for words of light, or not.
    """
    alarms, misses, errors, words = [], [], [], []
    for one in said:
        if one.light is not None and one.of_light:
            logits = parts.light([one.text])[1][0]
            slots = parts.light.slots(len(one.of_light))
            words += [(float(logits[slot]) > 0) != flag for slot, flag in zip(slots, one.of_light)]
        found = parts.light.light_of(one.text)
        if one.light is None:
            alarms.append(found is not None)
            continue
        if one.light != _NOTHING:
            misses.append(found is None)
        found = found or _NOTHING
        for got, asked in ((found.begin, one.light.begin), (found.end, one.light.end)):
            errors.append(np.abs(np.subtract(astuple(got), astuple(asked))))
    figures = {"false_alarms": float(np.mean(alarms)), "misses": float(np.mean(misses))}
    figures["words"] = float(np.mean(words))
    return figures | dict(zip(LIGHT_NUMBERS, np.mean(errors, 0).tolist()))
