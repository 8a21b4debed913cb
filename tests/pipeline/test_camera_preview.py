"""Previews of camera moves, quick and small."""

from __future__ import annotations

import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar.media.image import Portrait
from skyreels_avatar.pipeline import camera_preview
from skyreels_avatar.pipeline.camera_preview import FPS, CameraPreviews, preview_size
from tests.samples import write_portrait


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    return write_portrait(tmp_path_factory.mktemp("preview"))


@pytest.fixture(scope="module")
def previews():
    return CameraPreviews()


def _read(video: bytes, folder):
    path = folder / "preview.mp4"
    path.write_bytes(video)
    reader = sa.VideoReader(path)
    return reader, reader.read(0, reader.num_frames).astype(np.int16)


def test_a_preview_moves_and_begins_with_the_picture(previews, portrait, tmp_path):
    reader, frames = _read(previews.video(portrait, "push_in:80", None, 1.0), tmp_path)
    assert len(frames) == round(FPS) and reader.fps == pytest.approx(FPS)
    picture = Portrait.load(portrait).resized_to(reader.height, reader.width).pixels
    assert np.abs(frames[0] - picture).mean() < 8
    assert np.abs(frames[-1] - frames[0]).mean() > 2


def test_a_static_preview_rests(previews, portrait, tmp_path):
    _, frames = _read(previews.video(portrait, "static", None, 0.5), tmp_path)
    assert np.abs(frames[-1] - frames[0]).mean() < 1


def test_depth_is_estimated_once_for_all_moves(previews, portrait, monkeypatch):
    previews.prepare(portrait)

    def fail(*_):
        raise AssertionError("the picture is looked at again")

    monkeypatch.setattr(camera_preview, "_film", fail)
    made = {previews.video(portrait, f"{move}:50", None, 0.3) for move in sa.MOVES}
    assert len(made) == len(sa.MOVES)
    assert previews.video(portrait, "swing:50", None, 0.3) in made


def test_keyframes_are_previewed_too(previews, portrait, tmp_path):
    camera = [{"time_s": 0, "move": "crane_up"}, {"time_s": 0.4, "move": "push_in"}]
    _, frames = _read(previews.video(portrait, camera, None, 0.8), tmp_path)
    assert len(frames) == round(0.8 * FPS)


@pytest.mark.parametrize(
    ("camera", "duration_s", "message"),
    [("fly:50", 1.0, "unknown camera move"), ("push_in:50", 90.0, "seconds of a preview")],
)
def test_what_cannot_be_previewed_is_refused(previews, portrait, camera, duration_s, message):
    with pytest.raises(sa.InputError, match=message):
        previews.video(portrait, camera, None, duration_s)


@pytest.mark.parametrize("size", [None, "1280x720", "512x768", "64x64"])
def test_a_preview_has_the_shape_of_its_video(size):
    picture = Portrait(np.zeros((900, 1200, 3), np.uint8))
    height, width = preview_size(picture, size)
    wanted = 4 / 3 if size is None else int(size.split("x")[0]) / int(size.split("x")[1])
    assert max(height, width) <= 320 and height % 2 == width % 2 == 0
    assert width / height == pytest.approx(wanted, rel=0.02)
