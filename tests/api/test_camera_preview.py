"""The public verb `preview_camera`."""

from __future__ import annotations

import numpy as np
import pytest

import skyreels_avatar as sa


def test_a_preview_shows_the_move_and_nobody_speaks(tmp_path):
    path = tmp_path / "look.mp4"
    portrait = sa.example_path("portrait.png")
    assert sa.preview_camera(portrait, "pan_left:100", path, seconds=0.4, size="128x128") == 10
    video = sa.VideoReader(path)
    frames = video.read(0, 10).astype(int)
    assert frames.shape == (10, 128, 128, 3) and video.audio() is None
    assert np.abs(frames[-1] - frames[0]).mean() > 8


def test_a_preview_refuses_what_it_cannot_show(tmp_path):
    portrait = sa.example_path("portrait.png")
    with pytest.raises(sa.InputError, match="seconds must be above 0"):
        sa.preview_camera(portrait, "static", tmp_path / "look.mp4", seconds=0)
    with pytest.raises(sa.InputError, match="did you mean push_in"):
        sa.preview_camera(portrait, "push_inn", tmp_path / "look.mp4")
