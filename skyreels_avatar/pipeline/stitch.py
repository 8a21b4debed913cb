"""Stitch the frames of all windows into one video of the planned length, or into pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from skyreels_avatar.media.video import VideoWriter
from skyreels_avatar.planning.segments import ShotPlan
from skyreels_avatar.progress import Reporter


def stitch(
    chunks: Iterable[np.ndarray], writer: VideoWriter, plan: ShotPlan, reporter: Reporter
) -> None:
    """Write all chunks (F, H, W, 3) in order, and check their number against the plan."""
    for pixels in chunks:
        with reporter.stage("write"):
            writer.write(pixels)
        reporter.add(len(pixels))
    assert writer.num_frames == plan.num_frames, (writer.num_frames, plan.num_frames)


def write_piece(
    chunks: Iterable[np.ndarray],
    path: Path,
    open_piece: Callable[[Path], VideoWriter],
    reporter: Reporter,
) -> None:
    """Write the chunks (F, H, W, 3) of one window; the file appears when all are in it.

    Nothing is written for a window without pictures, as slow videos have.
    """
    writer = None
    try:
        for pixels in chunks:
            writer = writer or open_piece(path)
            with reporter.stage("write"):
                writer.write(pixels)
            reporter.add(len(pixels))
        if writer is not None:
            with reporter.stage("write"):
                writer.close()
    except BaseException:
        if writer is not None:
            writer.abandon()
        raise
