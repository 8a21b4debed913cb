"""A video writer for ranks that do not write."""

from __future__ import annotations

import numpy as np


class NullVideoWriter:
    """Accept the arguments and frames of a `VideoWriter` and write nothing."""

    def __init__(self, *_: object, **__: object):
        self.num_frames = 0

    def write(self, frames_uint8: np.ndarray) -> None:
        """Count (F, H, W, 3) frames."""
        self.num_frames += len(frames_uint8)

    def __enter__(self) -> NullVideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        return None
