"""The reference video of a picture, written without any network of a tier."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.api.camera_preview import preview_camera
from skyreels_avatar.errors import Cancelled, InputError
from skyreels_avatar.media import Portrait, VideoReader


@pytest.fixture
def portrait(root):
    return root / "assets" / "examples" / "portrait.png"


def test_a_still_camera_shows_the_picture_throughout(portrait, tmp_path):
    output = tmp_path / "ref.mp4"
    assert preview_camera(portrait, "static", output, seconds=0.4, size="128x128") == 10
    frames = VideoReader(output).read(0, 10).astype(int)
    picture = Portrait.load(portrait).resized_to(128, 128).pixels
    assert np.abs(frames[0] - picture).mean() < 6, "only what H.264 loses"
    assert np.abs(frames - frames[0]).mean() < 1


def test_a_moving_camera_moves_and_ends_elsewhere(portrait, tmp_path):
    output = tmp_path / "ref.mp4"
    num_frames = preview_camera(
        portrait, "pan_left:100", output, seconds=0.4, size="128x128", fps=30
    )
    assert num_frames == 12
    frames = VideoReader(output).read(0, 12).astype(int)
    assert np.abs(frames[-1] - frames[0]).mean() > 8


def test_a_cancelled_preview_leaves_no_file(portrait, tmp_path):
    with pytest.raises(Cancelled):
        preview_camera(
            portrait,
            "static",
            tmp_path / "ref.mp4",
            seconds=1.0,
            size="128x128",
            on_progress=lambda progress: progress.done < 8,
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("duration_s", [0, -1, 1e9, float("nan")])
def test_absurd_lengths_are_refused(portrait, tmp_path, duration_s):
    with pytest.raises(InputError, match="seconds must be above 0"):
        preview_camera(portrait, "static", tmp_path / "ref.mp4", seconds=duration_s)
