"""Segment occluders of a face: a small network from an aligned face to a mask."""

from __future__ import annotations

import itertools

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU()
    )


class _Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(_convolution(width, width), _convolution(width, width))

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return hidden_states + self.layers(hidden_states)


class OccluderNet(ModelMixin, ConfigMixin):
    """Predict for each pixel of an aligned face whether it shows an occluder.

    Occluders are hands, microphones, cups, phones, paper; not beards, hair, glasses, make-up, teeth
    and tongue.

    Source: the form of a U-Net (arXiv 1505.04597), half as fine as the picture.
    """

    @register_to_config
    def __init__(self, widths: tuple[int, ...] = (24, 48, 80, 80)):
        super().__init__()
        ways = list(itertools.pairwise(widths))
        # Two by two pixels, and where in the face they are.
        self.stem = _convolution(3 * 4 + 2, widths[0])
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(fine, coarse, 2), _Residual(coarse)) for fine, coarse in ways
        )
        self.lift = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in ways)
        self.up = nn.ModuleList(_convolution(fine, fine) for fine, _ in ways)
        self.head = nn.Conv2d(widths[0], 4, 1)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Return logits (B, 1, H, W) of faces (B, 3, H, W) in [0, 1]; sides are multiples of 16."""
        hidden_states = F.pixel_unshuffle(2 * faces - 1, 2)
        batch, _, height, width = hidden_states.shape
        axes = [torch.linspace(-1, 1, side, device=faces.device) for side in (height, width)]
        places = torch.stack(torch.meshgrid(*axes, indexing="ij")).to(faces.dtype)
        places = places.expand(batch, -1, -1, -1)
        hidden_states = self.stem(torch.cat([hidden_states, places], 1))
        skips = []
        for layer in self.down:
            skips.append(hidden_states)
            hidden_states = layer(hidden_states)
        for lift, layer, skip in zip(self.lift[::-1], self.up[::-1], skips[::-1]):
            larger = F.interpolate(lift(hidden_states), scale_factor=2, mode="nearest")
            hidden_states = layer(skip + larger)
        return F.pixel_shuffle(self.head(hidden_states), 2)

    @torch.inference_mode()
    def look(self, faces: np.ndarray) -> np.ndarray:
        """Return masks (B, H, W) float32 in [0, 1] of faces (B, H, W, 3) uint8."""
        pixels = torch.from_numpy(faces).to(self.device).permute(0, 3, 1, 2)
        return self(pixels.to(self.dtype) / 255)[:, 0].sigmoid().float().cpu().numpy()
