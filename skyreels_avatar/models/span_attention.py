"""Attention whose heads are normalised each, and in which not all tokens attend to all."""

from __future__ import annotations

import torch

from skyreels_avatar.models.layers import (
    Attention,
    AttentionProcessor,
    RMSNorm,
    apply_rotary,
    attention_to_masks,
)

Spans = tuple[tuple[slice, slice], ...]
"""Which tokens attend to which: queries that follow each other, and their keys."""


class HeadNormAttention(Attention):
    """Attention with queries and keys that are RMS-normalised over the width of a head.

    Args:
        dim, heads, kv_dim, eps: as in `Attention`.
    """

    def __init__(self, dim: int, heads: int, kv_dim: int | None = None, eps: float = 1e-6):
        super().__init__(dim, heads, kv_dim=kv_dim, qk_norm=False, eps=eps)
        self.norm_q, self.norm_k = (RMSNorm(dim // heads, eps=eps) for _ in range(2))

    def in_heads(self, values: torch.Tensor, norm: torch.nn.Module) -> torch.Tensor:
        """Return queries or keys (B, L, N, D / N), normalised, of (B, L, D)."""
        return norm(values.unflatten(2, (self.heads, -1)))


class SpanAttentionProcessor(AttentionProcessor):
    """Let each span of tokens attend to keys of its own."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        rotary_emb: tuple[torch.Tensor, torch.Tensor],
        spans: Spans,
        masks: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attend; arguments as in `SpanAttention.forward`."""
        query = apply_rotary(attn.in_heads(attn.to_q(hidden_states), attn.norm_q), *rotary_emb)
        key, value = self._keys(attn, hidden_states, rotary_emb)
        parts = [self._attend(query[:, asks], key[:, of], value[:, of]) for asks, of in spans]
        output = attn.to_out[1](attn.to_out[0](torch.cat(parts, dim=1)))
        if masks is None:
            return output, None
        first = key[:, : masks.shape[1]]
        return output, attention_to_masks(query, first, masks)


class SpanAttention(HeadNormAttention):
    """Self attention in which not all tokens attend to all."""

    _default_processor_cls = SpanAttentionProcessor
    _available_processors = (SpanAttentionProcessor,)

    def __init__(self, dim: int, heads: int, eps: float):
        super().__init__(dim, heads, eps=eps)
        self.set_processor(SpanAttentionProcessor())

    def forward(
        self,
        hidden_states: torch.Tensor,
        rotary_emb: tuple[torch.Tensor, torch.Tensor],
        spans: Spans,
        masks: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return (B, L, D), and with masks the attention to each of them (B, M, L).

        Args:
            hidden_states: (B, L, D).
            rotary_emb: cosine and sine (1, L, 1, head_dim / 2).
            spans: all tokens in their order, and the keys of each span.
            masks: (M, S) of the first S tokens.
        """
        return self.processor(self, hidden_states, rotary_emb, spans, masks)
