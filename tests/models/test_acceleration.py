"""Switching on what is faster changes nothing, or what it says it changes."""

from __future__ import annotations

import copy
import importlib.util

import pytest
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.models.acceleration import (
    attention_backends,
    cache_first_block,
    feature_cache,
    set_attention,
    start_window,
)
from skyreels_avatar.models.condition_cache import ConditionCache
from skyreels_avatar.models.longcat_transformer import LongCatTransformer3DModel
from skyreels_avatar.models.transformer import AvatarTransformer3DModel


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


def window(model, steps: int = 4, seed: int = 0) -> list[torch.Tensor]:
    """Return the velocities of a window whose latents hardly change."""
    generator = torch.Generator().manual_seed(seed)
    text = torch.randn(1, 6, 16, generator=generator)
    audio = torch.randn(1, 2, 4, 8, generator=generator)
    latents, cache = torch.randn(1, 6, 2, 4, 4, generator=generator), ConditionCache()
    times = torch.linspace(900, 899, steps)[:, None]
    start_window(model)
    with feature_cache(model, "plain"):
        return [model(latents, time, text, audio, cache=cache) for time in times]


def test_blocks_are_left_out_only_within_a_window(model) -> None:
    calls, plain = [], [window(model, seed=seed) for seed in (0, 1)]
    model.blocks[2].ffn.register_forward_hook(lambda *_: calls.append(1))
    cache_first_block(model, 0.5)
    cached = [window(model, seed=seed) for seed in (0, 1)]
    assert len(calls) == 2  # in the first step of either window
    for exact, made in zip(plain, cached):
        torch.testing.assert_close(made[0], exact[0])
        assert 0 < (made[-1] - exact[-1]).abs().max() < 0.1 * exact[-1].abs().max()


def test_a_threshold_that_is_never_reached_changes_nothing(model) -> None:
    plain = window(model)
    cache_first_block(model, 1e-9)
    for exact, made in zip(plain, window(model)):
        torch.testing.assert_close(made, exact)


def test_backends_give_the_same_attention(model) -> None:
    plain = window(model)
    for name in ("native", "_native_math"):
        other = copy.deepcopy(model)
        set_attention(other, name)
        torch.testing.assert_close(window(other)[-1], plain[-1], atol=1e-5, rtol=0)


def test_backends_reach_every_attention_of_another_family() -> None:
    model = LongCatTransformer3DModel(
        num_attention_heads=2, attention_head_dim=8, text_dim=8, audio_dim=8, freq_dim=16,
        temb_dim=8, ffn_dim=16, num_layers=2,
    )  # fmt: skip
    set_attention(model, "_native_math")
    found = [p._attention_backend.value for p in model.attn_processors.values()]
    assert found == ["_native_math"] * 6


def test_a_backend_is_that_of_one_network_alone(model) -> None:
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry

    before = _AttentionBackendRegistry.get_active_backend()[0]
    for name in ("native", "_native_math"):
        set_attention(copy.deepcopy(model), name)
        assert _AttentionBackendRegistry.get_active_backend()[0] == before


def test_backends_that_are_not_there_are_refused(model) -> None:
    assert {"native", "flash", "sage"} <= set(attention_backends())
    with pytest.raises(InputError, match=r"unknown attention_backend 'fast'; known are .*native"):
        set_attention(model, "fast")
    for name, package in (
        ("xformers", "xformers"),
        ("flash", "flash_attn"),
        ("sage", "sageattention"),
    ):
        if importlib.util.find_spec(package) is None:
            with pytest.raises(InputError, match=f"attention_backend {name} cannot be used here"):
                set_attention(model, name)


def test_compiled_blocks_give_the_same_numbers(model) -> None:
    """Traced, not compiled to machine code, which would take a minute."""
    plain = window(model)
    model.compile_repeated_blocks(backend="eager")
    for exact, made in zip(plain, window(model)):
        torch.testing.assert_close(made, exact, atol=1e-5, rtol=0)
