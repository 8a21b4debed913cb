"""The camera ControlNet: one residual of the reference video for each transformer block.

Layout of Uni3C's point-cloud ControlNet (arXiv 2504.14899): a patch embedding of the first
channels of the transformer's input and of the control latents, blocks of its own width with
adaptive norms, one zero-initialised output per transformer block.
Uni3C's branch for hole mask and Pluecker map at pixel resolution is optional: nano has its mask as
latent channels instead, and the Pluecker map says nothing about strength.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn as nn
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.attention import AttentionMixin, FeedForward
from diffusers.models.embeddings import TimestepEmbedding
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.normalization import FP32LayerNorm

from skyreels_avatar.models.layers import Attention, RotaryPositions, modulate, sinusoid


class AdaptiveNorm(nn.Module):
    """Normalize, shift and scale by the time embedding, which also gives the gate."""

    def __init__(self, dim: int, time_embed_dim: int, eps: float):
        super().__init__()
        self.linear = nn.Linear(time_embed_dim, 3 * dim)
        self.norm = FP32LayerNorm(dim, eps)

    def forward(
        self, hidden_states: torch.Tensor, temb: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the modulated tokens (B, L, D) and the gate (B, 1, D); temb is after SiLU."""
        shift, scale, gate = self.linear(temb)[:, None].float().chunk(3, dim=-1)
        return modulate(hidden_states, self.norm, shift, scale), gate


class ControlBlock(nn.Module):
    """Self attention over all tokens and a feed-forward; no text, no audio."""

    def __init__(self, dim: int, ffn_dim: int, heads: int, time_embed_dim: int, eps: float):
        super().__init__()
        self.norm1 = AdaptiveNorm(dim, time_embed_dim, eps)
        self.attn1 = Attention(dim, heads)
        self.norm2 = AdaptiveNorm(dim, time_embed_dim, eps)
        self.ffn = FeedForward(dim, inner_dim=ffn_dim, activation_fn="gelu-approximate")

    def forward(
        self,
        hidden_states: torch.Tensor,
        temb: torch.Tensor,
        rotary_emb: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        """Return the tokens (B, L, D) after this block."""
        normed, gate = self.norm1(hidden_states, temb)
        attended = self.attn1(normed, rotary_emb=rotary_emb)
        hidden_states = (hidden_states + attended * gate).type_as(hidden_states)
        normed, gate = self.norm2(hidden_states, temb)
        return (hidden_states + self.ffn(normed) * gate).type_as(hidden_states)


class RayEmbedding(nn.Module):
    """Embed the hole mask and the rays of a clip, at pixel resolution, as tokens.

    Args:
        ray_channels: mask and Pluecker map, 7 in all.
        dim: width between the two convolutions.
        embed_dim: width of the tokens.
    """

    def __init__(self, ray_channels: int, dim: int, embed_dim: int):
        super().__init__()
        self.conv_in = nn.Conv3d(ray_channels, dim, kernel_size=(4, 8, 8), stride=(4, 8, 8))
        self.norm = nn.GroupNorm(max(1, dim // 8), dim)
        self.conv_out = nn.Conv3d(dim, embed_dim, kernel_size=(1, 2, 2), stride=(1, 2, 2))

    def forward(self, rays: torch.Tensor) -> torch.Tensor:
        """Return tokens (B, embed_dim, T, h, w) of (B, channels, F, H, W), F = 1 + 4 (T - 1)."""
        rays = nn.functional.pad(rays, (0, 0, 0, 0, 3, 0))  # the first frame is packed alone
        rays = rays.to(self.conv_in.weight.dtype)
        return self.conv_out(nn.functional.silu(self.norm(self.conv_in(rays))))


class CameraControlNet(ModelMixin, ConfigMixin, AttentionMixin):
    """Turn latents of the reference video into one residual per transformer block.

    Args:
        patch_size: latents per token, as in the transformer.
        hidden_channels: how many of the first channels of the transformer's input are seen (noisy
            latents and known-frame mask).
        control_channels: latents of the reference video ++ its seen-mask.
        embed_dim: width of the patch embedding.
        dim: width of the blocks.
        num_attention_heads: heads of the blocks.
        ffn_dim: inner width of the feed-forward.
        num_layers: blocks, and residuals.
        time_embed_dim: width of the time embedding.
        freq_dim: width of the timestep's sinusoid.
        eps: of the layer norms.
        num_width_positions: latent columns with a learned embedding; None = none.
        ray_channels: channels of hole mask and Pluecker map at pixel resolution; None = no such
            branch.
        ray_dim: inner width of that branch.
        out_dim: width of the residuals, that of the transformer; None = `embed_dim`.
        project_in: bring the patch embedding to `dim`; not needed where both are as wide.
    """

    _supports_gradient_checkpointing = False
    _no_split_modules = ("ControlBlock",)
    _keep_in_fp32_modules = ("time_embedder",)

    @register_to_config
    def __init__(
        self,
        patch_size: tuple[int, int, int] = (1, 2, 2),
        hidden_channels: int = 20,
        control_channels: int = 16,
        embed_dim: int = 5120,
        dim: int = 1024,
        num_attention_heads: int = 16,
        ffn_dim: int = 4096,
        num_layers: int = 20,
        time_embed_dim: int = 5120,
        freq_dim: int = 256,
        eps: float = 1e-5,
        num_width_positions: int | None = None,
        ray_channels: int | None = None,
        ray_dim: int = 256,
        out_dim: int | None = None,
        project_in: bool = True,
    ):
        super().__init__()
        patch_size = tuple(patch_size)
        self.rope = RotaryPositions(dim // num_attention_heads, patch_size)
        self.patch_embedding = nn.Conv3d(
            hidden_channels + control_channels, embed_dim, kernel_size=patch_size, stride=patch_size
        )
        self.width_embedding = None
        if num_width_positions is not None:
            self.width_embedding = nn.Parameter(torch.randn(num_width_positions, embed_dim) * 0.2)
        self.ray_embedding = None
        if ray_channels is not None:
            self.ray_embedding = RayEmbedding(ray_channels, ray_dim, embed_dim)
        self.time_embedder = TimestepEmbedding(freq_dim, time_embed_dim)
        self.proj_in = nn.Linear(embed_dim, dim) if project_in else nn.Identity()
        self.blocks = nn.ModuleList(
            ControlBlock(dim, ffn_dim, num_attention_heads, time_embed_dim, eps)
            for _ in range(num_layers)
        )
        out_dim = out_dim or embed_dim
        self.proj_out = nn.ModuleList(nn.Linear(dim, out_dim) for _ in range(num_layers))
        self._init_weights()

    def forward(
        self,
        hidden_states: torch.Tensor,
        control_latents: torch.Tensor,
        timestep: torch.Tensor,
        scale: float = 1.0,
        rays: torch.Tensor | None = None,
    ) -> Iterator[torch.Tensor]:
        """Yield num_layers residuals (B, L, out_dim); residual i follows transformer block i.

        Each is computed when it is asked for: of all of them, at the width of the transformer,
        20 would be 6.7 GB at 480x832 and 81 frames, as bfloat16.

        Args:
            hidden_states: (B, C, T, h, w) exactly as the transformer gets them.
            control_latents: (B, control_channels, T, h, w).
            timestep: (B,) float, 1000 x sigma.
            scale: strength of the control; 0 leaves the transformer as it is.
            rays: (B, ray_channels, F, H, W) hole mask (1 = nothing rendered) ++ Pluecker map in
                pixels, for a network with that branch; None leaves the branch out.
        """
        seen = hidden_states[:, : self.config.hidden_channels]
        dtype = self.patch_embedding.weight.dtype
        tokens = self.patch_embedding(torch.cat((seen.to(dtype), control_latents.to(dtype)), dim=1))
        if rays is not None:
            tokens = tokens + self.ray_embedding(rays)
        rotary_emb = self.rope(hidden_states)
        tokens = tokens.flatten(2).transpose(1, 2)  # (B, L, embed_dim)
        if self.width_embedding is not None:
            columns = self.width_embedding.shape[0]
            tokens = (tokens.unflatten(1, (-1, columns)) + self.width_embedding).flatten(1, 2)
        tokens = self.proj_in(tokens)

        temb = sinusoid(timestep, self.config.freq_dim)
        temb = self.time_embedder(temb.to(self.time_embedder.linear_1.weight.dtype))
        temb = nn.functional.silu(temb).to(dtype)
        for block, proj_out in zip(self.blocks, self.proj_out):
            tokens = block(tokens, temb, rotary_emb)
            yield proj_out(tokens) * scale

    @torch.no_grad()
    def _init_weights(self) -> None:
        """Initialize the residuals to exactly zero and the gates of the blocks to open."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for proj_out in self.proj_out:
            nn.init.zeros_(proj_out.weight)
        if self.ray_embedding is not None:
            nn.init.zeros_(self.ray_embedding.conv_out.weight)
            nn.init.zeros_(self.ray_embedding.conv_out.bias)
        for block in self.blocks:
            for norm in (block.norm1, block.norm2):
                nn.init.normal_(norm.linear.weight, std=0.02)
                norm.linear.bias[-norm.linear.bias.shape[0] // 3 :] = 1.0
            block.attn1.to_out[0].weight.mul_(len(self.blocks) ** -0.5)
            block.ffn.net[2].weight.mul_(len(self.blocks) ** -0.5)
