"""Parts that the networks share."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.models.layers import (
    Attention,
    ConditionEmbedder,
    RotaryPositions,
    apply_rotary,
    modulate,
    sinusoid,
)


def test_rotary_scores_depend_on_distance_alone() -> None:
    rope = RotaryPositions(12, (1, 1, 1))
    cosine, sine = rope(torch.zeros(1, 1, 6, 1, 1))
    query, key = torch.randn(2, 1, 1, 1, 12, generator=torch.Generator().manual_seed(0))
    queries = apply_rotary(query.expand(1, 6, 1, 12), cosine, sine)
    keys = apply_rotary(key.expand(1, 6, 1, 12), cosine, sine)
    scores = torch.einsum("bqnd,bknd->qk", queries, keys)
    for lag in range(-3, 4):
        diagonal = scores.diagonal(lag)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=0)


def test_sinusoid_tells_neighbouring_timesteps_apart() -> None:
    values = sinusoid(torch.tensor([0.0, 999.0, 999.25]), 16)
    assert torch.equal(values[0], torch.cat((torch.ones(8), torch.zeros(8))))
    assert (values[1] - values[2]).abs().max() > 0.1


@pytest.fixture
def attention() -> Attention:
    torch.manual_seed(0)
    return Attention(12, 2, kv_dim=8, added_kv_dim=6).eval()


def test_attention_is_that_of_pytorch(attention):
    torch.manual_seed(1)
    tokens, others = torch.randn(2, 5, 12), torch.randn(2, 7, 8)
    query = attention.norm_q(attention.to_q(tokens)).unflatten(2, (2, 6)).transpose(1, 2)
    key = attention.norm_k(attention.to_k(others)).unflatten(2, (2, 6)).transpose(1, 2)
    value = attention.to_v(others).unflatten(2, (2, 6)).transpose(1, 2)
    expected = (query @ key.mT / 6**0.5).softmax(-1) @ value
    expected = attention.to_out[0](expected.transpose(1, 2).flatten(2))
    torch.testing.assert_close(attention(tokens, others), expected)


def test_a_bias_that_forbids_a_token_is_like_leaving_it_out(attention):
    tokens, others = torch.randn(1, 3, 12), torch.randn(1, 4, 8)
    bias = torch.tensor([0.0, -1e9, 0.0, 0.0])
    without = attention(tokens, others[:, [0, 2, 3]])
    torch.testing.assert_close(attention(tokens, others, key_bias=bias), without)


def test_image_tokens_add_what_they_say_themselves(attention):
    tokens, others, image = torch.randn(1, 3, 12), torch.randn(1, 4, 8), torch.randn(1, 2, 6)
    plain = attention(tokens, others)
    assert not torch.allclose(attention(tokens, others, image), plain)
    attention.add_v_proj.weight.data.zero_()
    attention.add_v_proj.bias.data.zero_()
    torch.testing.assert_close(attention(tokens, others, image), plain)


def test_the_usual_manner_of_sampling_changes_nothing_before_it_is_learned():
    torch.manual_seed(0)
    embedder = ConditionEmbedder(8, 6, 4, distilled=True)
    time = torch.tensor([300.0])
    other, usual = (embedder(time, torch.tensor([[scale, 1.0, 0.0]]))[0] for scale in (3.0, 1.0))
    assert not torch.allclose(other, usual)
    zero = embedder.sampling_embedder(torch.zeros(1, 3))
    torch.testing.assert_close(usual, embedder(time)[0] + zero)


def test_modulation_keeps_the_dtype_and_counts_in_float32():
    hidden = torch.randn(1, 2, 4, dtype=torch.bfloat16)
    shift, scale = torch.full((1, 1, 4), 0.5), torch.full((1, 1, 4), 2.0)
    found = modulate(hidden, torch.nn.Identity(), shift, scale)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, (3 * hidden.float() + 0.5).bfloat16())
