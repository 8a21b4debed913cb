"""What is computed once a window equals what is computed in every step."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.models.condition_cache import (
    ConditionCache,
    can_fold,
    folded_attention,
    merge_repeated,
)
from skyreels_avatar.models.layers import Attention
from skyreels_avatar.models.transformer import AvatarTransformer3DModel

GRID, FRAMES = (16, 16), 3


@pytest.fixture(scope="module")
def model() -> AvatarTransformer3DModel:
    torch.manual_seed(0)
    model = AvatarTransformer3DModel(
        num_attention_heads=4, attention_head_dim=12, in_channels=6, out_channels=4, text_dim=16,
        audio_dim=8, freq_dim=16, ffn_dim=24, num_layers=2, image_dim=8, added_kv_proj_dim=48,
    )  # fmt: skip
    with torch.no_grad():
        for values in model.parameters():
            values += 0.1 * torch.randn(values.shape)
    return model.eval().requires_grad_(False)


def conditions(batch: int = 1, num_persons: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(batch, *shape, generator=generator)

    text = normal(40, 16)
    text[:, 9:] = 0  # what a prompt of 9 words leaves of its 40 tokens
    given = {
        "encoder_hidden_states": text,
        "audio_embeds": normal(FRAMES, 4 * num_persons, 8),
        "encoder_hidden_states_image": normal(5, 8),
    }
    if num_persons > 1:
        masks = torch.zeros(num_persons + 1, GRID[0] // 2, GRID[1] // 2)
        masks[0, :, :3], masks[1, :, 3:5], masks[2, :, 5:] = 1, 1, 1
        given["person_masks"] = masks
    return given


@pytest.mark.parametrize(("batch", "num_persons"), [(1, 1), (3, 1), (1, 2)])
def test_every_step_equals_the_plain_one(model, batch, num_persons) -> None:
    given, cache = conditions(batch, num_persons), ConditionCache()
    for step in range(3):
        changing = {
            "hidden_states": torch.randn(batch, 6, FRAMES, *GRID),
            "timestep": torch.full((batch,), 900.0 - 300 * step),
            "control_residuals": [torch.randn(batch, FRAMES * 64, 48)],
        }
        plain = model(**given, **changing)
        fast = model(**given, **changing, cache=cache)
        torch.testing.assert_close(fast, plain, atol=1e-5, rtol=0)
        assert plain.std() > 0.1


def test_conditions_are_embedded_in_the_first_step_alone(model) -> None:
    calls = []
    modules = [model.condition_embedder.text_embedder, model.condition_embedder.image_embedder]
    for block in model.blocks:
        modules += [block.attn2.to_k, block.attn2.add_v_proj, block.audio_attn.to_v]
    hooks = [one.register_forward_hook(lambda *_: calls.append(1)) for one in modules]
    given, cache = conditions(), ConditionCache()
    for _ in range(3):
        model(torch.randn(1, 6, FRAMES, *GRID), torch.tensor([500.0]), **given, cache=cache)
    for hook in hooks:
        hook.remove()
    assert len(calls) == len(modules)


def test_offloaded_blocks_fill_them_too(model) -> None:
    import copy

    given, hidden_states = conditions(), torch.randn(1, 6, FRAMES, *GRID)
    streamed = copy.deepcopy(model)
    streamed.enable_group_offload(
        torch.device("cpu"), offload_type="block_level", num_blocks_per_group=1
    )
    cache, kept = ConditionCache(), []
    for _ in range(2):
        fast = streamed(hidden_states, torch.tensor([500.0]), **given, cache=cache)
        text = cache.part("block 1").part("text")
        kept.append(text.cached("tokens", lambda: None))
    assert kept[0] is not None and kept[0] is kept[1]
    plain = model(hidden_states, torch.tensor([500.0]), **given)
    torch.testing.assert_close(fast, plain, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-4)])
@pytest.mark.parametrize("count", [4, 37, 492, 511])
def test_equal_keys_weigh_as_one_with_a_bias(count: int, dtype, bound: float) -> None:
    """The bias is exact to 1e-4 even where it is kept in bfloat16; log(492) itself is 1 % off."""
    tokens = torch.cat([torch.randn(2, 20, 8), torch.ones(2, count, 8)], 1).to(dtype)
    merged, bias = merge_repeated(tokens)
    assert merged.shape == (2, 22, 8) and bias.dtype == dtype
    assert bias.float().exp().sum() == pytest.approx(20 + count, rel=bound)


def test_without_repetition_nothing_is_merged() -> None:
    tokens = torch.randn(1, 12, 8)
    assert merge_repeated(tokens) == (tokens, None)


@torch.no_grad()
def test_folded_weights_give_the_same_attention() -> None:
    torch.manual_seed(0)
    attn = Attention(64, 4, kv_dim=16, qk_norm=False)
    asking, told = torch.randn(3, 50, 64), torch.randn(3, 8, 16)
    assert can_fold(attn, 50, 8)
    key, value = attn.processor._keys(attn, told, None)
    torch.testing.assert_close(
        folded_attention(attn, asking, key, value), attn(asking, told), atol=3e-6, rtol=0
    )


def test_folding_is_for_plain_weights_and_few_keys() -> None:
    assert can_fold(Attention(64, 4, kv_dim=16, qk_norm=False), 50, 8)
    assert not can_fold(Attention(64, 4, kv_dim=16, qk_norm=True), 50, 8)
    assert not can_fold(Attention(64, 4, kv_dim=16, qk_norm=False), 50, 16)  # not cheaper
    cast = Attention(64, 4, kv_dim=16, qk_norm=False).to(torch.float8_e4m3fn)
    assert not can_fold(cast, 50, 8)
