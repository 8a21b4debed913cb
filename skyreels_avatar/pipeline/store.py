"""Where finished windows are kept, as the pass sees it: `workers.work_folder` is one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch

from skyreels_avatar.planning.segments import Segment


class LatentStore(Protocol):
    """Keeps the latents of windows."""

    def latents(self, segment: Segment) -> torch.Tensor | None:
        """Return the latents (1, C, T, h, w) of a window; None if they are not there."""

    def save_latents(self, segment: Segment, latents: torch.Tensor) -> None:
        """Keep the latents (1, C, T, h, w) of a window."""


class WindowStore(LatentStore, Protocol):
    """Keeps their pictures, too."""

    def piece(self, segment: Segment) -> Path:
        """Return where the pictures of a window are, or will be."""

    def check_files(self, made: Path | None = None) -> None:
        """Remove what was just made, and raise, if a file of the shot has changed meanwhile."""


class LatentsInMemory:
    """Keeps the latents of a shot as long as it is made; of rig coefficients that is little."""

    def __init__(self) -> None:
        self._kept: dict[int, torch.Tensor] = {}

    def latents(self, segment: Segment) -> torch.Tensor | None:
        """Return the latents (1, C, T, h, w) of a window; None if they are not there."""
        return self._kept.get(segment.index)

    def save_latents(self, segment: Segment, latents: torch.Tensor) -> None:
        """Keep the latents (1, C, T, h, w) of a window."""
        self._kept[segment.index] = latents
