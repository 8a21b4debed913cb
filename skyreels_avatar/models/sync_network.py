"""Do these lips say this sound? Two small encoders into one space, as in SyncNet."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from skyreels_avatar.models.audio_encoder import NUM_MELS


class _Residual(nn.Module):
    def __init__(self, dim: int, dilation: int = 1):
        super().__init__()
        self.conv = nn.Conv1d(dim, dim, 3, padding=dilation, dilation=dilation)
        self.norm = nn.GroupNorm(8, dim)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return hidden_states + F.gelu(self.norm(self.conv(hidden_states)))


class SyncNetwork(ModelMixin, ConfigMixin):
    """Embed lips and sound, each frame of 25 a second with 0.2 s on both sides, as unit vectors.

    Vectors of lips and of the sound that they say are near each other.

    Args:
        num_points: points of lips and chin a frame.
        dim: length of an embedding.

    Source: Chung and Zisserman, "Out of time: automated lip sync in the wild", 2016 (SyncNet), with
    landmarks in place of pixels, and InfoNCE (arXiv 1807.03748) in place of its contrastive loss.
    """

    @register_to_config
    def __init__(self, num_points: int = 47, dim: int = 128):
        super().__init__()
        self.lip_layers = nn.Sequential(
            nn.Conv1d(2 * num_points, dim, 3, padding=1), nn.GELU(),
            _Residual(dim), _Residual(dim), _Residual(dim, 2), nn.Conv1d(dim, dim, 1),
        )  # fmt: skip
        self.sound_layers = nn.Sequential(
            nn.Conv1d(NUM_MELS, dim, 5, stride=2, padding=2), nn.GELU(), _Residual(dim),
            nn.Conv1d(dim, dim, 5, stride=2, padding=2), nn.GELU(),
            _Residual(dim), _Residual(dim), _Residual(dim, 2), nn.Conv1d(dim, dim, 1),
        )  # fmt: skip
        self.logit_scale = nn.Parameter(torch.tensor(2.5))

    def embed_lips(self, points: torch.Tensor) -> torch.Tensor:
        """Return (B, F, D) for points (B, F, 2 N) of `lip_points`."""
        return F.normalize(self.lip_layers(points.transpose(1, 2)), dim=1).transpose(1, 2)

    def embed_sound(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Return (B, F, D) for log-mel spectrograms (B, 4 F, 80)."""
        return F.normalize(self.sound_layers(log_mel.transpose(1, 2)), dim=1).transpose(1, 2)
