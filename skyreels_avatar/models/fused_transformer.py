"""The nano transformer with fused operations, for streams that sample one short window at a time.

A window of a stream has 36 tokens, so the number of operations costs more than the arithmetic. Here
projections of the same tokens are one matrix product, modulations are folded into the norms, and
what depends only on the prompt or the noise level is cached between windows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from skyreels_avatar.models.condition_cache import ConditionCache, cached
from skyreels_avatar.models.transformer import AvatarTransformer3DModel

_KEPT = 8  # noise levels and grids
_SHORTEST = 1e-6  # queries and keys
_GELU = math.sqrt(8 / math.pi)

Heads = tuple[torch.Tensor, torch.Tensor]  # keys and values (B, N, L, D / N)
Text = tuple[torch.Tensor, torch.Tensor]  # keys and values of `_text_keys_values`
Product = tuple[torch.Tensor, torch.Tensor]  # bias (outputs,) and weight (inputs, outputs)


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


class _Products(NamedTuple):
    """The linear maps of a block.

    Their weights lie as (inputs, outputs) in memory: on few tokens an eighth faster than as
    `nn.Linear` has them.
    """

    qkv: Product
    out: Product
    text_q: Product
    voice_q: Product
    voice_out: Product
    inner: Product
    outer: Product

    @classmethod
    def of(cls, block: torch.nn.Module) -> _Products:
        """Return those of a block."""
        own, text, voice = block.attn1, block.attn2, block.audio_attn
        return cls(
            _product(own.to_q, own.to_k, own.to_v),
            _product(own.to_out[0]),
            _product(text.to_q),
            _product(voice.to_q),
            _product(voice.to_out[0]),
            _product(block.ffn.net[0].proj),
            _product(block.ffn.net[2]),
        )


class FusedTransformer:
    """The velocities of a distilled `AvatarTransformer3DModel`, of one window and one person.

    Args:
        transformer: for which `_can_fuse` is true; its weights are not to change any more.
    """

    def __init__(self, transformer: AvatarTransformer3DModel):
        self._network, self.config = transformer, transformer.config
        self._heads = self.config.num_attention_heads
        self._dim = self._heads * self.config.attention_head_dim
        blocks = transformer.blocks
        self._products = [_Products.of(block) for block in blocks]
        own = [block.attn1 for block in blocks]
        self._qk_weights = [
            math.sqrt(self._dim) * torch.stack([one.norm_q.weight, one.norm_k.weight]).detach()
            for one in own
        ]
        voices = [block.audio_attn for block in blocks]
        self._to_voices = _product(*(to for one in voices for to in (one.to_k, one.to_v)))
        self._proj_out = _product(transformer.proj_out)
        self._kept: dict[Hashable, Any] = {}
        self._text: torch.Tensor | None = None
        self._texts: list[Text] = []

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
        network = self._network
        text, sound = (conditions[name] for name in ("encoder_hidden_states", "audio_embeds"))
        level_key = float(timestep), *sampling.flatten().tolist()
        at_level = self._keep(level_key, self._levels, timestep, sampling)
        if self._text is None or not torch.equal(self._text, text):
            self._text, self._texts = text, self._text_keys_values(text)
        grid = tuple(hidden_states.shape[2:])
        rotary = self._keep(grid, self._rotary_factors, hidden_states)
        voices = cached(cache, "voices", lambda: self._audio_keys_values(sound))
        embedding = network.patch_embedding
        tokens = hidden_states[0].flatten(1).T
        tokens = F.linear(tokens, embedding.weight.flatten(1), embedding.bias)  # (L, D)
        if network.width_embedding is not None:
            tokens = tokens.unflatten(0, (-1, grid[2])) + network.width_embedding
            tokens = tokens.flatten(0, 1)
        residuals = iter(() if control_residuals is None else control_residuals)
        levels, shift, scale = at_level
        for index, block in enumerate(network.blocks):
            products, level = self._products[index], levels[index]
            weights = self._qk_weights[index]
            tokens = self._self_attention(block, tokens, level, products, weights, rotary)
            tokens = self._text_attention(block, tokens, products, self._texts[index])
            tokens = self._audio_attention(block, tokens, products, voices[index])
            tokens = self._feed_forward(block, tokens, level, products)
            if (residual := next(residuals, None)) is not None:
                tokens = tokens + residual[0]
        tokens = self._norm(network.norm_out, tokens, scale, shift)
        return torch.addmm(*_of(tokens, self._proj_out)).T.reshape(1, -1, *grid)

    def _self_attention(
        self, block, tokens, level: _Modulation, products, weights, rotary
    ) -> torch.Tensor:
        """Return tokens (L, D) after the self attention."""
        normed = self._norm(block.norm1, tokens, level.scale, level.shift)
        joined = torch.addmm(*_of(normed, products.qkv)).view(len(tokens), 3, self._dim)
        both = (joined[:, :2] / _lengths(joined[:, :2])).mul_(weights)
        pairs = torch.view_as_complex(both.view(len(tokens), 2, -1, 2)) * rotary
        both = torch.view_as_real(pairs).view(len(tokens), 2, self._heads, -1)
        query, key = both.permute(1, 2, 0, 3)[:, None].unbind()
        value = self._in_heads(joined[:, 2])[None]
        found = F.scaled_dot_product_attention(query, key, value)
        found = found.transpose(1, 2).reshape(-1, self._dim)
        return torch.addcmul(tokens, torch.addmm(*_of(found, products.out)), level.gate)

    def _text_attention(self, block, tokens, products, text: Text) -> torch.Tensor:
        """Return tokens (L, D) after the attention to text: see `_text_keys_values`."""
        norm, (keys, values) = block.norm2, text
        normed = self._norm(norm, tokens, norm.weight, norm.bias)
        query = torch.addmm(*_of(normed, products.text_q))
        scores = torch.mm(query, keys).div_(_lengths(query))
        weights = scores.view(len(tokens), self._heads, -1).softmax(-1)
        return torch.addmm(tokens, weights.view(len(tokens), -1), values)

    def _audio_attention(self, block, tokens, products, voice: Heads) -> torch.Tensor:
        """Return tokens (L, D) after the attention of each latent frame to its own audio."""
        norm, (key, value) = block.norm_audio, voice
        normed = self._norm(norm, tokens, norm.weight, norm.bias)
        query = torch.addmm(*_of(normed, products.voice_q))
        if self.config.audio_qk_norm:
            query.div_(_lengths(query))
        query = self._in_heads(query.view(len(key), -1, self._dim))
        found = F.scaled_dot_product_attention(query, key, value)
        found = found.transpose(1, 2).reshape(-1, self._dim)
        return torch.addmm(*_of(found, products.voice_out)).add_(tokens)

    def _feed_forward(self, block, tokens, level: _Modulation, products) -> torch.Tensor:
        """Return tokens (L, D) after the feed-forward."""
        normed = self._norm(block.norm3, tokens, level.ffn_scale, level.ffn_shift)
        inside = _gelu(torch.addmm(*_of(normed, products.inner)))
        return torch.addcmul(tokens, torch.addmm(*_of(inside, products.outer)), level.ffn_gate)

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

    def _text_keys_values(self, embeds: torch.Tensor) -> list[Text]:
        """Return what each block attends to in text tokens (1, S, text_dim).

        Returns:
            keys (D, N S), by which a query (D,) that is 1 long gives the scores of all heads; and
            values (N S, D) with the output projection, whose bias weights that sum to 1 add up.
        """
        tokens, dim = self._network.condition_embedder.text_embedder(embeds)[0], self._dim
        folded = []
        for block in self._network.blocks:
            attn, output = block.attn2, block.attn2.to_out[0]
            key = attn.norm_k(attn.to_k(tokens)) * attn.norm_q.weight
            key = key * math.sqrt(dim / (dim // self._heads))  # a query has a length of sqrt(dim)
            keys = torch.block_diag(*self._in_heads(key).mT)
            gives = output.weight.unflatten(1, (self._heads, -1)).permute(1, 2, 0)  # (N, d, D)
            values = torch.matmul(self._in_heads(attn.to_v(tokens)), gives)
            folded.append((keys, (values + output.bias / self._heads).flatten(0, 1)))
        return folded

    def _audio_keys_values(self, embeds: torch.Tensor) -> list[Heads]:
        """Return what each block attends to in audio tokens (1, T, N_a, audio_dim)."""
        tokens, blocks = embeds[0], self._network.blocks
        if self._network.audio_position_embedding is not None:
            tokens = tokens + self._network.audio_position_embedding
        joined = torch.addmm(*_of(tokens.flatten(0, 1), self._to_voices))
        joined = joined.unflatten(1, (2 * len(blocks), -1)).unflatten(0, tokens.shape[:2])
        pairs = []
        for index, block in enumerate(blocks):
            key, attn = joined[:, :, 2 * index], block.audio_attn
            if self.config.audio_qk_norm:  # of queries that are 1 long
                key = key / _lengths(key) * (self._dim * attn.norm_k.weight * attn.norm_q.weight)
            pairs.append((self._in_heads(key), self._in_heads(joined[:, :, 2 * index + 1])))
        return pairs

    def _rotary_factors(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Return complex (L, 1, D / 2), by which pairs of queries and of keys are multiplied."""
        cosine, sine = (part[0, :, 0] for part in self._network.rope(hidden_states))
        return torch.complex(cosine, sine).repeat(1, self._heads)[:, None]

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


def _product(*linears: torch.nn.Linear) -> Product:
    """Return linear maps of the same input as one."""
    weight = torch.cat([one.weight for one in linears]).detach()
    return torch.cat([one.bias for one in linears]).detach(), weight.T.contiguous()


def _of(tokens: torch.Tensor, product: Product) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what `torch.addmm` takes for tokens (L, D)."""
    return product[0], tokens, product[1]


def _lengths(values: torch.Tensor) -> torch.Tensor:
    """Return the lengths (..., 1) of values (..., D).

    Divided by it and multiplied by sqrt(D) they are RMS-normalized, in half as many operations; the
    epsilon of the norms is told apart from 0 only.
    """
    return torch.linalg.vector_norm(values, dim=-1, keepdim=True).clamp_min_(_SHORTEST)


def _gelu(values: torch.Tensor) -> torch.Tensor:
    """Return the GELU by tanh as x s(2 sqrt(2 / pi) (x + 0.044715 x^3)), in half the time.

    2 s(2 u) = 1 + tanh u for the logistic function s, of which PyTorch has a vectorized kernel.
    """
    scaled = values.square().mul_(_GELU * 0.044715).add_(_GELU)
    return scaled.mul_(values).sigmoid_().mul_(values)
