"""Cache what is constant over the denoising steps of a window.

Each fast path here has the plain one beside it, which is taken where there is no cache:
in training, and for a single evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch

Value = TypeVar("Value")

_FEWEST_REPEATED = 4
_BIAS_STEP = 32  # logarithms below 8 in steps of 1 / 32 are exact in bfloat16


class ConditionCache:
    """Embedded conditions, keys and values of one window, by their names.

    Hand the same one to every step of a window, and to nothing else: who asks first fills it, so
    that offloaded blocks, too, are on their device when their keys are computed. No mapping: hooks
    that bring arguments to a device would hand on a copy.
    """

    def __init__(self):
        self._values: dict[str, object] = {}

    def part(self, name: str) -> ConditionCache:
        """Return the cache of a part of the network, a block or an attention."""
        return self.cached(name, ConditionCache)

    def cached(self, name: str, make: Callable[[], Value]) -> Value:
        """Return a value by its name, computed by `make` the first time."""
        if name not in self._values:
            self._values[name] = make()
        return self._values[name]


def cached(cache: ConditionCache | None, name: str, make: Callable[[], Value]) -> Value:
    """Return a value from a cache, computed by `make` if it is not there or there is no cache."""
    return make() if cache is None else cache.cached(name, make)


def merge_repeated(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Merge repeated tokens; the bias (L,) of their attention scores keeps the result the same.

    Prompts are padded with equal tokens, which are attended to. c keys that are equal weigh as
    much as one whose score is log(c) higher; here as much as two of them whose biases are exact
    enough in bfloat16. The bias is None where all tokens are kept.

    Args:
        tokens: (B, L, D); what is equal at the end of all of them is merged.
    """
    is_last = (tokens == tokens[:, -1:]).all(-1).all(0)  # (L,)
    count = int(is_last.flip(0).long().cumprod(0).sum())
    if count < _FEWEST_REPEATED:
        return tokens, None
    num_kept = tokens.shape[1] - count
    coarse = math.floor(math.log(count) * _BIAS_STEP) / _BIAS_STEP
    rest = count - math.exp(coarse)
    bias = tokens.new_zeros(num_kept + 2)
    bias[-2:] = bias.new_tensor([coarse, math.log(rest)])
    return torch.cat([tokens[:, :num_kept], tokens[:, -2:]], dim=1), bias


def can_fold(attn: torch.nn.Module, num_asking: int, num_keys: int) -> bool:
    """Return whether `folded_attention` can replace an attention, and is cheaper.

    It may where queries are used as they are projected and the weights are plain tensors. It is
    where all keys of all heads together are fewer than the width.

    Args:
        attn: an `Attention` over other tokens than those that ask.
        num_asking: tokens that attend to the same `num_keys` keys.
    """
    query, output = attn.to_q, attn.to_out[0]
    if not isinstance(attn.norm_q, torch.nn.Identity):
        return False
    for linear in (query, output):
        plain = type(linear) is torch.nn.Linear and type(linear.weight) is torch.nn.Parameter
        if not plain or linear.weight.dtype != attn.to_k.bias.dtype:
            return False
        if linear.weight.dtype not in (torch.float32, torch.bfloat16, torch.float16):
            return False
    dim = query.in_features
    return (attn.heads * num_asking + dim) * num_keys < dim * num_asking


def folded_attention(
    attn: torch.nn.Module, hidden_states: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> torch.Tensor:
    """Return the attention (B, L, D) with `to_q` folded into the keys, `to_out` into the values.

    Args:
        attn: for which `can_fold` is true.
        hidden_states: (B, L, D).
        key, value: (B, S, N, D / N).
    """
    head_dim, heads = key.shape[3], attn.heads
    asks = attn.to_q.weight.unflatten(0, (heads, head_dim))  # (N, d, D)
    shift = attn.to_q.bias.unflatten(0, (heads, head_dim))
    gives = attn.to_out[0].weight.unflatten(1, (heads, head_dim))  # (D, N, d)
    key = key * head_dim**-0.5
    asked = torch.einsum("bsnd,nde->bens", key, asks).flatten(2)  # (B, D, N S)
    scores = hidden_states @ asked
    scores = scores.unflatten(2, (heads, -1)) + torch.einsum("bsnd,nd->bns", key, shift)[:, None]
    weights = scores.float().softmax(-1).type_as(hidden_states).flatten(2)
    given = torch.einsum("bsnd,end->bnse", value, gives).flatten(1, 2)  # (B, N S, D)
    return weights @ given + attn.to_out[0].bias
