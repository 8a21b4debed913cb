"""The transformer of an embedded tier in fewer operations, for windows that come one by one.

A window of a stream is 36 tokens: beside products of small matrices, what costs is that there are
many operations. Here projections of the same tokens are one product, modulations are part of the
norms, and what depends on the prompt or on the noise level alone is kept from window to window.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from skyreels_avatar.models.condition_cache import ConditionCache, cached
from skyreels_avatar.models.layers import Attention
from skyreels_avatar.models.transformer import AvatarTransformer3DModel

_KEPT = 8  # noise levels and grids

Heads = tuple[torch.Tensor, torch.Tensor]  # keys and values (B, N, L, D / N)


def fused(transformer: torch.nn.Module) -> torch.nn.Module | FusedTransformer:
    """Return what computes the same velocities in fewer operations; itself, where it cannot."""
    return FusedTransformer(transformer) if _can_fuse(transformer) else transformer


class _Modulation(NamedTuple):
    """Scales and shifts (D,) of the norms of a block, and gates (1, D), at a noise level."""

    shift: torch.Tensor
    scale: torch.Tensor
    gate: torch.Tensor
    ffn_shift: torch.Tensor
    ffn_scale: torch.Tensor
    ffn_gate: torch.Tensor


class FusedTransformer:
    """The velocities of a distilled `AvatarTransformer3DModel`, of one window and one person.

    Args:
        transformer: for which `_can_fuse` is true; its weights are not to change any more.
    """

    def __init__(self, transformer: AvatarTransformer3DModel):
        self._network, self.config = transformer, transformer.config
        self._heads = self.config.num_attention_heads
        self._dim = self._heads * self.config.attention_head_dim
        attentions = [block.attn1 for block in transformer.blocks]
        self._to_qkv = [_joined(one.to_q, one.to_k, one.to_v) for one in attentions]
        self._qk_norms = [torch.stack([one.norm_q.weight, one.norm_k.weight]) for one in attentions]
        voices = [block.audio_attn for block in transformer.blocks]
        self._to_voices = _joined(*(to for one in voices for to in (one.to_k, one.to_v)))
        self._kept: dict[Hashable, Any] = {}
        self._text: torch.Tensor | None = None
        self._texts: list[Heads] = []

    def __call__(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor,
        sampling: torch.Tensor,
        control_residuals: Iterable[torch.Tensor] | None = None,
        cache: ConditionCache | None = None,
        **conditions: torch.Tensor,
    ) -> torch.Tensor:
        """Return the velocity (1, C, T, h, w): see `AvatarTransformer3DModel.forward`."""
        network, num_latents = self._network, hidden_states.shape[2]
        text, sound = (conditions[name] for name in ("encoder_hidden_states", "audio_embeds"))
        told = float(timestep), *sampling.flatten().tolist()
        at_level = self._keep(told, self._levels, timestep, sampling)
        if self._text is None or not torch.equal(self._text, text):
            self._text, self._texts = text, self._read(text)
        grid = tuple(hidden_states.shape[2:])
        tables = self._keep(grid, self._rotary_tables, hidden_states)
        voices = cached(cache, "voices", lambda: self._voices(sound))
        embedding = network.patch_embedding
        tokens = hidden_states[0].flatten(1).T
        tokens = F.linear(tokens, embedding.weight.flatten(1), embedding.bias)  # (L, D)
        if network.width_embedding is not None:
            tokens = tokens.unflatten(0, (-1, grid[2])) + network.width_embedding
            tokens = tokens.flatten(0, 1)
        residuals = iter(() if control_residuals is None else control_residuals)
        levels, shift, scale = at_level
        for index, block in enumerate(network.blocks):
            tokens = self._through(block, tokens, levels[index], self._to_qkv[index], tables[index])
            tokens = self._listen(block, tokens, self._texts[index], voices[index], num_latents)
            tokens = self._forward(block, tokens, levels[index])
            if (residual := next(residuals, None)) is not None:
                tokens = tokens + residual[0]
        tokens = self._norm(network.norm_out, tokens, scale, shift)
        velocity = F.linear(tokens, network.proj_out.weight, network.proj_out.bias)
        return velocity.T.reshape(1, -1, *grid)

    def _through(self, block, tokens, level: _Modulation, to_qkv, tables) -> torch.Tensor:
        """Return tokens (L, D) after the self attention."""
        normed = self._norm(block.norm1, tokens, level.scale, level.shift)
        joined = F.linear(normed, *to_qkv).unflatten(1, (3, -1))
        both = _normalized(joined[:, :2], block.attn1.norm_q.eps)
        swapped = both.unflatten(2, (-1, 2)).flip(-1).flatten(2)
        both = torch.addcmul(both * tables[0], swapped, tables[1])  # (L, 2, D), turned
        query, key = self._in_heads(both.transpose(0, 1))[:, None].unbind()
        value = self._in_heads(joined[:, 2])[None]
        attended = self._attended(block.attn1, query, key, value)
        return torch.addcmul(tokens, attended, level.gate)

    def _listen(self, block, tokens, text: Heads, voice: Heads, num_latents) -> torch.Tensor:
        """Return tokens (L, D) after the attention to text and to audio."""
        for attn, norm, (key, value) in (
            (block.attn2, block.norm2, text),
            (block.audio_attn, block.norm_audio, voice),
        ):
            query = self._queries(attn, self._norm(norm, tokens, norm.weight, norm.bias))
            query = query.unflatten(
                0, (len(key), -1)
            )  # of each latent frame, where each has its own
            tokens = tokens + self._attended(attn, self._in_heads(query), key, value)
        return tokens

    def _forward(self, block, tokens, level: _Modulation) -> torch.Tensor:
        """Return tokens (L, D) after the feed-forward."""
        normed = self._norm(block.norm3, tokens, level.ffn_scale, level.ffn_shift)
        inner, outer = block.ffn.net[0].proj, block.ffn.net[2]
        inside = F.gelu(F.linear(normed, inner.weight, inner.bias), approximate="tanh")
        return torch.addcmul(tokens, F.linear(inside, outer.weight, outer.bias), level.ffn_gate)

    def _attended(self, attn: Attention, query, key, value) -> torch.Tensor:
        """Return (L, D) of (B, N, L / B, D / N) queries."""
        found = F.scaled_dot_product_attention(query, key, value)
        found = found.transpose(1, 2).reshape(-1, self._dim)
        return F.linear(found, attn.to_out[0].weight, attn.to_out[0].bias)

    def _queries(self, attn: Attention, normed: torch.Tensor) -> torch.Tensor:
        query = F.linear(normed, attn.to_q.weight, attn.to_q.bias)
        if isinstance(attn.norm_q, torch.nn.Identity):
            return query
        return _normalized(query, attn.norm_q.eps) * attn.norm_q.weight

    def _in_heads(self, values: torch.Tensor) -> torch.Tensor:
        """Return (..., N, L, D / N) of (..., L, D)."""
        return values.unflatten(-1, (self._heads, -1)).transpose(-2, -3)

    def _norm(self, norm, tokens, scale, shift) -> torch.Tensor:
        return F.layer_norm(tokens, (self._dim,), scale, shift, norm.eps)

    def _levels(self, timestep, sampling):
        """Return the modulation of each block, and shift and scale of the last norm."""
        network = self._network
        embedded, of_blocks = network.condition_embedder(timestep, sampling)
        levels = []
        for block in network.blocks:
            shift, scale, gate, ffn_shift, ffn_scale, ffn_gate = (
                block.scale_shift_table + of_blocks
            ).unbind(1)
            levels.append(
                _Modulation(shift[0], 1 + scale[0], gate, ffn_shift[0], 1 + ffn_scale[0], ffn_gate)
            )
        shift, scale = (network.scale_shift_table + embedded[:, None])[0].unbind()
        return levels, shift, 1 + scale

    def _read(self, embeds: torch.Tensor) -> list[Heads]:
        """Return what each block attends to in text tokens (1, L, text_dim)."""
        tokens = self._network.condition_embedder.text_embedder(embeds)
        pairs = []
        for block in self._network.blocks:
            attn = block.attn2
            key, value = attn.norm_k(attn.to_k(tokens)), attn.to_v(tokens)
            pairs.append((self._in_heads(key).contiguous(), self._in_heads(value).contiguous()))
        return pairs

    def _voices(self, embeds: torch.Tensor) -> list[Heads]:
        """Return what each block attends to in audio tokens (1, T, N_a, audio_dim)."""
        tokens, network = embeds[0], self._network
        if network.audio_position_embedding is not None:
            tokens = tokens + network.audio_position_embedding
        joined = F.linear(tokens, *self._to_voices).unflatten(2, (2 * len(network.blocks), -1))
        pairs = []
        for index, block in enumerate(network.blocks):
            key = block.audio_attn.norm_k(joined[:, :, 2 * index])
            pairs.append((self._in_heads(key), self._in_heads(joined[:, :, 2 * index + 1])))
        return pairs

    def _rotary_tables(self, hidden_states: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
        """Return of each block the factors (L, 2, D) of queries and keys, and of swapped pairs."""
        cosine, sine = (part[0, :, 0] for part in self._network.rope(hidden_states))
        cosine = torch.stack([cosine, cosine], -1).flatten(1).repeat(1, self._heads)[:, None]
        sine = torch.stack([-sine, sine], -1).flatten(1).repeat(1, self._heads)[:, None]
        tables = []
        for weight in self._qk_norms:
            swapped = weight.unflatten(1, (-1, 2)).flip(-1).flatten(1)
            tables.append((cosine * weight, sine * swapped))
        return tables

    def _keep(self, key: Hashable, make: Callable[..., Any], *arguments: torch.Tensor) -> Any:
        """Return make(*arguments), made once for a key."""
        if key not in self._kept:
            while len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = make(*arguments)
        return self._kept[key]


def _can_fuse(transformer: torch.nn.Module) -> bool:
    config = transformer.config
    if not getattr(config, "distilled", False) or config.added_kv_proj_dim is not None:
        return False
    if tuple(config.patch_size) != (1, 1, 1):
        return False
    if transformer.tea_cache is not None or transformer.is_cache_enabled:
        return False
    return {one.dtype for one in transformer.parameters()} == {torch.float32}


def _joined(*linears: torch.nn.Linear) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight and bias of linear maps of the same input as one."""
    weights = torch.cat([one.weight for one in linears]), torch.cat([one.bias for one in linears])
    return tuple(one.detach() for one in weights)


def _normalized(values: torch.Tensor, eps: float) -> torch.Tensor:
    """Return values (..., D) by their root mean square."""
    return values * torch.rsqrt(values.square().mean(-1, keepdim=True) + eps)
