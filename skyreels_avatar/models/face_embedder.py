"""Face embeddings: a residual network from an aligned face to 128 numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn


class _Block(nn.Module):
    """Two convolutions and a shortcut; a block that halves the resolution may also add channels."""

    def __init__(self, inputs: int, outputs: int, halve: bool):
        super().__init__()
        self.halve = halve
        stride, padding = (2, 0) if halve else (1, 1)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        change = self.conv2(F.relu(self.conv1(hidden_states)))
        shortcut = F.avg_pool2d(hidden_states, 2) if self.halve else hidden_states
        return F.relu(_padded(change, shortcut) + _padded(shortcut, change))


def _padded(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return a tensor with zeros after its channels, rows and columns where another has more."""
    missing = [max(0, theirs - own) for own, theirs in zip(tensor.shape[1:], other.shape[1:])]
    channels, rows, columns = missing
    if not any(missing):
        return tensor
    return F.pad(tensor, (0, columns, 0, rows, 0, channels))


class FaceEmbedder(ModelMixin, ConfigMixin):
    """Embed aligned faces; pictures of one person have nearby embeddings.

    Args:
        widths: channels of each level, the finest first.
        num_blocks: of each level; all levels but the first begin by halving the picture.
        dim: length of an embedding.

    Source: `dnn_face_recognition_ex.cpp` of dlib (Davis King), a ResNet (arXiv 1512.03385) with
    29 convolutions. Differs from it: the affine layers are part of the convolutions before them.
    """

    # As trained: what the pictures' mean was, of 255.
    _MEAN = (122.782, 117.001, 104.298)

    @register_to_config
    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128, 256, 256),
        num_blocks: Sequence[int] = (3, 4, 3, 3, 1),
        dim: int = 128,
    ):
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 7, 2)
        blocks, before = [], widths[0]
        for level, (width, number) in enumerate(zip(widths, num_blocks)):
            for index in range(number):
                blocks.append(_Block(before, width, halve=level > 0 and index == 0))
                before = width
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(before, dim, bias=False)

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Return (B, dim) for faces (B, 3, CHIP_PX, CHIP_PX) in [0, 1]."""
        mean = faces.new_tensor(self._MEAN)[:, None, None]
        hidden_states = F.relu(self.stem((255 * faces - mean) / 256))
        hidden_states = F.max_pool2d(hidden_states, 3, 2)
        for block in self.blocks:
            hidden_states = block(hidden_states)
        return self.head(hidden_states.mean((2, 3)))

    @torch.inference_mode()
    def embed(self, faces: np.ndarray) -> np.ndarray:
        """Return (B, dim) float32 for faces (B, CHIP_PX, CHIP_PX, 3) uint8 sRGB."""
        pixels = torch.from_numpy(faces).to(self.device).permute(0, 3, 1, 2)
        return self(pixels.to(self.dtype) / 255).float().cpu().numpy()
