"""A preview of a camera move, for which the picture is understood once."""

from __future__ import annotations

import av
import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.pipeline import camera_preview
from skyreels_avatar.pipeline.camera_preview import write_camera_preview
from tests.samples import write_portrait


def _pictures(path):
    with av.open(str(path)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


def test_the_depth_of_a_picture_is_estimated_once_for_all_moves(tmp_path, monkeypatch):
    image, found = write_portrait(tmp_path), []
    real = camera_preview.build_references
    monkeypatch.setattr(
        camera_preview, "build_references", lambda *given: found.append(1) or real(*given)
    )
    for move in ("static", "push_in:80", "swing:50"):
        output = tmp_path / f"{move.partition(':')[0]}.mp4"
        assert write_camera_preview(image, move, output, 0.8, 10, "120x96") == 8
    assert len(found) == 1
    still, pushed = _pictures(tmp_path / "static.mp4"), _pictures(tmp_path / "push_in.mp4")
    assert still.shape == (8, 96, 120, 3)
    moved = np.abs(pushed.astype(int) - still).mean((1, 2, 3))
    assert moved[0] < 2 < moved[-1]


def test_a_picture_that_was_replaced_is_another_one(tmp_path):
    image = write_portrait(tmp_path)
    write_camera_preview(image, "static", tmp_path / "a.mp4", 0.4, 10, "120x96")
    before = camera_preview._scene_of.cache_info().misses
    image.write_bytes(image.read_bytes() + b" ")
    write_camera_preview(image, "static", tmp_path / "a.mp4", 0.4, 10, "120x96")
    assert camera_preview._scene_of.cache_info().misses == before + 1


@pytest.mark.parametrize("move", ["fly:50", "push_in:140", 5])
def test_moves_that_do_not_exist_are_refused(move, tmp_path):
    with pytest.raises(InputError):
        write_camera_preview(write_portrait(tmp_path), move, tmp_path / "a.mp4", 1, 10, "96x96")
    assert not (tmp_path / "a.mp4").exists()
