"""Interlaced frames are merged, none is lost, others pass unchanged."""

from __future__ import annotations

import logging

import av
import numpy as np
import pytest

from skyreels_avatar.media import VideoReader
from skyreels_avatar.media.deinterlacing import deinterlace
from tests.media.videos import write_video


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.ts", "libx264"), ("a.mkv", "ffv1")]
)
def test_interlaced_footage_loses_its_combs_and_no_frame(tmp_path, caplog, name, codec):
    """Of FFV1 only the container says that it is interlaced."""
    rows, columns = np.mgrid[0:48, 0:64]
    frames = [
        np.where(rows % 2, (columns + 4 * i + 2) // 8 % 2, (columns + 4 * i) // 8 % 2)
        for i in range(10)
    ]
    frames = np.stack([np.stack([200 * f] * 3, -1) for f in frames]).astype(np.uint8)
    options = {"x264-params": "tff=1:bframes=0"} if codec == "libx264" else {}

    def adjust(stream):
        if codec == "ffv1":
            if not hasattr(stream.codec_context, "field_order"):
                pytest.skip("PyAV tells the order of fields from version 18 on")
            stream.codec_context.field_order = 2  # top field first

    path = write_video(tmp_path / name, frames, codec=codec, options=options, adjust=adjust)
    shown = np.stack(list(VideoReader(path))).astype(int)
    combs = np.abs(shown[:, 1:-1:2] - (shown[:, :-2:2] + shown[:, 2::2]) / 2).mean()
    assert len(shown) == 10 and combs < 3, "50 with combs"
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == 1 and "interlaced" in warnings[0]


def test_progressive_frames_pass_as_they_are():
    frames = [av.VideoFrame(64, 48, "yuv420p") for _ in range(3)]
    passed = list(deinterlace(iter(frames), every=False))
    assert all(one is other for one, other in zip(passed, frames)) and len(passed) == 3
