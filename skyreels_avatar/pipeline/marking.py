"""Mark finished frames as generated: an invisible watermark, and words where they are asked for."""

from __future__ import annotations

import numpy as np

from skyreels_avatar.media.label import draw_label
from skyreels_avatar.provenance.manifest import watermark_number
from skyreels_avatar.provenance.watermark import mark_frames
from skyreels_avatar.request.generation_request import GenerationRequest


class FrameMarks:
    """The marks of a shot: its watermark, and its label.

    What may change of a video is too small to hold the watermark, and the rest stays as it is.
    """

    def __init__(self, request: GenerationRequest):
        self._number = watermark_number(request.shot, request.seed)
        self._label = request.shot.label

    def apply(self, frames: np.ndarray) -> np.ndarray:
        """Return frames (F, H, W, 3) uint8 with their marks."""
        if self._number is not None:
            frames = mark_frames(frames, self._number)
        return frames if self._label is None else draw_label(frames, self._label)
