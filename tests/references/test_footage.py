"""Footage is read by its place in the output, as often as it is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.media.video import VideoReader
from skyreels_avatar.references.footage import Footage
from tests.media.videos import numbered_frames, numbers_of, write_video


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> VideoReader:
    """Ten frames of 48x64."""
    return VideoReader(write_video(tmp_path_factory.mktemp("f") / "a.mp4", numbered_frames(10)))


def test_the_output_shows_the_frames_that_the_source_names(reader):
    source = [0, 1, 1, 5, 9, 8, 7]
    footage = Footage(reader, np.array(source), (48, 64))
    assert numbers_of(footage.frames(0, 7)) == source
    assert numbers_of(footage.frames(3, 5)) == [5, 9]


def test_who_draws_into_frames_does_not_change_the_footage(reader):
    footage = Footage(reader, np.arange(10), (48, 64))
    footage.frames(2, 4)[:] = 0
    assert numbers_of(footage.frames(2, 4)) == [2, 3]


def test_rows_and_columns_beyond_the_size_are_left_out(reader):
    assert Footage(reader, np.arange(10), (46, 62)).frames(0, 2).shape == (2, 46, 62, 3)
