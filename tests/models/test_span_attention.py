"""Spans of tokens attend to their own keys, heads are normalised each; a plain twin compares."""

from __future__ import annotations

import torch

from skyreels_avatar.models.layers import apply_rotary, attention_to_masks
from skyreels_avatar.models.span_attention import HeadNormAttention, SpanAttention

DIM, HEADS, L = 16, 2, 10
SPANS = ((slice(0, 2), slice(0, 2)), (slice(2, 6), slice(2, 6)), (slice(6, 10), slice(0, 10)))


def plain(attn, hidden, rotary, allowed: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Attend with a mask (L, L) of which token may attend to which, written down plainly."""

    def heads(values, norm=None):
        values = values.view(1, L, HEADS, -1)
        if norm is not None:
            square = values.square().mean(-1, keepdim=True) + 1e-6
            values = apply_rotary(values * square.rsqrt() * norm.weight, *rotary)
        return values

    query = heads(attn.to_q(hidden), attn.norm_q)
    key, value = heads(attn.to_k(hidden), attn.norm_k), heads(attn.to_v(hidden))
    scores = torch.einsum("bqnd,bknd->bnqk", query, key) * (DIM // HEADS) ** -0.5
    weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
    return attn.to_out[0](torch.einsum("bnqk,bknd->bqnd", weights, value).flatten(2)), query, key


@torch.no_grad()
def test_spans_attend_to_their_keys() -> None:
    torch.manual_seed(0)
    attn, hidden = SpanAttention(DIM, HEADS, 1e-6), torch.randn(1, L, DIM)
    for norm in (attn.norm_q, attn.norm_k):
        torch.nn.init.normal_(norm.weight, 1.0, 0.2)
    angles = torch.randn(1, L, 1, DIM // HEADS // 2)
    allowed = torch.zeros(L, L, dtype=torch.bool)
    for asks, of in SPANS:
        allowed[asks, of] = True
    rotary = angles.cos(), angles.sin()
    expected, query, key = plain(attn, hidden, rotary, allowed)
    masks = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    made, seen = attn(hidden, rotary, SPANS, masks)
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(seen, attention_to_masks(query, key[:, :2], masks))
    assert attn(hidden, rotary, SPANS)[1] is None


@torch.no_grad()
def test_heads_are_normalised_each() -> None:
    torch.manual_seed(0)
    attn, hidden = HeadNormAttention(DIM, HEADS, kv_dim=6), torch.randn(1, L, DIM)
    query = attn.in_heads(attn.to_q(hidden), attn.norm_q)
    torch.testing.assert_close(query.square().mean(-1), torch.ones(1, L, HEADS), atol=1e-2, rtol=0)
    louder = attn.in_heads(3 * attn.to_q(hidden), attn.norm_q)
    torch.testing.assert_close(louder, query, atol=1e-4, rtol=1e-4)
    assert attn(hidden, torch.randn(1, 4, 6)).shape == (1, L, DIM)
