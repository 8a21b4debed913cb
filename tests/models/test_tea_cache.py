"""Steps leave out the blocks where the published rule says so, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.models.acceleration import (
    cache_by_time,
    cache_first_block,
    feature_cache,
    start_window,
)
from skyreels_avatar.models.tea_cache import _LARGE, _SMALL, NUM_FIRST, estimated_change
from skyreels_avatar.models.transformer import AvatarTransformer3DModel

STEPS = 12


@pytest.fixture
def model() -> AvatarTransformer3DModel:
    torch.manual_seed(0)
    model = AvatarTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, in_channels=6, out_channels=4, text_dim=16,
        audio_dim=8, freq_dim=16, ffn_dim=24, num_layers=3,
    )  # fmt: skip
    with torch.no_grad():
        for values in model.parameters():
            values += 0.1 * torch.randn(values.shape)
    return model.eval().requires_grad_(False)


def window(model, variants: tuple[str, ...] = ("pass 0",)) -> list[torch.Tensor]:
    """Return the velocities of a window, of each step and variant."""
    generator = torch.Generator().manual_seed(0)
    text = torch.randn(len(variants), 1, 6, 16, generator=generator)
    audio = torch.randn(1, 2, 4, 8, generator=generator)
    latents, made = torch.randn(1, 6, 2, 4, 4, generator=generator), []
    start_window(model)
    for time in torch.linspace(1000, 999, STEPS)[:, None]:
        for name, words in zip(variants, text):
            with feature_cache(model, name):
                made.append(model(latents, time, words, audio))
    return made


def published_steps(model, threshold: float) -> list[bool]:
    """Return which steps the published rule computes, written down plainly."""
    embeddings = [
        model.condition_embedder(time)[1] for time in torch.linspace(1000, 999, STEPS)[:, None]
    ]
    computed, accumulated = [], 0.0
    for step, embedding in enumerate(embeddings):
        if step >= NUM_FIRST:
            before = embeddings[step - 1]
            relative = float((embedding - before).abs().mean() / before.abs().mean())
            accumulated += np.poly1d(_SMALL)(relative)
        if step < NUM_FIRST or accumulated >= threshold:
            accumulated = 0.0
        computed.append(step < NUM_FIRST or accumulated == 0.0)
    return computed


def test_the_polynomials_are_those_of_small_and_of_large_frames() -> None:
    for relative in (0.0, 0.01, 0.05):
        assert estimated_change(relative, 1560) == pytest.approx(np.poly1d(_SMALL)(relative))
        assert estimated_change(relative, 3600) == pytest.approx(np.poly1d(_LARGE)(relative))


def test_a_threshold_that_is_never_reached_changes_nothing(model) -> None:
    plain = window(model)
    cache_by_time(model, 1e-9)
    for exact, made in zip(plain, window(model)):
        assert torch.equal(made, exact)
    assert model.tea_cache.num_skipped == 0


@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_blocks_are_left_out_in_the_steps_of_the_published_rule(model, threshold) -> None:
    expected, plain = published_steps(model, threshold), window(model)
    calls: list[int] = []
    model.blocks[1].register_forward_hook(lambda *_: calls.append(1))
    cache_by_time(model, threshold)
    for _ in range(2):  # a second window starts anew
        calls.clear()
        made = window(model)
        assert len(calls) == sum(expected) < STEPS
        assert model.tea_cache.num_skipped == STEPS - sum(expected)
    for exact, one, computed in zip(plain, made, expected):
        # A step that is left out adds what the blocks added before, at its own time.
        assert torch.equal(one, exact) == computed
        assert (one - exact).abs().max() < 0.2 * exact.abs().max()


def test_variants_of_the_conditions_are_kept_apart(model) -> None:
    alone = published_steps(model, 0.5)
    plain = window(model, ("pass 0", "pass 1"))
    cache_by_time(model, 0.5)
    made = window(model, ("pass 0", "pass 1"))
    assert model.tea_cache.num_skipped == 2 * (STEPS - sum(alone)) > 0
    for exact, one in zip(plain, made):
        assert (one - exact).abs().max() < 0.2 * exact.abs().max()


def test_it_is_refused_where_it_cannot_be(model) -> None:
    with pytest.raises(InputError, match="fitted to another transformer"):
        cache_by_time(torch.nn.Linear(1, 1), 0.2)
    cache_first_block(model, 0.1)
    with pytest.raises(InputError, match="exclude each other"):
        cache_by_time(model, 0.2)
