"""Adaptive projected guidance: across the prediction, no longer than allowed, with momentum."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.pipeline.projected_guidance import MOMENTUM, ProjectedGuidance


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(2, 3, 4, 4, generator=generator) for _ in "ab")


def test_nothing_is_added_along_the_prediction() -> None:
    difference, prediction = pair()
    added = ProjectedGuidance(1e6)(difference, prediction)
    assert float((added * prediction).sum()) == pytest.approx(0, abs=1e-4)
    along = (difference * prediction).sum() / prediction.square().sum() * prediction
    torch.testing.assert_close(added, difference - along)
    assert ProjectedGuidance(1e6)(prediction, prediction).abs().max() < 1e-5


def test_a_long_difference_is_made_shorter_and_the_step_before_is_remembered() -> None:
    difference, prediction = pair()
    guidance = ProjectedGuidance(1.0)
    assert float(guidance(difference, prediction).norm()) <= 1
    free = ProjectedGuidance(1e6)
    first = free(difference, prediction)
    torch.testing.assert_close(free(0 * difference, prediction), MOMENTUM * first)
