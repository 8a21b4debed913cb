"""Parts that the networks share: attention, rotary positions, timestep and text embeddings.

Parameter names follow diffusers' Wan classes, so that its loaders and LoRAs fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn as nn
from diffusers.models.attention import AttentionModuleMixin, FeedForward
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.embeddings import PixArtAlphaTextProjection, TimestepEmbedding
from diffusers.models.normalization import FP32LayerNorm

from skyreels_avatar.models.condition_cache import (
    ConditionCache,
    cached,
    can_fold,
    folded_attention,
)
from skyreels_avatar.models.context_parallel import first_tokens, token_group

NUM_SAMPLING = 3  # scale of the text, scale of the audio, noise that the step takes off
_WITH_BIAS = "native"


class RMSNorm(nn.RMSNorm):
    """Normalize by the root mean square, in the dtype of the input (fused under autocast too)."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Return a tensor like `hidden_states`."""
        weight = self.weight.type_as(hidden_states)
        return nn.functional.rms_norm(hidden_states, self.normalized_shape, weight, self.eps)


class AttentionProcessor:
    """Run one `Attention` through diffusers' attention dispatcher.

    `_attention_backend` and `_parallel_config` are set by diffusers' `set_attention_backend` and
    `enable_parallelism`. Only self attention is split over devices.
    """

    _attention_backend = None
    _parallel_config = None

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        image_hidden_states: torch.Tensor | None = None,
        rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
        key_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
        masks: torch.Tensor | None = None,
        cache: ConditionCache | None = None,
        key_bias: torch.Tensor | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Attend; arguments as in `Attention.forward`."""
        is_self = encoder_hidden_states is None
        source = hidden_states if is_self else encoder_hidden_states
        rotary = key_rotary_emb or rotary_emb
        key, value = cached(cache, "tokens", lambda: self._keys(attn, source, rotary))
        plain = image_hidden_states is None and rotary is None and key_bias is None
        if cache is not None and plain and can_fold(attn, hidden_states.shape[1], key.shape[1]):
            return folded_attention(attn, hidden_states, key, value)
        query = attn.in_heads(attn.to_q(hidden_states), attn.norm_q)
        if rotary_emb is not None:
            query = apply_rotary(query, *rotary_emb)
        parallel_config = self._parallel_config if is_self else None
        output = self._attend(query, key, value, parallel_config, key_bias)
        if image_hidden_states is not None:
            image = cached(cache, "image", lambda: self._image_keys(attn, image_hidden_states))
            output = output + self._attend(query, *image)
        output = attn.to_out[1](attn.to_out[0](output))
        if masks is None:
            return output
        first = first_tokens(key, masks.shape[1], token_group(self._parallel_config))
        return output, attention_to_masks(query, first, masks)

    def _keys(self, attn, source, rotary_emb) -> tuple[torch.Tensor, torch.Tensor]:
        key = attn.in_heads(attn.to_k(source), attn.norm_k)
        value = attn.to_v(source).unflatten(2, (attn.heads, -1))
        return key if rotary_emb is None else apply_rotary(key, *rotary_emb), value

    def _image_keys(self, attn, image_hidden_states) -> tuple[torch.Tensor, torch.Tensor]:
        key = attn.norm_added_k(attn.add_k_proj(image_hidden_states))
        value = attn.add_v_proj(image_hidden_states)
        return tuple(values.unflatten(2, (attn.heads, -1)) for values in (key, value))

    def _attend(self, query, key, value, parallel_config=None, key_bias=None) -> torch.Tensor:
        output = dispatch_attention_fn(
            query,
            key,
            value,
            attn_mask=None if key_bias is None else key_bias.to(query)[None, None, None],
            # Other backends know no bias.
            backend=self._attention_backend if key_bias is None else _WITH_BIAS,
            parallel_config=parallel_config,
        )
        return output.flatten(2, 3)  # (B, L, D)


class Attention(nn.Module, AttentionModuleMixin):
    """Self or cross attention with RMS-normalized queries and keys.

    Args:
        dim: width of the queries' tokens and of the output.
        heads: number of heads, each dim / heads wide.
        kv_dim: width of the tokens attended to; None = dim.
        added_kv_dim: width of image tokens that get keys and values of their own; None = none.
        qk_norm: whether queries and keys are RMS-normalised over the whole width.
        eps: of the RMS norms.
    """

    _default_processor_cls = AttentionProcessor
    _available_processors = (AttentionProcessor,)
    _supports_qkv_fusion = False

    def __init__(
        self,
        dim: int,
        heads: int,
        kv_dim: int | None = None,
        added_kv_dim: int | None = None,
        qk_norm: bool = True,
        eps: float = 1e-6,
    ):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(dim, dim)
        self.to_k = nn.Linear(kv_dim or dim, dim)
        self.to_v = nn.Linear(kv_dim or dim, dim)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim), nn.Dropout(0.0)])
        self.norm_q = RMSNorm(dim, eps=eps) if qk_norm else nn.Identity()
        self.norm_k = RMSNorm(dim, eps=eps) if qk_norm else nn.Identity()
        if added_kv_dim is not None:
            self.add_k_proj = nn.Linear(added_kv_dim, dim)
            self.add_v_proj = nn.Linear(added_kv_dim, dim)
            self.norm_added_k = RMSNorm(dim, eps=eps)
        self.set_processor(AttentionProcessor())

    def in_heads(self, values: torch.Tensor, norm: nn.Module) -> torch.Tensor:
        """Return queries or keys (B, L, N, D / N), normalised, of (B, L, D)."""
        return norm(values).unflatten(2, (self.heads, -1))

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        image_hidden_states: torch.Tensor | None = None,
        rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
        key_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
        masks: torch.Tensor | None = None,
        cache: ConditionCache | None = None,
        key_bias: torch.Tensor | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Return (B, L, D); with masks also the attention to each of them (B, M, L).

        Args:
            hidden_states: (B, L, D) tokens of the queries.
            encoder_hidden_states: (B, L_kv, kv_dim) tokens attended to; None = self attention.
            image_hidden_states: (B, L_image, added_kv_dim); added before `to_out`.
            rotary_emb: cosine and sine (1, L, 1, head_dim / 2), for queries and keys alike.
            key_rotary_emb: those of the keys, where they differ.
            masks: (M, S) of the first S tokens.
            cache: of this attention; keys and values of other tokens are taken from there.
            key_bias: (L_kv,) added to the scores of the tokens attended to.
        """
        return self.processor(
            self,
            hidden_states,
            encoder_hidden_states,
            image_hidden_states,
            rotary_emb,
            key_rotary_emb,
            masks,
            cache,
            key_bias,
        )


def attention_to_masks(query: torch.Tensor, key: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return (B, M, L): the mean attention of each token to one token of each mask.

    Attention is to the first S tokens alone, averaged over the heads, one head at a
    time: all together would take many gigabytes.

    Args:
        query: (B, L, N, D / N).
        key: (B, S, N, D / N) of the first S tokens.
        masks: (M, S), their weights.
    """
    masks = masks.float()
    shares = (masks / masks.sum(1, keepdim=True).clamp_min(1e-6)).T  # (S, M)
    scale = query.shape[-1] ** -0.5
    total = 0.0
    for head in range(query.shape[2]):
        scores = query[:, :, head] @ key[:, :, head].mT * scale
        total = total + scores.float().softmax(-1) @ shares
    return (total / query.shape[2]).mT


class RotaryPositions(nn.Module):
    """The 3-D rotary table of a latent grid; positions start at 0 along each axis.

    The pairs of a head are split 2 : 1 : 1 (about) over time, row and column; each part has its
    own geometric series. Tables are float32 from float64, the latest grid's is kept.
    Source: Wan2.1 (`rope_apply`); as in diffusers' `WanRotaryPosEmbed`.
    """

    def __init__(self, head_dim: int, patch_size: tuple[int, int, int], theta: float = 10000.0):
        super().__init__()
        spatial = 2 * (head_dim // 6)
        self.axis_dims = (head_dim - 2 * spatial, spatial, spatial)
        self.patch_size = patch_size
        self.theta = theta
        self._cached: tuple | None = None

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cosine and sine, (1, L, 1, head_dim / 2) each, for latents (B, C, T, h, w)."""
        grid = tuple(n // p for n, p in zip(hidden_states.shape[2:], self.patch_size))
        key = (grid, hidden_states.device)
        if self._cached is None or self._cached[0] != key:
            self._cached = (key, self._table(grid, hidden_states.device))
        return self._cached[1]

    def _table(self, grid, device) -> tuple[torch.Tensor, torch.Tensor]:
        angles = []
        for axis, (size, dim) in enumerate(zip(grid, self.axis_dims)):
            exponent = torch.arange(0, dim, 2, dtype=torch.float64) / dim
            angle = torch.arange(size, dtype=torch.float64)[:, None] * self.theta**-exponent
            shape = [1, 1, 1, dim // 2]
            shape[axis] = size
            angles.append(angle.view(shape).expand(*grid, dim // 2))
        angle = torch.cat(angles, dim=-1).reshape(1, math.prod(grid), 1, -1)
        return angle.cos().float().to(device), angle.sin().float().to(device)


def apply_rotary(
    hidden_states: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor
) -> torch.Tensor:
    """Rotate neighbouring channel pairs of (B, L, N, D / N) by the angles of their positions."""
    even, odd = hidden_states.unflatten(-1, (-1, 2)).unbind(-1)
    rotated = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1)
    return rotated.flatten(-2).type_as(hidden_states)


def sinusoid(timestep: torch.Tensor, dim: int) -> torch.Tensor:
    """Return (B, dim) float32: cosines, then sines, of the timestep at falling frequencies.

    Angles are computed in float64: near t = 1000 a float32 angle alone moves the output of the
    published network by 2e-5.
    """
    half = dim // 2
    device = "cpu" if timestep.device.type == "mps" else timestep.device  # MPS has no float64
    frequency = 10000.0 ** -(torch.arange(half, dtype=torch.float64, device=device) / half)
    angle = timestep.to(device).double()[:, None] * frequency
    return torch.cat((angle.cos(), angle.sin()), dim=1).float().to(timestep.device)


class ImageEmbedder(nn.Module):
    """Project image tokens to the width of the transformer (names as diffusers' Wan)."""

    def __init__(self, image_dim: int, dim: int):
        super().__init__()
        self.norm1 = FP32LayerNorm(image_dim)
        self.ff = FeedForward(image_dim, dim, mult=1, activation_fn="gelu")
        self.norm2 = FP32LayerNorm(dim)

    def forward(self, image_embeds: torch.Tensor) -> torch.Tensor:
        """Return (B, L_image, D) from (B, L_image, image_dim)."""
        return self.norm2(self.ff(self.norm1(image_embeds)))


class ConditionEmbedder(nn.Module):
    """Embed the timestep, the sampling parameters, the text tokens and the image tokens."""

    def __init__(
        self,
        dim: int,
        freq_dim: int,
        text_dim: int,
        image_dim: int | None = None,
        distilled: bool = False,
    ):
        super().__init__()
        self.freq_dim = freq_dim
        self.time_embedder = TimestepEmbedding(freq_dim, dim)
        self.act_fn = nn.SiLU()
        self.time_proj = nn.Linear(dim, 6 * dim)
        self.text_embedder = PixArtAlphaTextProjection(text_dim, dim, act_fn="gelu_tanh")
        self.image_embedder = ImageEmbedder(image_dim, dim) if image_dim else None
        self.sampling_embedder = TimestepEmbedding(NUM_SAMPLING, dim) if distilled else None

    def forward(
        self, timestep: torch.Tensor, sampling: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the time embedding (B, D) and its six-fold projection (B, 6, D).

        Args:
            sampling: (B, 3) as in `AvatarTransformer3DModel.forward`, or None.
        """
        dtype = self.time_embedder.linear_1.weight.dtype
        temb = self.time_embedder(sinusoid(timestep, self.freq_dim).to(dtype))
        if sampling is not None:
            plain = sampling.new_tensor([1.0, 1.0, 0.0])
            temb = temb + self.sampling_embedder((sampling - plain).to(dtype))
        temb = temb.to(self.time_proj.bias.dtype)
        return temb, self.time_proj(self.act_fn(temb)).unflatten(1, (6, -1))


def modulate(
    hidden_states: torch.Tensor, norm: nn.Module, shift: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Return norm(hidden_states) * (1 + scale) + shift, computed in float32."""
    normed = norm(hidden_states.float())
    return torch.addcmul(shift, normed, 1 + scale).type_as(hidden_states)


def unpatchify(
    tokens: torch.Tensor, grid: Sequence[int], patch_size: tuple[int, int, int]
) -> torch.Tensor:
    """Return the latents (B, C, T, h, w) of projected tokens (B, L, p p p C) of a grid."""
    latents = tokens.unflatten(2, (*patch_size, -1)).unflatten(1, grid)  # (B, T, h, w, p p p, C)
    latents = latents.permute(0, 7, 1, 4, 2, 5, 3, 6)
    return latents.flatten(6, 7).flatten(4, 5).flatten(2, 3)
