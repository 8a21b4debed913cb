"""Videos of every kind give the frames that players show, at their times."""

from __future__ import annotations

import itertools
import logging

import av
import numpy as np
import pytest

from skyreels_avatar.errors import InputError, MediaError
from skyreels_avatar.media import AudioTrack, VideoReader, video_reader
from tests.media.videos import (
    DARKEST,
    MS,
    numbered_frames,
    numbers_of,
    remux,
    write_tone,
    write_video,
)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """60 numbered frames at 25 fps with B-frames and a key frame every 12."""
    return write_video(tmp_path_factory.mktemp("film") / "film.mp4", numbered_frames(60))


def _garbled(places):
    """Return a change of packets for `remux` that fills some with what no codec writes."""

    def change(index, packet):
        if index not in places:
            return packet
        broken = av.Packet(b"\xff\xfe" * 60)
        broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
        broken.duration, broken.is_keyframe = packet.duration, packet.is_keyframe
        return broken

    return change


def _warnings(caplog) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_a_lossless_trim_shows_what_its_edit_list_shows(tmp_path, film, name):
    """The header counts all 60 frames; reading the 41st was an IndexError."""

    def shifted(_, packet):
        shift = round(0.8 / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        return packet

    path = remux(film, tmp_path / name, shifted)
    reader = VideoReader(path)
    assert (reader.num_frames, reader.fps, reader.duration_s) == (40, 25, 1.6)
    assert numbers_of(reader) == list(range(20, 60))
    assert numbers_of(reader.read(17, 23)) == list(range(37, 43))


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.mp4", "a.flv"])
def test_a_film_that_begins_between_key_frames_begins_at_the_next(tmp_path, film, name, caplog):
    path = remux(film, tmp_path / name, lambda index, packet: packet if index >= 5 else None)
    reader = VideoReader(path)
    assert numbers_of(reader) == list(range(12, 60))
    assert numbers_of(reader.read(40, 48)) == list(range(52, 60))
    assert reader.num_frames == 48
    (warning,) = _warnings(caplog)
    assert "begins between key frames" in warning


def test_vp8_that_begins_between_key_frames_begins_at_the_next(tmp_path):
    options = {"g": "12", "b": "2M", "auto-alt-ref": "1", "lag-in-frames": "10", "cpu-used": "8"}
    whole = write_video(tmp_path / "a.webm", numbered_frames(40), codec="libvpx", options=options)
    assert numbers_of(VideoReader(whole)) == list(range(40)), "hidden frames are none"
    path = remux(whole, tmp_path / "b.webm", lambda index, packet: packet if index >= 5 else None)
    numbers = numbers_of(VideoReader(path))
    assert numbers == list(range(numbers[0], 40)) and numbers[0] >= 5


def test_a_tenth_of_the_frames_may_be_damaged(tmp_path, film, caplog):
    path = remux(film, tmp_path / "a.mkv", _garbled((30, 45)))
    reader = VideoReader(path)
    numbers = numbers_of(reader)
    assert len(numbers) == reader.num_frames == 60
    assert sum(a != b for a, b in zip(numbers, range(60))) == 2
    assert numbers_of(reader.read(0, 60)) == numbers
    (warning,) = _warnings(caplog)
    assert "2 of 60 frames cannot be decoded" in warning


def test_more_damage_is_refused_with_its_count(tmp_path):
    whole = write_video(
        tmp_path / "a.mkv", numbered_frames(40), codec="mjpeg", pixel_format="yuvj420p"
    )
    path = remux(whole, tmp_path / "b.mkv", _garbled(range(20, 26)))
    with pytest.raises(MediaError, match=r"of 40 frames cannot be decoded; at most 10%"):
        list(VideoReader(path))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_cut_off_file_gives_what_is_there_or_says_what_is_missing(tmp_path, film, name, caplog):
    whole = remux(
        film, tmp_path / name, lambda _, packet: packet, options={"movflags": "+faststart"}
    )
    content = whole.read_bytes()
    whole.write_bytes(content[: int(0.96 * len(content))])
    reader = VideoReader(whole)
    assert 54 <= reader.num_frames <= 60
    numbers = numbers_of(reader)
    assert numbers[:50] == list(range(50)) and len(numbers) == reader.num_frames
    assert _warnings(caplog)
    whole.write_bytes(content[: len(content) // 2])
    with pytest.raises(MediaError, match=r"is cut off: it holds .* s and its header announces"):
        VideoReader(whole)


def test_frames_of_a_variable_rate_come_at_their_times(tmp_path, caplog):
    """30 fps, then 15: pictures were up to 0.57 s off."""
    stamps = [*range(0, 990, 33), *range(1000, 3000, 67)]
    path = write_video(tmp_path / "a.mkv", numbered_frames(60), stamps, MS, options={"bf": "0"})
    reader = VideoReader(path)
    assert reader.fps == 30 and reader.num_frames == 90
    for index, number in enumerate(numbers_of(reader)):
        middle_ms = (index + 0.5) * 1000 / 30
        assert stamps[number] <= middle_ms + 1
        assert number == 59 or stamps[number + 1] >= middle_ms - 1
    (warning,) = _warnings(caplog)
    assert "varies" in warning and "30 frames a second" in warning


def test_a_browser_recording_gets_the_rate_of_its_stamps(tmp_path, rng):
    """Stamps in milliseconds, no durations, a header that says 1000 fps."""
    stamps = np.round(np.arange(60) * 1000 / 30 + rng.uniform(-9, 9, 60)).astype(int)
    stamps[0] = 0
    options = {"b": "2M", "deadline": "realtime"}
    path = write_video(
        tmp_path / "a.webm", numbered_frames(60), stamps, MS, codec="libvpx", options=options
    )
    reader = VideoReader(path)
    assert reader.fps == 30
    assert numbers_of(reader) == list(range(60))


def test_high_speed_footage_is_shown_at_a_rate_that_can_be_written(tmp_path, caplog):
    path = write_video(tmp_path / "a.mp4", numbered_frames(48), time_base=MS * 1000 / 240)
    reader = VideoReader(path)
    assert (reader.fps, reader.num_frames) == (120, 24)
    assert numbers_of(reader) == list(range(1, 48, 2))
    assert "240 frames a second are shown at 120" in caplog.text


def test_stamps_that_repeat_or_are_missing_are_survived(tmp_path, film):
    stamps = [*range(0, 400, 40), 361, *range(400, 760, 40)]
    path = write_video(tmp_path / "a.mkv", numbered_frames(20), stamps, MS, options={"bf": "0"})
    numbers = numbers_of(VideoReader(path))
    assert len(numbers) == 19 and numbers[-1] == 19
    raw = remux(film, tmp_path / "raw.h264", lambda _, packet: packet, format="h264")
    assert numbers_of(VideoReader(raw)) == list(range(60))


def test_recordings_that_were_glued_together_go_on(tmp_path, film):
    one = remux(film, tmp_path / "a.ts", lambda _, packet: packet).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(one + one)
    assert numbers_of(VideoReader(path)) == [*range(60), *range(60)]


def test_a_reader_of_the_same_video_has_its_own_position(film):
    reader = VideoReader(film)
    first = reader.read(0, 2)
    other = reader.reopened()
    assert numbers_of(other.read(50, 60)) == list(range(50, 60))
    assert numbers_of(reader.read(2, 4)) == [2, 3]
    assert np.array_equal(other.read(0, 2), first)


def _with_cover(path, film, marked=False, tone=False):
    """Write a picture as first video stream, then a film's packets, or a tone, or nothing."""
    with av.open(str(path), "w") as output, av.open(str(film)) as source:
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 320, 240, "yuvj420p"
        if marked:
            cover.disposition = av.stream.Disposition.attached_pic
        copy = sound = None
        if tone:
            sound = output.add_stream("flac", rate=48_000)
        else:
            copy = output.add_stream_from_template(source.streams.video[0])
        picture = av.VideoFrame.from_ndarray(np.zeros((240, 320, 3), np.uint8), format="rgb24")
        picture.pts = 0
        output.mux(cover.encode(picture))
        output.mux(cover.encode(None))
        if tone:
            frame = av.AudioFrame.from_ndarray(
                np.full((1, 24_000), 8000, np.int16), format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts = 48_000, 0
            output.mux(sound.encode(frame))
            output.mux(sound.encode(None))
        else:
            for packet in source.demux(source.streams.video[0]):
                if packet.size:
                    packet.stream = copy
                    output.mux(packet)
    return path


@pytest.mark.parametrize("marked", [False, True])
def test_a_cover_picture_is_not_the_film(tmp_path, film, marked):
    path = _with_cover(tmp_path / "a.mkv", film, marked)
    reader = VideoReader(path)
    assert (reader.width, reader.height) == (64, 48)
    assert numbers_of(reader) == list(range(60))


@pytest.mark.parametrize("marked", [False, True])
def test_a_sound_with_a_cover_picture_is_a_sound(tmp_path, film, marked):
    path = _with_cover(tmp_path / "a.mkv", film, marked, tone=True)
    with pytest.raises(MediaError, match="is a sound, not a video"):
        VideoReader(path)
    assert AudioTrack.load(path).duration_s == pytest.approx(0.5, abs=0.01)


def test_of_several_films_the_largest_is_read(tmp_path, film, caplog):
    large = write_video(tmp_path / "b.mp4", numbered_frames(20, 96, 128))
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as output:
        for source in (film, large):
            with av.open(str(source)) as container:
                output.add_stream_from_template(container.streams.video[0])
        for index, source in enumerate((film, large)):
            with av.open(str(source)) as container:
                for packet in itertools.islice(container.demux(video=0), 20):
                    packet.stream = output.streams[index]
                    output.mux(packet)
    reader = VideoReader(path)
    assert (reader.width, reader.num_frames) == (128, 20)
    assert "holds 2 video streams; number 1 is used" in caplog.text


@pytest.mark.parametrize("start_s", [0.58, 0.0])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_sound_that_starts_later_is_heard_later(tmp_path, film, name, start_s):
    """It was heard 0.58 s too early."""
    path = write_tone(tmp_path / name, 1.0, start_s, film)
    heard = AudioTrack.load(path)
    loud = np.flatnonzero(np.abs(heard.samples) > 0.2)
    assert loud[0] / heard.sample_rate == pytest.approx(start_s, abs=0.005)
    assert loud[-1] / heard.sample_rate == pytest.approx(start_s + 1, abs=0.005)


def test_sound_that_starts_earlier_is_heard_from_the_first_frame_on(tmp_path, film):
    def later(_, packet):
        shift = round(0.4 / packet.time_base)
        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
        return packet

    late = remux(film, tmp_path / "late.mkv", later)
    path = write_tone(tmp_path / "a.mkv", 1.0, 0.0, late)
    assert VideoReader(path).audio().duration_s == pytest.approx(0.6, abs=0.005)


def test_the_codec_of_a_film_that_cannot_be_decoded_is_named(tmp_path, film):
    path = remux(film, tmp_path / "a.mkv", _garbled(range(60)))
    with pytest.raises(MediaError, match="no frame of its h264 video can be decoded"):
        VideoReader(path)


def test_gray_stays_where_it_was(film):
    assert abs(float(next(iter(VideoReader(film))).mean()) - DARKEST) < 1


def test_the_beginning_ends_early_and_decodes_no_more(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", numbered_frames(60), options={"g": "10", "bf": "0"})
    video = VideoReader(path)
    beginning = video.beginning(12)
    assert (beginning.num_frames, beginning.duration_s) == (12, 0.48)
    assert numbers_of(beginning) == list(range(12))
    assert numbers_of(beginning.read(3, 12)) == list(range(3, 12))
    with pytest.raises(InputError, match="<= 12"):
        beginning.read(0, 13)
    decoded = []
    plain = video_reader.decoded_frames

    def counted(*arguments):
        for frame in plain(*arguments):
            decoded.append(frame)
            yield frame

    monkeypatch.setattr(video_reader, "decoded_frames", counted)
    assert len(list(video.beginning(12))) == 12 and len(decoded) == 13
    assert video.num_frames == 60 and numbers_of(video) == list(range(60))
    assert video.beginning(99).num_frames == 60
