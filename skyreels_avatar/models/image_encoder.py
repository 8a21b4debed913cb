"""Tokens of a picture, from the vision tower of CLIP ViT-H/14 (arXiv 2103.00020)."""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F
from transformers import CLIPVisionModel

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


class ImageEncoder(nn.Module):
    """CLIP's vision transformer up to its last block but one, without the final norm.

    Args:
        model: the network, filled.
    """

    def __init__(self, model: CLIPVisionModel):
        super().__init__()
        self.model = model

    @staticmethod
    def prepare(pictures: torch.Tensor, size: int) -> torch.Tensor:
        """Return (B, 3, size, size) as CLIP wants them, from (B, 3, H, W) in -1..1.

        As in Wan2.1 the aspect is not kept and nothing is smoothed before it is made smaller.
        """
        small = F.interpolate(pictures, (size, size), mode="bicubic", align_corners=False)
        mean, std = (small.new_tensor(values)[:, None, None] for values in (_MEAN, _STD))
        return ((small + 1) / 2 - mean) / std

    @torch.no_grad()
    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return tokens (B, 1 + patches, width) of (B, 3, H, W) in -1..1."""
        vision = self.model
        weight = next(vision.parameters())
        pixels = self.prepare(pictures.float(), vision.config.image_size)
        output = vision(pixels.to(weight), output_hidden_states=True)
        return output.hidden_states[-2]
