"""From the pictures of many windows to one stream of exactly the planned length."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from skyreels_avatar.media.video import VideoWriter
from skyreels_avatar.pipeline.plan import ShotPlan
from skyreels_avatar.pipeline.progress import Reporter


def stitch(
    chunks: Iterable[np.ndarray], writer: VideoWriter, plan: ShotPlan, reporter: Reporter
) -> None:
    """Write all chunks (F, H, W, 3) in order, and hold their number against the plan."""
    for pixels in chunks:
        with reporter.stage("write"):
            writer.write(pixels)
        reporter.add(len(pixels))
    assert writer.num_frames == plan.num_frames, (writer.num_frames, plan.num_frames)
