"""Files that are not what they should be are called by what they are."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media import AudioTrack, Portrait, VideoReader
from skyreels_avatar.media.files import atomic_write, open_container
from tests.media.videos import numbered_frames, numbers_of, write_video

LOADERS = [(Portrait.load, "picture"), (AudioTrack.load, "sound"), (VideoReader, "video")]


def test_a_file_of_the_longest_name_can_be_written(tmp_path):
    """The hidden name beside it was longer than 255 bytes: no output was possible there."""
    path = tmp_path / ("\u00e9" * 120 + ".json")
    with atomic_write(path) as partial:
        partial.write_text("text")
    assert path.read_text() == "text" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("load", "noun"), LOADERS)
def test_missing_empty_and_folder_are_told_apart(tmp_path, load, noun):
    with pytest.raises(MediaError, match=f"{noun} not found"):
        load(tmp_path / "absent.xyz")
    with pytest.raises(MediaError, match="is a folder"):
        load(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(MediaError, match="is empty"):
        load(tmp_path / "empty")


@pytest.mark.parametrize(("load", "noun"), LOADERS)
@pytest.mark.parametrize("name", ["\0", "x" * 5000, "", "https://example.org/a.png", "a%03d.png"])
def test_odd_names_are_refused_without_looking_elsewhere(load, noun, name):
    with pytest.raises(MediaError):
        load(name)


@pytest.mark.parametrize(("load", "noun"), LOADERS)
@pytest.mark.parametrize("suffix", [".png", ".wav", ".mp4", ".txt", ".m3u8", ".svg"])
@pytest.mark.parametrize(
    "content",
    [
        b"hello, this is a text\n" * 50,
        b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n",
        b"ffconcat version 1.0\nfile a.mp4\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        bytes(5000),
    ],
)
def test_text_under_any_name_is_no_media(tmp_path, load, noun, suffix, content):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    with pytest.raises(MediaError):
        load(path)


def test_mixed_up_files_are_called_by_what_they_are(picture_file, sound_file):
    with pytest.raises(MediaError, match="a sound, not a picture"):
        Portrait.load(sound_file)
    with pytest.raises(MediaError, match=r"holds no sound \(a picture"):
        AudioTrack.load(picture_file)
    with pytest.raises(MediaError, match="is a sound, not a video"):
        VideoReader(sound_file)
    with pytest.raises(MediaError, match="is a picture, not a video"):
        VideoReader(picture_file)


PLAYLISTS = {
    "a.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
    "a.m3u": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n",
    "b.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
    "a.ffconcat": "ffconcat version 1.0\nfile '{}'\n",
    "c.wav": "ffconcat version 1.0\nfile '{}'\n",
    "a.idx": "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n",
    "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "a.mpd": (
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><Period>"
        "<AdaptationSet><Representation id='0' bandwidth='1'><BaseURL>{}</BaseURL>"
        "</Representation></AdaptationSet></Period></MPD>"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAYLISTS)
@pytest.mark.parametrize("load", [AudioTrack.load, VideoReader])
def test_what_a_playlist_names_is_never_opened(tmp_path, load, name):
    """A named pipe would wait for ever for somebody who writes, and its name would be quoted."""
    secret = tmp_path / "secret.sub"
    os.mkfifo(secret)
    (tmp_path / "a.sub").symlink_to(secret)  # what a.idx belongs to
    path = tmp_path / name
    path.write_text(PLAYLISTS[name].format(secret.name))
    opened, done = [], []

    def watch():
        # Opening to write without waiting succeeds only while somebody has it open to read.
        while not done:
            try:
                os.close(os.open(secret, os.O_WRONLY | os.O_NONBLOCK))
                opened.append(name)
            except OSError:
                pass

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with pytest.raises(MediaError, match="playlist or a text") as raised:
            load(path)
    finally:
        done.append(True)
        watcher.join()
    assert not opened
    assert "secret" not in str(raised.value).replace(str(path), "")


def _picture(path, level):
    path.write_bytes(b"P6 80 80 255\n" + bytes([level]) * 19_200)
    return path


def test_a_number_pattern_in_a_name_is_no_sequence(tmp_path):
    """`img%d.ppm` made FFmpeg read the pictures beside it."""
    for index in range(4):
        _picture(tmp_path / f"img{index}.ppm", 10)
    path = _picture(tmp_path / "img%d.ppm", 200)
    with open_container(path, "picture") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 1 and (frames[0] == 200).all()
    path.unlink()
    for load in (Portrait.load, AudioTrack.load, VideoReader):
        with pytest.raises(MediaError, match="not found"):
            load(path)


@pytest.mark.parametrize("name", ["file:b.mp4", "http:b.mp4", "a:b.mp4", "concat:b.mp4", "-i.mp4"])
def test_names_that_look_like_addresses_are_names(tmp_path, monkeypatch, name):
    """`file:b.mp4` opened b.mp4."""
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "b.mp4", numbered_frames(3))
    write_video(tmp_path / "other.mp4", numbered_frames(5)).rename(tmp_path / name)
    assert numbers_of(VideoReader(name)) == list(range(5))


def test_a_picture_that_is_called_a_video_is_called_a_picture(tmp_path):
    with pytest.raises(MediaError, match="is a picture, not a video"):
        VideoReader(_picture(tmp_path / "a.ppm", 7))
    assert np.all(Portrait.load(_picture(tmp_path / "a.ppm", 7)).pixels == 7)
