"""Tiny networks of the real classes, with weights that do something."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.models.camera_controlnet import CameraControlNet
from skyreels_avatar.models.transformer import AvatarTransformer3DModel

TEXT_DIM, AUDIO_DIM, CHANNELS = 16, 16, 32


def _shaken(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Return a network none of whose outputs is zero by its initialisation."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in module.parameters():
            values += 0.05 * torch.randn(values.shape, generator=generator)
    return module.eval()


@pytest.fixture(scope="session")
def transformer() -> AvatarTransformer3DModel:
    """Two blocks, 16 wide."""
    model = AvatarTransformer3DModel(
        patch_size=(1, 1, 1),
        num_attention_heads=1,
        attention_head_dim=16,
        in_channels=2 * CHANNELS + 4,
        out_channels=CHANNELS,
        text_dim=TEXT_DIM,
        audio_dim=AUDIO_DIM,
        freq_dim=16,
        ffn_dim=32,
        num_layers=2,
    )
    return _shaken(model, 1)


@pytest.fixture(scope="session")
def controlnet() -> CameraControlNet:
    """One residual for each of the two blocks."""
    model = CameraControlNet(
        patch_size=(1, 1, 1),
        hidden_channels=CHANNELS + 4,
        control_channels=CHANNELS + 4,
        embed_dim=16,
        dim=16,
        num_attention_heads=1,
        ffn_dim=32,
        num_layers=2,
        time_embed_dim=16,
        freq_dim=16,
    )
    return _shaken(model, 2)
