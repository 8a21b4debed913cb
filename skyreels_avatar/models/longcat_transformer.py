"""The talking-avatar transformer of LongCat-Video (MIT), with the interface of ours.

Source: LongCat-Video-Avatar 1.0 and 1.5. Known latent frames are not extra channels: they stand
among the noisy ones, clean and at time 0, attend to each other alone and hear neither text nor
audio. Where a clip goes on from another, the latent of the picture stands before them, at a
position in time that says how far away it is; frames near there do not attend to it, lest they
repeat it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn as nn
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.loaders.peft import PeftAdapterMixin
from diffusers.models.attention import AttentionMixin
from diffusers.models.cache_utils import CacheMixin
from diffusers.models.embeddings import PixArtAlphaTextProjection, TimestepEmbedding
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.normalization import FP32LayerNorm

from skyreels_avatar.models.condition_cache import ConditionCache, cached, merge_repeated
from skyreels_avatar.models.layers import RotaryPositions, modulate, sinusoid, unpatchify
from skyreels_avatar.models.person_attention import listening_tables, token_positions
from skyreels_avatar.models.span_attention import HeadNormAttention, SpanAttention, Spans


class ExactLinear(nn.Linear):
    """A linear map that is computed in float32, whatever its weights are stored in."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Return a float32 tensor (..., out_features)."""
        weight, bias = self.weight.float(), self.bias.float()
        return nn.functional.linear(hidden_states.float(), weight, bias)


class GatedFeedForward(nn.Module):
    """The feed-forward of LLaMA: one map is gated by the SiLU of another (arXiv 2002.05202)."""

    def __init__(self, dim: int, inner_dim: int):
        super().__init__()
        self.proj_gate = nn.Linear(dim, inner_dim, bias=False)
        self.proj_in = nn.Linear(dim, inner_dim, bias=False)
        self.proj_out = nn.Linear(inner_dim, dim, bias=False)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Return a tensor like `hidden_states`."""
        gate = nn.functional.silu(self.proj_gate(hidden_states))
        return self.proj_out(gate * self.proj_in(hidden_states))


@dataclass(frozen=True)
class FrameOrder:
    """The order in which the latent frames of a window go through the blocks.

    Attributes:
        known: places in the window of the frames that are known; they stand first.
        drawn: of the others.
        reference: position in time of the picture that stands before all, or None.
        reach: frames so near to that position do not attend to the picture.
    """

    known: tuple[int, ...]
    drawn: tuple[int, ...]
    reference: int | None = None
    reach: int = 0

    @property
    def num_given(self) -> int:
        """How many frames are at time 0: the picture and the known ones."""
        return len(self.known) + (self.reference is not None)

    @property
    def positions(self) -> list[int]:
        """Positions in time of all frames, in this order."""
        picture = [] if self.reference is None else [self.reference]
        return [*picture, *self.known, *self.drawn]

    def spans(self, tokens_per_frame: int) -> Spans:
        """Return which tokens attend to which."""
        picture, given = self.num_given - len(self.known), self.num_given
        total = given + len(self.drawn)
        frames = [((0, picture), (0, picture)), ((picture, given), (picture, given))]
        first = last = total
        if picture and self.reach:
            near = [abs(place - self.reference) <= self.reach for place in self.drawn]
            # As trained: only where all the frames that are so near are drawn.
            if sum(near) == 2 * self.reach + 1:
                first = given + near.index(True)
                last = first + sum(near)
        frames += [((given, first), (0, total)), ((first, last), (picture, total))]
        frames += [((last, total), (0, total))]

        def tokens(span: tuple[int, int]) -> slice:
            return slice(span[0] * tokens_per_frame, span[1] * tokens_per_frame)

        return tuple((tokens(asks), tokens(of)) for asks, of in frames if asks[0] < asks[1])


@dataclass(frozen=True)
class BlockInputs:
    """What all blocks of a pass are told.

    Attributes:
        text: (B, L_text, D) tokens.
        text_bias: (L_text,) added to their scores, or None.
        voices: (B, N, N_a, audio_dim) of the frames that are drawn.
        temb: (B, F, temb_dim) of the time of each frame.
        rotary_emb: cosine and sine of the token positions.
        order: of the frames.
        person_masks: (P + 1, h w) as in `AvatarTransformer3DModel`, or None.
    """

    text: torch.Tensor
    text_bias: torch.Tensor | None
    voices: torch.Tensor
    temb: torch.Tensor
    rotary_emb: tuple[torch.Tensor, torch.Tensor]
    order: FrameOrder
    person_masks: torch.Tensor | None = None


class LongCatTransformerBlock(nn.Module):
    """Self attention, text attention, audio attention, feed-forward, modulated frame by frame."""

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        heads, eps, audio_dim = config["num_attention_heads"], config["eps"], config["audio_dim"]
        dim, temb_dim = heads * config["attention_head_dim"], config["temb_dim"]
        self.modulation = ExactLinear(temb_dim, 6 * dim)
        self.audio_modulation = ExactLinear(temb_dim, 3 * dim)
        self.norm1 = FP32LayerNorm(dim, eps, elementwise_affine=False)
        self.attn1 = SpanAttention(dim, heads, eps)
        self.norm2 = FP32LayerNorm(dim, eps, elementwise_affine=True)
        self.attn2 = HeadNormAttention(dim, heads, eps=eps)
        self.norm_audio = FP32LayerNorm(dim, eps, elementwise_affine=True)
        self.norm_voice = nn.Identity()
        if config["audio_norm"]:
            self.norm_voice = FP32LayerNorm(audio_dim, eps)
        self.audio_attn = HeadNormAttention(dim, heads, kv_dim=audio_dim, eps=eps)
        self.ffn = GatedFeedForward(dim, config["ffn_dim"])

    def forward(
        self,
        hidden_states: torch.Tensor,
        given_to: BlockInputs,
        cache: ConditionCache | None = None,
    ) -> torch.Tensor:
        """Return the tokens (B, L, D) after this block.

        Args:
            hidden_states: (B, L, D), tokens of the frames, one after the other in their order.
            given_to: what all blocks are told.
            cache: of this block, over the steps of a window.
        """
        order, person_masks = given_to.order, given_to.person_masks
        text_cache, audio_cache = (
            None if cache is None else cache.part(name) for name in ("text", "audio")
        )
        temb = nn.functional.silu(given_to.temb)[:, :, None]
        shift, scale, gate, ffn_shift, ffn_scale, ffn_gate = self.modulation(temb).chunk(6, dim=-1)
        tokens = hidden_states.unflatten(1, (temb.shape[1], -1))  # (B, F, h w, D)
        num_frames, tokens_per_frame = tokens.shape[1:3]

        normed = modulate(tokens, self.norm1, shift, scale).flatten(1, 2)
        spans = order.spans(tokens_per_frame)
        attended, to_persons = self.attn1(normed, given_to.rotary_emb, spans, person_masks)
        tokens = _added(tokens, attended.unflatten(1, (num_frames, -1)), gate)

        given, drawn = tokens[:, : order.num_given], tokens[:, order.num_given :].flatten(1, 2)
        told = {"cache": text_cache, "key_bias": given_to.text_bias}
        drawn = drawn + self.attn2(self.norm2(drawn), given_to.text, **told)
        rotary = ()
        if to_persons is not None:
            positions = token_positions(to_persons[:, :, -drawn.shape[1] :])
            head_dim = drawn.shape[-1] // self.audio_attn.heads
            num_persons = len(person_masks) - 1
            rotary = listening_tables(positions, given_to.voices, num_persons, head_dim)
        asking = self.norm_audio(drawn).reshape(-1, tokens_per_frame, drawn.shape[-1])
        voices = self.norm_voice(given_to.voices).flatten(0, 1)
        heard = self.audio_attn(asking, voices, None, *rotary, cache=audio_cache)
        drawn = drawn.unflatten(1, (-1, tokens_per_frame))
        # As trained: what is heard is normed and modulated after it is attended to.
        at = self.audio_modulation(temb[:, order.num_given :]).chunk(3, dim=-1)
        drawn = _added(drawn, modulate(heard.view_as(drawn), self.norm1, at[0], at[1]), at[2])

        tokens = torch.cat([given, drawn], dim=1)
        normed = modulate(tokens, self.norm1, ffn_shift, ffn_scale)
        return _added(tokens, self.ffn(normed), ffn_gate).flatten(1, 2)


def _added(tokens: torch.Tensor, change: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
    return (tokens.float() + gate * change.float()).type_as(tokens)


class LongCatTransformer3DModel(
    ModelMixin, ConfigMixin, AttentionMixin, CacheMixin, PeftAdapterMixin
):
    """Predict the velocity of talking-avatar latents from audio, text and known frames.

    Args:
        patch_size: latents per token along time, height, width.
        num_attention_heads: heads; the width D is heads times `attention_head_dim`.
        attention_head_dim: width of a head.
        in_channels: of latents; velocities have as many.
        text_dim: width of the text tokens.
        audio_dim: width of the audio tokens.
        freq_dim: width of the timestep's sinusoid.
        temb_dim: width of the embedding of time.
        ffn_dim: inner width of the feed-forward.
        num_layers: blocks.
        eps: of the norms.
        audio_norm: normalize audio tokens before they are attended to.
        reference_position: in latent frames, of the picture where a clip goes on from another.
        reference_reach: frames so near to that position do not attend to the picture.
        shift: of the schedule that it was published with; None = the tier's.
    """

    _skip_layerwise_casting_patterns = ("patch_embedding", "embedder", "norm", "modulation")
    _no_split_modules = ("LongCatTransformerBlock",)
    _keep_in_fp32_modules = ("time_embedder",)
    _repeated_blocks = ("LongCatTransformerBlock",)

    @register_to_config
    def __init__(
        self,
        patch_size: tuple[int, int, int] = (1, 2, 2),
        num_attention_heads: int = 32,
        attention_head_dim: int = 128,
        in_channels: int = 16,
        text_dim: int = 4096,
        audio_dim: int = 768,
        freq_dim: int = 256,
        temb_dim: int = 512,
        ffn_dim: int = 11008,
        num_layers: int = 48,
        eps: float = 1e-6,
        audio_norm: bool = False,
        reference_position: int = 10,
        reference_reach: int = 3,
        shift: float | None = None,
    ):
        super().__init__()
        dim, patch = num_attention_heads * attention_head_dim, tuple(patch_size)
        self.rope = RotaryPositions(attention_head_dim, patch)
        self.patch_embedding = nn.Conv3d(in_channels, dim, kernel_size=patch, stride=patch)
        self.time_embedder = TimestepEmbedding(freq_dim, temb_dim)
        self.text_embedder = PixArtAlphaTextProjection(text_dim, dim, act_fn="gelu_tanh")
        self.blocks = nn.ModuleList(LongCatTransformerBlock(self.config) for _ in range(num_layers))
        self.norm_out = FP32LayerNorm(dim, eps, elementwise_affine=False)
        self.modulation_out = ExactLinear(temb_dim, 2 * dim)
        self.proj_out = ExactLinear(dim, in_channels * math.prod(patch))

    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        audio_embeds: torch.Tensor,
        encoder_hidden_states_image: torch.Tensor | None = None,
        **options: Any,
    ) -> torch.Tensor | Transformer2DModelOutput:
        """Return the velocity (B, C, T, h, w): of known frames, that which leads to them.

        Args:
            hidden_states: (B, C + P + C, T, h, w), noisy latents ++ mask of known frames ++ known
                latents; a latent frame is known where its mask is 1 everywhere.
            timestep: (B,) float, 1000 x sigma.
            encoder_hidden_states: (B, L, text_dim), rows beyond the text zero.
            audio_embeds: (B, T, N_a, audio_dim).
            encoder_hidden_states_image: (B, h w, C), the latent of the picture, or None.
            options: `person_masks`, `cache` and `return_dict` as in
                `AvatarTransformer3DModel.forward`; its others have to be None.
        """
        person_masks, cache = options.pop("person_masks", None), options.pop("cache", None)
        return_dict = options.pop("return_dict", False)
        if told := [name for name, value in options.items() if value is not None]:
            raise TypeError(f"this transformer cannot be told {', '.join(told)}")
        channels, patch = self.config.in_channels, tuple(self.config.patch_size)
        noisy, known = hidden_states[:, :channels], hidden_states[:, -channels:]
        order = self._order(hidden_states[0, channels:-channels], encoder_hidden_states_image)
        frames = [known[:, :, list(order.known)], noisy[:, :, list(order.drawn)]]
        if order.reference is not None:
            picture = encoder_hidden_states_image.transpose(1, 2)
            frames.insert(0, picture.unflatten(2, (1, *noisy.shape[3:])).to(noisy))
        dtype = self.patch_embedding.weight.dtype
        tokens = self.patch_embedding(torch.cat(frames, dim=2).to(dtype))
        grid = [len(order.drawn), *tokens.shape[3:]]
        tokens = tokens.flatten(2).transpose(1, 2).contiguous()

        times = torch.stack([torch.zeros_like(timestep), timestep], dim=1)  # (B, 2)
        temb = self.time_embedder(sinusoid(times.flatten().float(), self.config.freq_dim))
        clean, noise = temb.unflatten(0, (-1, 1, 2)).unbind(2)  # (B, 1, temb_dim) each
        counts = order.num_given, len(order.drawn)
        temb = torch.cat([one.expand(-1, n, -1) for one, n in zip((clean, noise), counts)], dim=1)
        text, text_bias = cached(
            cache, "text", lambda: self._text(encoder_hidden_states.to(dtype), cache is not None)
        )
        if person_masks is not None:
            person_masks = person_masks.flatten(1).to(tokens.device)
        voices = audio_embeds[:, list(order.drawn)].to(dtype)
        rotary_emb = self._rotary(noisy, order)
        shared = BlockInputs(text, text_bias, voices, temb, rotary_emb, order, person_masks)
        for index, block in enumerate(self.blocks):
            tokens = block(tokens, shared, None if cache is None else cache.part(f"block {index}"))

        drawn = tokens[:, -math.prod(grid) :].unflatten(1, (grid[0], -1))
        modulation = self.modulation_out(nn.functional.silu(temb[:, order.num_given :, None]))
        drawn = self.proj_out(modulate(drawn, self.norm_out, *modulation.chunk(2, dim=-1)))
        sigma = (timestep / 1000).view(-1, 1, 1, 1, 1)
        velocity = (noisy.float() - known.float()) / sigma
        velocity[:, :, list(order.drawn)] = unpatchify(drawn.flatten(1, 2), grid, patch)
        velocity = velocity.type_as(hidden_states)
        return Transformer2DModelOutput(sample=velocity) if return_dict else velocity

    def _order(self, mask: torch.Tensor, picture: torch.Tensor | None) -> FrameOrder:
        """Return the order of the frames of a mask (P, T, h, w)."""
        is_known = (mask > 0.5).all(0).flatten(1).all(1).tolist()
        known = tuple(place for place, given in enumerate(is_known) if given)
        drawn = tuple(place for place, given in enumerate(is_known) if not given)
        if picture is None or len(known) < 2:  # a clip that starts from the picture shows it
            return FrameOrder(known, drawn)
        return FrameOrder(known, drawn, self.config.reference_position, self.config.reference_reach)

    def _rotary(
        self, latents: torch.Tensor, order: FrameOrder
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cosine and sine (1, L, 1, head_dim / 2) of the tokens of an order."""
        count = max(order.positions) + 1
        tables = self.rope(latents[:1, :1, :1].expand(-1, -1, count, -1, -1))
        return tuple(
            table.unflatten(1, (count, -1))[:, order.positions].flatten(1, 2) for table in tables
        )

    def _text(self, text: torch.Tensor, merge: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return text tokens (B, L, D), zero where there is no text, and their bias."""
        text, bias = merge_repeated(text) if merge else (text, None)
        return self.text_embedder(text) * (text != 0).any(-1, keepdim=True), bias
