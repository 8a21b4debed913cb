"""Guidance whose part along the prediction is left out, so that strong scales do not oversaturate.

Source: adaptive projected guidance (arXiv 2410.02416), with the momentum that InfiniteTalk takes.
"""

from __future__ import annotations

import torch

MOMENTUM = -0.75
_OF_ONE = (-4, -3, -2, -1)


class ProjectedGuidance:
    """One difference of two predictions, followed over the steps of a window.

    Args:
        largest_norm: of the difference; a larger one is made shorter.
    """

    def __init__(self, largest_norm: float):
        self._largest_norm = largest_norm
        self._running: torch.Tensor | float = 0.0

    def __call__(self, difference: torch.Tensor, prediction: torch.Tensor) -> torch.Tensor:
        """Return what of a difference is added to a prediction, both (..., C, T, h, w)."""
        self._running = difference + MOMENTUM * self._running
        norm = self._running.norm(p=2, dim=_OF_ONE, keepdim=True)
        kept = self._running * (self._largest_norm / norm).clamp_max(1)
        along = torch.nn.functional.normalize(prediction.double(), dim=_OF_ONE)
        share = (kept.double() * along).sum(_OF_ONE, keepdim=True)
        return kept - (share * along).to(kept)
