"""Where finished windows are kept, as the pass sees it: `workers.work_folder` is one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch

from skyreels_avatar.planning.segments import Segment


class WindowStore(Protocol):
    """Keeps the latents and the pictures of windows for another run."""

    def latents(self, segment: Segment) -> torch.Tensor | None:
        """Return the latents (1, C, T, h, w) of a window; None if they are not there."""

    def save_latents(self, segment: Segment, latents: torch.Tensor) -> None:
        """Keep the latents (1, C, T, h, w) of a window."""

    def piece(self, segment: Segment) -> Path:
        """Return where the pictures of a window are, or will be."""

    def check_files(self, made: Path | None = None) -> None:
        """Remove what was just made, and raise, if a file of the shot has changed meanwhile."""
