"""The talking-avatar diffusion transformer: one class for every tier, sizes from its config.

Wan2.1's image-to-video transformer plus one audio cross attention per block, which works inside
each latent frame. Parameter names are those of diffusers' `WanTransformer3DModel`; the audio part
adds `blocks.N.norm_audio` and `blocks.N.audio_attn`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar

import torch
import torch.nn as nn
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.loaders.peft import PeftAdapterMixin
from diffusers.models._modeling_parallel import ContextParallelInput, ContextParallelOutput
from diffusers.models.attention import AttentionMixin, FeedForward
from diffusers.models.cache_utils import CacheMixin
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.normalization import FP32LayerNorm

from skyreels_avatar.models.condition_cache import ConditionCache, cached, merge_repeated
from skyreels_avatar.models.context_parallel import token_group, whole_frames
from skyreels_avatar.models.layers import (
    Attention,
    ConditionEmbedder,
    RotaryPositions,
    modulate,
    unpatchify,
)
from skyreels_avatar.models.person_attention import listening_tables, token_positions
from skyreels_avatar.models.tea_cache import TeaCache


class AvatarTransformerBlock(nn.Module):
    """Self attention, text (and image) attention, audio attention, feed-forward.

    The order is that of the published talking-avatar weights; the text and the audio attention
    have neither gate nor modulation.
    """

    def __init__(
        self,
        dim: int,
        ffn_dim: int,
        heads: int,
        audio_dim: int,
        added_kv_proj_dim: int | None = None,
        audio_qk_norm: bool = False,
        eps: float = 1e-6,
    ):
        super().__init__()
        self.norm1 = FP32LayerNorm(dim, eps, elementwise_affine=False)
        self.attn1 = Attention(dim, heads, eps=eps)
        self.norm2 = FP32LayerNorm(dim, eps, elementwise_affine=True)
        self.attn2 = Attention(dim, heads, added_kv_dim=added_kv_proj_dim, eps=eps)
        self.norm_audio = FP32LayerNorm(dim, eps, elementwise_affine=True)
        self.audio_attn = Attention(dim, heads, kv_dim=audio_dim, qk_norm=audio_qk_norm, eps=eps)
        self.norm3 = FP32LayerNorm(dim, eps, elementwise_affine=False)
        self.ffn = FeedForward(dim, inner_dim=ffn_dim, activation_fn="gelu-approximate")
        self.scale_shift_table = nn.Parameter(torch.randn(1, 6, dim) / dim**0.5)

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        audio_embeds: torch.Tensor,
        temb: torch.Tensor,
        rotary_emb: tuple[torch.Tensor, torch.Tensor],
        image_hidden_states: torch.Tensor | None = None,
        person_masks: torch.Tensor | None = None,
        control_residual: torch.Tensor | None = None,
        token_index: torch.Tensor | None = None,
        tokens_per_frame: int | None = None,
        text_bias: torch.Tensor | None = None,
        cache: ConditionCache | None = None,
    ) -> torch.Tensor:
        """Return the tokens (B, L, D) after this block.

        Args:
            hidden_states: (B, L, D), time-major tokens of T latent frames.
            encoder_hidden_states: (B, L_text, D).
            audio_embeds: (B, T, N_a, audio_dim), attended to by the tokens of their frame only.
            temb: (B, 6, D) shift, scale, gate of the self attention and of the feed-forward.
            rotary_emb: cosine and sine of the token positions.
            image_hidden_states: (B, L_image, D) or None.
            person_masks: (P + 1, h w) of P persons and the background in the first latent frame,
                where more than one talks.
            control_residual: (B, L, D) added at the end.
            token_index: (1, L) places of these tokens in the whole sequence, of which they may be
                a part; None = these are all.
            tokens_per_frame: of a latent frame, with `token_index`.
            text_bias: (L_text,) added to the scores of the text tokens.
            cache: of this block, over the steps of a window.
        """
        text_cache, audio_cache = (
            None if cache is None else cache.part(name) for name in ("text", "audio")
        )
        shift, scale, gate, ffn_shift, ffn_scale, ffn_gate = (
            self.scale_shift_table + temb.float()
        ).chunk(6, dim=1)

        normed = modulate(hidden_states, self.norm1, shift, scale)
        attended, positions = self.attn1(normed, rotary_emb=rotary_emb, masks=person_masks), None
        if person_masks is not None:
            attended, to_persons = attended
            group = token_group(self.attn1.processor._parallel_config)
            positions = token_positions(to_persons, group)
        hidden_states = (hidden_states.float() + attended * gate).type_as(hidden_states)

        normed = self.norm2(hidden_states)
        attended = self.attn2(
            normed,
            encoder_hidden_states,
            image_hidden_states,
            cache=text_cache,
            key_bias=text_bias,
        )
        hidden_states = hidden_states + attended

        normed, voices, outside = self.norm_audio(hidden_states), audio_embeds, 0
        if token_index is not None and normed.shape[1] != audio_embeds.shape[1] * tokens_per_frame:
            start = int(token_index[0, 0])
            normed, voices, outside = whole_frames(normed, voices, start, tokens_per_frame)
            if positions is not None:
                after = normed.shape[1] - outside - positions.shape[1]
                positions = nn.functional.pad(positions, (outside, after))
        rotary = ()
        if positions is not None:
            head_dim = normed.shape[-1] // self.audio_attn.heads
            rotary = listening_tables(positions, voices, len(person_masks) - 1, head_dim)
        heard = self._attend_audio(normed, voices, rotary, audio_cache)
        hidden_states = hidden_states + heard[:, outside : outside + hidden_states.shape[1]]

        normed = modulate(hidden_states, self.norm3, ffn_shift, ffn_scale)
        forwarded = self.ffn(normed)
        hidden_states = (hidden_states.float() + forwarded.float() * ffn_gate).type_as(
            hidden_states
        )
        if control_residual is not None:
            hidden_states = hidden_states + control_residual.type_as(hidden_states)
        return hidden_states

    def _attend_audio(
        self,
        normed: torch.Tensor,
        audio_embeds: torch.Tensor,
        rotary: tuple[tuple[torch.Tensor, torch.Tensor], ...],
        cache: ConditionCache | None,
    ) -> torch.Tensor:
        """Return the audio attention of tokens (B, L, D), each to the audio of its latent frame."""
        batch, num_latent_frames = audio_embeds.shape[:2]
        by_frame = normed.reshape(batch * num_latent_frames, -1, normed.shape[-1])  # (B T, h w, D)
        heard = self.audio_attn(by_frame, audio_embeds.flatten(0, 1), None, *rotary, cache=cache)
        return heard.reshape(normed.shape)


class AvatarTransformer3DModel(
    ModelMixin, ConfigMixin, AttentionMixin, CacheMixin, PeftAdapterMixin
):
    """Predict the velocity of talking-avatar latents from audio, text and known frames.

    Args:
        patch_size: latents per token along time, height, width.
        num_attention_heads: heads; the width D is heads times `attention_head_dim`.
        attention_head_dim: width of a head.
        in_channels: noisy latents ++ known-frame mask ++ known latents (zeros where unknown).
        out_channels: channels of the velocity.
        text_dim: width of the text tokens.
        audio_dim: width of the audio tokens.
        freq_dim: width of the timestep's sinusoid.
        ffn_dim: inner width of the feed-forward.
        num_layers: blocks.
        eps: of the norms.
        image_dim: width of image tokens; None = no image branch.
        added_kv_proj_dim: width of image tokens inside the blocks; None = no image branch.
        audio_qk_norm: RMS-normalise queries and keys of the audio attention.
        num_audio_positions: audio tokens per latent frame that get a learned position; None = the
            tokens carry their position themselves.
        num_width_positions: latent columns that get a learned embedding, for latents whose
            columns mean different things; None = rotary positions alone.
        distilled: the network is told how it is sampled, and has learnt to do guidance and long
            steps in one pass (arXiv 2210.03142, 2410.12557).
    """

    _supports_gradient_checkpointing = True
    _skip_layerwise_casting_patterns = ("patch_embedding", "condition_embedder", "norm")
    _no_split_modules = ("AvatarTransformerBlock",)
    _keep_in_fp32_modules = (
        "time_embedder",
        "sampling_embedder",
        "scale_shift_table",
        "norm1",
        "norm2",
        "norm3",
        "norm_audio",
    )
    _repeated_blocks = ("AvatarTransformerBlock",)
    _cp_plan: ClassVar = {
        "rope": {
            0: ContextParallelInput(split_dim=1, expected_dims=4, split_output=True),
            1: ContextParallelInput(split_dim=1, expected_dims=4, split_output=True),
        },
        "blocks.0": {"hidden_states": ContextParallelInput(split_dim=1, expected_dims=3)},
        "blocks.*": {
            "control_residual": ContextParallelInput(split_dim=1, expected_dims=3),
            "token_index": ContextParallelInput(split_dim=1, expected_dims=2),
        },
        "proj_out": ContextParallelOutput(gather_dim=1, expected_dims=3),
    }

    @register_to_config
    def __init__(
        self,
        patch_size: tuple[int, int, int] = (1, 2, 2),
        num_attention_heads: int = 40,
        attention_head_dim: int = 128,
        in_channels: int = 36,
        out_channels: int = 16,
        text_dim: int = 4096,
        audio_dim: int = 768,
        freq_dim: int = 256,
        ffn_dim: int = 13824,
        num_layers: int = 40,
        eps: float = 1e-6,
        image_dim: int | None = None,
        added_kv_proj_dim: int | None = None,
        audio_qk_norm: bool = False,
        num_audio_positions: int | None = None,
        num_width_positions: int | None = None,
        distilled: bool = False,
    ):
        super().__init__()
        dim = num_attention_heads * attention_head_dim
        self.rope = RotaryPositions(attention_head_dim, tuple(patch_size))
        self.patch_embedding = nn.Conv3d(
            in_channels, dim, kernel_size=tuple(patch_size), stride=tuple(patch_size)
        )
        self.width_embedding = self.audio_position_embedding = None
        if num_width_positions is not None:
            self.width_embedding = nn.Parameter(torch.zeros(num_width_positions, dim))
        if num_audio_positions is not None:
            self.audio_position_embedding = nn.Parameter(
                torch.zeros(num_audio_positions, audio_dim)
            )
        self.condition_embedder = ConditionEmbedder(dim, freq_dim, text_dim, image_dim, distilled)
        self.blocks = nn.ModuleList(
            AvatarTransformerBlock(
                dim,
                ffn_dim,
                num_attention_heads,
                audio_dim,
                added_kv_proj_dim,
                audio_qk_norm,
                eps,
            )
            for _ in range(num_layers)
        )
        self.norm_out = FP32LayerNorm(dim, eps, elementwise_affine=False)
        self.proj_out = nn.Linear(dim, out_channels * math.prod(patch_size))
        self.scale_shift_table = nn.Parameter(torch.zeros(1, 2, dim))
        self.gradient_checkpointing = False
        self.tea_cache: TeaCache | None = None
        self._init_weights()

    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        audio_embeds: torch.Tensor,
        encoder_hidden_states_image: torch.Tensor | None = None,
        control_residuals: Iterable[torch.Tensor] | None = None,
        sampling: torch.Tensor | None = None,
        person_masks: torch.Tensor | None = None,
        cache: ConditionCache | None = None,
        return_dict: bool = False,
    ) -> torch.Tensor | Transformer2DModelOutput:
        """Return the velocity (B, out_channels, T, h, w), in the dtype of `hidden_states`.

        Inputs may be of another floating-point dtype than the weights.

        Args:
            hidden_states: (B, in_channels, T, h, w).
            timestep: (B,) float, 1000 x sigma.
            encoder_hidden_states: (B, L, text_dim).
            audio_embeds: (B, T, N_a, audio_dim); zeros mean "no audio".
            encoder_hidden_states_image: (B, L_image, image_dim), with an image branch only.
            control_residuals: residual i (B or 1, L, D) is added right after block i; may be
                fewer than the blocks, and is taken when it is wanted.
            sampling: (B, 3) scales of text and audio guidance, and the sigma that the step goes
                down by; for a `distilled` network. None = (1, 1, 0), the plain velocity.
            person_masks: (P + 1, h / p, w / p) tokens of the first latent frame that show each
                of P persons and, last, the background. `audio_embeds` then hold the voices of all
                persons, one after the other, in each latent frame. None: one person.
            cache: one for all steps of a window, in which nothing else but `hidden_states`,
                `timestep`, `control_residuals` and `sampling` changes: saves what stays the same.
            return_dict: wrap the velocity as diffusers' pipelines expect it.
        """
        grid = [n // p for n, p in zip(hidden_states.shape[2:], self.config.patch_size)]
        dtype = self.patch_embedding.weight.dtype
        rotary_emb = self.rope(hidden_states)
        tokens = self.patch_embedding(hidden_states.to(dtype))
        tokens = tokens.flatten(2).transpose(1, 2).contiguous()  # (B, L, D)
        if self.width_embedding is not None:
            tokens = (tokens.unflatten(1, (-1, grid[2])) + self.width_embedding).flatten(1, 2)

        temb, block_temb = self.condition_embedder(timestep, sampling)
        text, text_bias, image, audio_embeds = cached(
            cache,
            "conditions",
            lambda: self._embedded(
                encoder_hidden_states.to(dtype),
                audio_embeds.to(dtype),
                encoder_hidden_states_image,
                merge=cache is not None,
            ),
        )
        if person_masks is not None:
            person_masks = person_masks.flatten(1).to(tokens.device)
        checkpointing = torch.is_grad_enabled() and self.gradient_checkpointing
        token_index = torch.arange(tokens.shape[1], device=tokens.device)[None]
        shared = (text, audio_embeds, block_temb, rotary_emb, image, person_masks)

        def through_blocks(tokens: torch.Tensor) -> torch.Tensor:
            residuals = iter(() if control_residuals is None else control_residuals)
            for index, block in enumerate(self.blocks):
                residual = next(residuals, None)
                kept = None if cache is None else cache.part(f"block {index}")
                inputs = (*shared, residual, token_index, grid[1] * grid[2], text_bias, kept)
                if checkpointing:
                    tokens = self._gradient_checkpointing_func(block, tokens, *inputs)
                else:
                    tokens = block(tokens, *inputs)
            return tokens

        if self.tea_cache is not None:
            tokens = self.tea_cache.through(tokens, block_temb, grid[1] * grid[2], through_blocks)
        else:
            tokens = through_blocks(tokens)
        shift, scale = (self.scale_shift_table + temb.float()[:, None]).chunk(2, dim=1)
        tokens = self.proj_out(modulate(tokens, self.norm_out, shift, scale))
        velocity = unpatchify(tokens, grid, tuple(self.config.patch_size)).type_as(hidden_states)
        return Transformer2DModelOutput(sample=velocity) if return_dict else velocity

    def _embedded(
        self,
        text: torch.Tensor,
        audio_embeds: torch.Tensor,
        image: torch.Tensor | None,
        merge: bool,
    ) -> tuple[torch.Tensor | None, ...]:
        """Return the tokens that the blocks attend to: text, its bias, image, audio."""
        text, text_bias = merge_repeated(text) if merge else (text, None)
        text = self.condition_embedder.text_embedder(text)
        if image is not None:
            image = self.condition_embedder.image_embedder(image.to(audio_embeds.dtype))
        if self.audio_position_embedding is not None:
            audio_embeds = audio_embeds + self.audio_position_embedding
        return text, text_bias, image, audio_embeds

    @torch.no_grad()
    def _init_weights(self) -> None:
        """Initialize the output to zero, and residuals by the depth."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.condition_embedder.time_proj.weight, std=0.02)
        nn.init.zeros_(self.proj_out.weight)
        if self.condition_embedder.sampling_embedder is not None:
            nn.init.zeros_(self.condition_embedder.sampling_embedder.linear_2.weight)
        for block in self.blocks:
            block.scale_shift_table.zero_()
            block.scale_shift_table[:, [2, 5]] = 0.1  # a larger gate learns more slowly
            for residual in (block.attn1, block.attn2, block.audio_attn):
                residual.to_out[0].weight.mul_(len(self.blocks) ** -0.5)
            block.ffn.net[2].weight.mul_(len(self.blocks) ** -0.5)
        for embedding in (self.width_embedding, self.audio_position_embedding):
            if embedding is not None:
                nn.init.normal_(embedding, std=0.2)
