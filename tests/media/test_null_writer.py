"""The writer of processes that do not write."""

from __future__ import annotations

import numpy as np

from skyreels_avatar.media.null_writer import NullVideoWriter


def test_frames_are_counted_and_nothing_is_written(tmp_path):
    with NullVideoWriter(tmp_path / "a.mp4", 64, 64, 25, color="bt709") as writer:
        writer.write(np.zeros((3, 64, 64, 3), np.uint8))
        writer.write(np.zeros((2, 64, 64, 3), np.uint8))
    assert writer.num_frames == 5 and not list(tmp_path.iterdir())
