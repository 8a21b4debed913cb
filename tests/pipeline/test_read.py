"""The files of a request: a picture or footage, sounds of one length, and a size."""

from __future__ import annotations

import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar.errors import InputError
from skyreels_avatar.pipeline.read import FootageFiles, PictureFiles, read_files, read_picture
from tests.media.videos import numbered_frames, write_video


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Ten frames of 48x64 at 25 frames per second."""
    return write_video(tmp_path_factory.mktemp("v") / "a.mp4", numbered_frames(10))


def _request(shot: sa.Shot, **options) -> sa.GenerationRequest:
    return sa.GenerationRequest(shot, "o.mp4", **options)


def test_a_picture_and_footage_are_told_apart(picture_file, sound_file, video):
    picture = read_files(_request(sa.Shot(image=picture_file, audio=sound_file)))
    footage = read_files(_request(sa.Shot(video=video, audio=sound_file)))
    assert isinstance(picture, PictureFiles) and isinstance(footage, FootageFiles)
    assert (footage.height, footage.width) == (48, 64)
    with pytest.raises(InputError, match="starts from a picture"):
        read_picture(_request(sa.Shot(video=video, audio=sound_file)))


def test_a_person_s_style_is_read_before_anything_else(picture_file, sound_file, tmp_path):
    missing = tmp_path / "me.safetensors"
    with pytest.raises(InputError, match="no style at") as caught:
        read_files(_request(sa.Shot(image=picture_file, audio=sound_file, style=missing)))
    assert caught.value.parameter == "style"
    missing.write_bytes(b"nonsense")
    with pytest.raises(InputError, match="damaged"):
        read_files(_request(sa.Shot(image=picture_file, audio=sound_file, style=str(missing))))


def test_sounds_of_footage_are_as_long_as_the_output(sound_file, video):
    shot = sa.Shot(video=video, audio=sound_file, length="video")
    files = read_files(_request(shot))
    assert list(files.source) == list(range(10))
    lengths = {round(track.duration_s, 3) for track in (files.audio, *files.voices)}
    assert lengths == {0.4}


def test_networks_get_mono_sounds_and_no_words(picture_file, tmp_path):
    left, right = np.random.default_rng(0).normal(0, 0.1, (2, 16_000)).astype(np.float32)
    stereo = sa.AudioTrack.of_channels(np.stack([left, right]), 16_000, None)
    path = stereo.save(tmp_path / "stereo.wav")
    files = read_files(_request(sa.Shot(image=picture_file, audio=path)))
    mono = files.for_networks()
    assert len(files.audio.channels) == 2 and len(mono.audio.channels) == 1
    assert mono.spoken is None and mono.original is files.original


def test_sizes_are_those_that_the_tier_knows(picture_file, sound_file):
    shot = sa.Shot(image=picture_file, audio=sound_file)
    files = read_files(_request(shot, size="480p", tier="studio"))
    assert files.height % 16 == 0 and files.width % 16 == 0
    with pytest.raises(InputError, match="multiples of 16 pixels, got 200x100"):
        read_files(_request(shot, size="200x100", tier="studio"))
    files = read_files(_request(shot, size="200x100"))
    assert (files.height, files.width) == (100, 200)
