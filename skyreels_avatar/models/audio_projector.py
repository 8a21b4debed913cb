"""Project features of a speech encoder to the audio tokens of each latent frame.

The context of a latent frame is the frames it covers and two on either side: five rows of features
for the first, eight for every later one. Source: MultiTalk (arXiv 2505.22647), `AudioProjModel`.
"""

from __future__ import annotations

import torch
import torch.nn as nn
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin

REACH = 2  # frames on either side
TIME_FACTOR = 4


def first_rows(first_frame: int) -> torch.Tensor:
    """Return (1, 5): the rows in the context of the first latent frame, not yet clamped."""
    return torch.arange(first_frame - REACH, first_frame + REACH + 1)[None]


def later_rows(first_frame: int, num_latent_frames: int) -> torch.Tensor:
    """Return (T - 1, 8): the rows of the later latent frames, not yet clamped.

    Latent frame k stands for frames 4 k - 3 to 4 k of the clip.
    """
    last = first_frame + TIME_FACTOR * torch.arange(1, num_latent_frames)
    around = torch.arange(1 - TIME_FACTOR - REACH, REACH + 1)
    return last[:, None] + around


class AudioProjector(ModelMixin, ConfigMixin):
    """Project features (rows, layers, channels) of a speech encoder to audio tokens.

    Args:
        num_layers: layers of the encoder that are used.
        num_channels: width of a layer.
        hidden_dim: width between the three linear maps.
        out_dim: width of a token.
        num_tokens: tokens of a latent frame.
        output_norm: whether tokens are normalised.
    """

    @register_to_config
    def __init__(
        self,
        num_layers: int = 12,
        num_channels: int = 768,
        hidden_dim: int = 512,
        out_dim: int = 768,
        num_tokens: int = 32,
        output_norm: bool = True,
    ):
        super().__init__()
        row = num_layers * num_channels
        self.proj_first = nn.Linear((2 * REACH + 1) * row, hidden_dim)
        self.proj_later = nn.Linear((2 * REACH + TIME_FACTOR) * row, hidden_dim)
        self.proj_hidden = nn.Linear(hidden_dim, hidden_dim)
        self.proj_out = nn.Linear(hidden_dim, num_tokens * out_dim)
        self.norm = nn.LayerNorm(out_dim) if output_norm else nn.Identity()

    def forward(self, first: torch.Tensor, later: torch.Tensor) -> torch.Tensor:
        """Return tokens (B, T, num_tokens, out_dim).

        Args:
            first: (B, 1, 5, layers, channels), the rows of `first_rows`.
            later: (B, T - 1, 8, layers, channels), the rows of `later_rows`.
        """
        hidden = torch.cat(
            [self.proj_first(first.flatten(2)), self.proj_later(later.flatten(2))], dim=1
        )
        hidden = self.proj_hidden(hidden.relu()).relu()
        tokens = self.proj_out(hidden).unflatten(2, (self.config.num_tokens, -1))
        return self.norm(tokens)

    def tokens(
        self, features: torch.Tensor, first_frame: int, num_latent_frames: int
    ) -> torch.Tensor:
        """Return tokens (1, T, num_tokens, out_dim) of a clip that starts at a frame of a track.

        Args:
            features: (F, layers, channels) of the whole track; its first and last row
                are repeated beyond its ends.
        """
        first, later = (
            features[rows.clamp(0, len(features) - 1)][None]
            for rows in (first_rows(first_frame), later_rows(first_frame, num_latent_frames))
        )
        return self(first, later)
