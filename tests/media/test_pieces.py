"""Pieces follow each other in one film: every packet as it was, every picture once."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import numpy as np
import pytest

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.pieces import cut_piece, join_pieces, read_piece
from skyreels_avatar.media.video import VideoReader, VideoWriter, exact_fps

SIZES = (1, 40, 2, 23, 7, 64)  # frames of the pieces; one and two are shorter than x264's delay


def _moving(count: int, first: int, height: int = 64, width: int = 80) -> np.ndarray:
    """Return pictures that move, with noise: x264 then uses all kinds of frames."""
    rng = np.random.default_rng(first)
    y, x = np.mgrid[0:height, 0:width]
    moving = [np.stack([x * 3 + 5 * i, y * 3 + i, x + y + 2 * i], -1) for i in range(count)]
    frames = np.stack(moving) % 256 + rng.normal(0, 6, (count, height, width, 3))
    return frames.clip(0, 255).astype(np.uint8)


def _write(path: Path, frames: np.ndarray, fps: float = 25.0, audio=None, **options) -> Path:
    with VideoWriter(path, *frames.shape[1:3], fps, audio, **options) as writer:
        writer.write(frames)
    return path


def _pieces(folder: Path, fps: float = 25.0, sizes=SIZES) -> list[Path]:
    starts = itertools.accumulate(sizes, initial=0)
    return [
        _write(folder / f"piece{i}.mp4", _moving(count, first), fps)
        for i, (count, first) in enumerate(zip(sizes, starts))
    ]


def _tone(seconds: float, rate: int = 44_100) -> AudioTrack:
    time_s = np.arange(round(seconds * rate)) / rate
    return AudioTrack((0.3 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32), rate)


def _packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(container.streams.video[0]) if p.size]


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 29.97])
def test_frames_add_up_and_the_sound_ends_with_the_picture(tmp_path, fps):
    pieces, film = _pieces(tmp_path, fps), tmp_path / "film.mp4"
    for sound_s in (0.2, 5.0, 20.0):
        join_pieces(pieces, film, _tone(sound_s))
        with av.open(str(film)) as container:
            video, sound = container.streams.video[0], container.streams.audio[0]
            assert video.start_time == 0 and sound.start_time == 0
            assert video.average_rate == exact_fps(fps)
            lengths = [float(stream.duration * stream.time_base) for stream in (video, sound)]
            times = [float(f.pts * f.time_base) for f in container.decode(video=0)]
        assert len(times) == sum(SIZES)
        assert times == pytest.approx([i / exact_fps(fps) for i in range(sum(SIZES))], abs=1e-4)
        assert abs(lengths[0] - sum(SIZES) / exact_fps(fps)) < 1e-3
        assert abs(lengths[0] - lengths[1]) < 2e-3


def test_every_packet_is_copied_and_every_picture_is_the_pieces_own(tmp_path):
    pieces, film = _pieces(tmp_path), tmp_path / "film.mp4"
    join_pieces(pieces, film, _tone(3.0))
    assert _packets(film) == [packet for piece in pieces for packet in _packets(piece)]
    shown = np.stack(list(VideoReader(film)))
    assert np.array_equal(shown, np.concatenate([list(VideoReader(piece)) for piece in pieces]))


def test_decoding_times_rise_and_come_before_what_is_shown(tmp_path):
    pieces, film = _pieces(tmp_path), tmp_path / "film.mp4"
    join_pieces(pieces, film, None)
    with av.open(str(film)) as container:
        times = [(p.dts, p.pts) for p in container.demux(video=0) if p.size]
    assert all(earlier[0] < later[0] for earlier, later in itertools.pairwise(times))
    assert all(dts <= pts for dts, pts in times)


def test_a_film_can_be_entered_at_any_piece(tmp_path):
    """A seek to the first frame of a piece decodes that frame, as each piece stands alone."""
    pieces, film = _pieces(tmp_path), tmp_path / "film.mp4"
    join_pieces(pieces, film, None)
    whole = np.stack(list(VideoReader(film)))
    for first in itertools.accumulate(SIZES[:-1]):
        with av.open(str(film)) as container:
            stream = container.streams.video[0]
            at = round(first / 25 / stream.time_base)
            container.seek(at, stream=stream)
            frame = next(f for f in container.decode(stream) if f.pts >= at)
        shown = VideoReader(film).read(first, first + 1)[0]
        assert frame.pts == at and frame.key_frame
        assert np.array_equal(shown, whole[first])


def test_the_film_starts_before_it_is_loaded_is_tagged_and_always_the_same(tmp_path):
    pieces = _pieces(tmp_path, sizes=(5, 9))
    contents = set()
    for name in ("a.mp4", "b.mp4"):
        join_pieces(pieces, tmp_path / name, _tone(1.0), {"comment": "joined"})
        contents.add((tmp_path / name).read_bytes())
    assert len(contents) == 1
    content = contents.pop()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.metadata["comment"] == "joined"


def test_one_piece_and_its_film_show_the_same_for_the_same_time(tmp_path):
    (piece,) = _pieces(tmp_path, sizes=(30,))
    join_pieces([piece], tmp_path / "film.mp4", None)
    one, film = VideoReader(piece), VideoReader(tmp_path / "film.mp4")
    assert one.duration_s == film.duration_s and film.audio() is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": (20, 64, 96)}, "one size.*80x64.*96x64"),
        ({"fps": 30}, "one frame rate.*25 fps.*30 fps"),
        ({"preset": "ultrafast"}, "other settings"),
    ],
)
def test_pieces_that_do_not_fit_are_refused_and_nothing_is_left(tmp_path, changes, message):
    first = _write(tmp_path / "a.mp4", _moving(20, 0))
    frames = _moving(20, 0)[:, :, :1].repeat(96, 2) if "frames" in changes else _moving(20, 0)
    options = {key: value for key, value in changes.items() if key != "frames"}
    second = _write(tmp_path / "b.mp4", frames, **options)
    with pytest.raises(MediaError, match=message):
        join_pieces([first, second], tmp_path / "film.mp4", _tone(1.0))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_damaged_missing_and_foreign_pieces_are_named(tmp_path, sound_file, picture_file):
    piece = _write(tmp_path / "a.mp4", _moving(60, 0))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(piece.read_bytes()[:-2000])
    for wrong in (tmp_path / "absent.mp4", cut, sound_file, picture_file):
        with pytest.raises(MediaError, match=wrong.name):
            join_pieces([piece, wrong], tmp_path / "film.mp4", None)
    with pytest.raises(MediaError, match="at least one piece"):
        join_pieces([], tmp_path / "film.mp4", None)
    assert not (tmp_path / "film.mp4").exists()


def test_a_failure_half_way_keeps_the_older_film(tmp_path, monkeypatch):
    pieces = _pieces(tmp_path, sizes=(5, 9))
    film = tmp_path / "film.mp4"
    film.write_bytes(b"older")

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("skyreels_avatar.media.audio_stream.AacStream.finish", full)
    with pytest.raises(MediaError, match="no space left"):
        join_pieces(pieces, film, _tone(1.0))
    assert film.read_bytes() == b"older"
    assert not list(tmp_path.glob(".*"))


def test_a_piece_is_counted_without_decoding(tmp_path):
    path = _write(tmp_path / "a.mp4", _moving(33, 0), 29.97)
    piece = read_piece(path)
    assert (piece.num_frames, piece.height, piece.width) == (33, 64, 80)
    assert piece.fps == exact_fps(29.97)


def test_a_video_is_cut_where_it_was_made_to_be_cut(tmp_path):
    """The pictures of the parts are those of the whole, which is no other for being cut."""
    _write(tmp_path / "whole.mp4", _moving(40, 0), cuts=(7, 30))
    borders = [0, 7, 30, 40]
    parts = [
        cut_piece(tmp_path / "whole.mp4", start, stop, tmp_path / f"{start}.mp4")
        for start, stop in itertools.pairwise(borders)
    ]
    assert [read_piece(part).num_frames for part in parts] == [7, 23, 10]
    whole = np.stack(list(VideoReader(tmp_path / "whole.mp4")))
    for part, (start, stop) in zip(parts, itertools.pairwise(borders)):
        assert (np.stack(list(VideoReader(part))) == whole[start:stop]).all()
    join_pieces(parts, tmp_path / "joined.mp4", None)
    assert (np.stack(list(VideoReader(tmp_path / "joined.mp4"))) == whole).all()
    with pytest.raises(MediaError, match="cannot be cut"):
        cut_piece(tmp_path / "whole.mp4", 5, 30, tmp_path / "other.mp4")
    assert not (tmp_path / "other.mp4").exists()
