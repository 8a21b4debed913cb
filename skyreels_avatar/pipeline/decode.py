"""Decode a window: from its latents to the frames that it is the first to make."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from skyreels_avatar.pipeline.encode import EncodedShot
from skyreels_avatar.planning.segments import Segment
from skyreels_avatar.progress import Reporter


def decode(
    shot: EncodedShot, segment: Segment, latents: torch.Tensor, reporter: Reporter
) -> Iterator[np.ndarray]:
    """Yield the frames (F, H, W, 3) uint8 of a window, lit and marked, a few at a time.

    Args:
        latents: (1, C, T, h, w) of the window, finished.
    """
    chunks, light = shot.space.frames(latents, segment), shot.reference.frame_light
    if light is not None:
        chunks = light.apply_to_chunks(chunks, shot.plan.video_range(segment)[0])
    while True:
        with reporter.stage("decode"):
            frames = next(chunks, None)
            if frames is not None:
                frames = shot.marks.apply(frames)
        if frames is None:
            return
        yield frames
