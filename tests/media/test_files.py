"""Files that are not what they should be are called by what they are."""

from __future__ import annotations

import pytest

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media import AudioTrack, Portrait, VideoReader

LOADERS = [(Portrait.load, "picture"), (AudioTrack.load, "sound"), (VideoReader, "video")]


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
