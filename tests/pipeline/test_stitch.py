"""Chunks become a video of the planned length, and pieces that are whole or not there."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.media import VideoReader, VideoWriter
from skyreels_avatar.pipeline.stitch import stitch, write_piece
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.progress import Reporter

CHUNK = np.full((5, 64, 64, 3), 90, np.uint8)


def _writer(path) -> VideoWriter:
    return VideoWriter(path, 64, 64, 25.0)


def test_a_video_has_the_planned_length(tmp_path):
    with _writer(tmp_path / "a.mp4") as writer:
        stitch([CHUNK, CHUNK], writer, plan_shot(0.4, 25.0), Reporter())
    assert VideoReader(tmp_path / "a.mp4").num_frames == 10
    with pytest.raises(AssertionError, match=r"\(5, 10\)"), _writer(tmp_path / "b.mp4") as writer:
        stitch([CHUNK], writer, plan_shot(0.4, 25.0), Reporter())
    assert not (tmp_path / "b.mp4").exists()


def test_a_piece_appears_when_it_is_whole_and_not_without_frames(tmp_path):
    write_piece([], tmp_path / "none.mp4", _writer, Reporter())
    write_piece([CHUNK], tmp_path / "one.mp4", _writer, Reporter())

    def failing():
        yield CHUNK
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_piece(failing(), tmp_path / "half.mp4", _writer, Reporter())
    assert [path.name for path in tmp_path.iterdir()] == ["one.mp4"]
