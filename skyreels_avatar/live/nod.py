"""Nods of somebody who listens: down and up again, and once more by half."""

from __future__ import annotations

from dataclasses import dataclass

import torch

_DEEPEST = 0.075  # radians, 4 degrees: as people nod while somebody else speaks
_STROKES = ((0.0, 0.56, 1.0), (0.56, 1.04, 0.5))  # seconds from, to; share of the depth


@dataclass(frozen=True)
class Nod:
    """A nod that begins at a frame of the motion.

    Attributes:
        first: the frame, in which the head has not moved yet.
        depth: in 0..1.
    """

    first: int
    depth: float

    def pitch(self, frames: torch.Tensor, fps: float) -> torch.Tensor:
        """Return (F,) radians, + looks up, that it adds to the head in (F,) frames."""
        seconds = (frames - self.first) / fps
        pitch = torch.zeros_like(seconds)
        for start, stop, share in _STROKES:
            progress = ((seconds - start) / (stop - start)).clamp(0.0, 1.0)
            pitch -= _DEEPEST * self.depth * share * (torch.pi * progress).sin() ** 2
        return pitch
