"""Video: exact lengths, true colors, whole files or none."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from skyreels_avatar.errors import InputError, MediaError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.color_conversion import EXACT
from skyreels_avatar.media.video import (
    COLORS,
    NullVideoWriter,
    VideoReader,
    VideoWriter,
    _to_yuv,
    check_output,
    exact_fps,
)
from skyreels_avatar.shapes import frames_of_duration


def _frames(count: int, height: int = 64, width: int = 80) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    moving = [np.stack([x * 3, y * 3, 0 * x + 2 * index % 256], -1) for index in range(count)]
    return np.stack(moving).astype(np.uint8)


def _write(path, frames, fps=25.0, audio=None, **options):
    with VideoWriter(path, *frames.shape[1:3], fps, audio, **options) as writer:
        writer.write(frames)
    return path


def _durations(path) -> dict[str, float]:
    with av.open(str(path)) as container:
        return {s.type: float(s.duration * s.time_base) for s in container.streams}


@pytest.mark.parametrize("color", list(COLORS))
def test_yuv_is_what_swscale_makes_to_one_level(color):
    """Its exact twin takes three times as long."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    matrix = {"bt709": Colorspace.ITU709, "bt601": Colorspace.ITU601}[color]
    exact = VideoReformatter().reformat(
        av.VideoFrame.from_ndarray(pixels, format="rgb24"), format="yuv420p",
        src_colorspace=matrix, dst_colorspace=matrix, dst_color_range=ColorRange.MPEG,
        interpolation=EXACT | 0x20,  # chroma is averaged over its area
    ).to_ndarray()  # fmt: skip
    found = _to_yuv(pixels, color).to_ndarray().astype(int)
    assert np.abs(found - exact).max() <= 1 and abs((found - exact).mean()) < 0.1


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 29.97, 23.976, 12.5])
@pytest.mark.parametrize("duration_s", [0.1, 0.333, 1.017, 2.5])
def test_frames_are_exact_and_sound_ends_with_the_picture(tmp_path, fps, duration_s):
    """The sound is a little longer, then a little shorter than the picture."""
    count = frames_of_duration(duration_s, fps)
    for sound_s, rate in ((duration_s, 44_100), (duration_s + 0.7, 16_000), (0.1, 48_000)):
        audio = AudioTrack(np.full(round(sound_s * rate), 0.1, np.float32), rate)
        path = _write(tmp_path / "a.mp4", _frames(count), fps, audio)
        reader = VideoReader(path)
        assert reader.num_frames == count == sum(1 for _ in reader)
        durations = _durations(path)
        assert abs(durations["video"] - count / exact_fps(fps)) < 1e-3
        assert abs(durations["video"] - durations["audio"]) < 2e-3


def test_the_file_is_h264_and_aac_that_streams_and_is_tagged(tmp_path):
    path = _write(
        tmp_path / "a.mp4", _frames(30), audio=AudioTrack(np.zeros(44_100, np.float32), 44_100)
    )
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert video.codec_context.name == "h264" and audio.codec_context.name == "aac"
        assert video.codec_context.pix_fmt == "yuv420p"
        assert (video.codec_context.colorspace, video.codec_context.color_range) == (1, 1)
        assert audio.codec_context.sample_rate == 48_000
        assert video.start_time == 0 and audio.start_time == 0
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "players must start before the end"


def test_tags_are_in_the_file(tmp_path):
    path = _write(tmp_path / "a.mp4", _frames(3), metadata={"comment": "made by a machine"})
    with av.open(str(path)) as container:
        assert container.metadata["comment"] == "made by a machine"


def test_colors_come_back_as_they_went_in(tmp_path):
    colors = np.array([[200, 150, 120], [255, 0, 0], [0, 0, 255], [128] * 3, [0] * 3, [255] * 3])
    frames = np.broadcast_to(colors[:, None, None], (6, 64, 64, 3)).astype(np.uint8)
    path = _write(tmp_path / "a.mp4", frames, crf=4)
    for color, frame in zip(colors, VideoReader(path)):
        assert np.abs(frame.mean(axis=(0, 1)) - color).max() < 2.5


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_the_sound_sits_on_its_frame_at_its_level(tmp_path, rate):
    """A click at 0.5 s of the sound is heard at 0.5 s of the film, as loud as it was."""
    samples = np.zeros(rate, np.float32)
    samples[rate // 2 : rate // 2 + rate // 100] = 0.5
    path = _write(tmp_path / "a.mp4", _frames(25), audio=AudioTrack(samples, rate))
    heard = VideoReader(path).audio()
    assert heard.sample_rate == 48_000
    loud = np.flatnonzero(np.abs(heard.samples) > 0.25) / heard.sample_rate
    assert loud[0] == pytest.approx(0.5, abs=0.003)
    assert np.median(np.abs(heard.samples[np.abs(heard.samples) > 0.25])) == pytest.approx(
        0.5, abs=0.06
    )


def test_stereo_stays_stereo(tmp_path):
    stereo = np.stack([np.full(44_100, 0.3), np.full(44_100, -0.3)]).astype(np.float32)
    path = _write(
        tmp_path / "a.mp4", _frames(25), audio=AudioTrack(stereo[0], 44_100, None, stereo)
    )
    assert VideoReader(path).audio().stereo.shape[0] == 2


def test_same_frames_give_same_bytes_however_they_are_cut_into_batches(tmp_path, rng):
    frames = rng.integers(0, 256, (20, 64, 64, 3)).astype(np.uint8)
    one = _write(tmp_path / "a.mp4", frames)
    with VideoWriter(tmp_path / "b.mp4", 64, 64, 25) as writer:
        for frame in frames:
            writer.write(frame[None])
    assert one.read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_bytes_do_not_depend_on_what_memory_held_before(tmp_path):
    """x264's AVX-512 code reads unwritten memory when the width is not a multiple of 128."""
    code = (
        "import sys; import cv2; import numpy as np\n"
        "from skyreels_avatar.media.video import VideoWriter\n"
        "rng = np.random.default_rng(0)\n"
        "picture = np.kron(rng.integers(0, 256, (30, 30, 3)), np.ones((8, 8, 1)))\n"
        "picture = cv2.GaussianBlur(picture, (0, 0), 6)\n"
        "turns = [cv2.getRotationMatrix2D((48, 48), 0.7 * i, 1) for i in range(50)]\n"
        "frames = np.stack([cv2.warpAffine(picture, turn, (96, 96)) for turn in turns])\n"
        "frames = (frames + rng.normal(0, 2, frames.shape)).clip(0, 255).astype(np.uint8)\n"
        "with VideoWriter(sys.argv[1], 96, 96, 25) as writer: writer.write(frames)\n"
    )
    contents = set()
    for fill in ("1", "85", "170"):
        path = tmp_path / f"{fill}.mp4"
        environment = {**os.environ, "MALLOC_PERTURB_": fill}
        subprocess.run([sys.executable, "-c", code, str(path)], env=environment, check=True)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_nothing_is_left_after_an_error_of_the_caller(tmp_path):
    """Including an older file of that name, which stays as it was."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"older")
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, 64, 80, 25) as writer:
        writer.write(_frames(5))
        raise KeyboardInterrupt
    assert path.read_bytes() == b"older"
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_an_error_while_encoding_reaches_the_caller_and_leaves_nothing(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("skyreels_avatar.media.video._to_yuv", broken)
    with pytest.raises(MediaError, match="no space left"):
        _write(tmp_path / "a.mp4", _frames(5))
    assert not list(tmp_path.iterdir())


def test_a_video_without_frames_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(MediaError, match="no frame"), VideoWriter(tmp_path / "a.mp4", 64, 64, 25):
        pass
    assert not list(tmp_path.iterdir())


def test_encoding_runs_beside_the_caller(tmp_path):
    """Writing returns long before the frames are encoded."""
    frames = np.random.default_rng(0).integers(0, 256, (40, 256, 256, 3)).astype(np.uint8)
    with VideoWriter(tmp_path / "a.mp4", 256, 256, 25) as writer:
        start_s = time.perf_counter()
        writer.write(frames)
        handed_over_s = time.perf_counter() - start_s
    assert handed_over_s < 0.5 * (time.perf_counter() - start_s)


@pytest.mark.parametrize(("height", "width"), [(63, 64), (64, 63), (0, 0)])
def test_odd_sizes_are_refused(tmp_path, height, width):
    with pytest.raises(InputError, match=f"{width}x{height}"):
        VideoWriter(tmp_path / "a.mp4", height, width, 25)


@pytest.mark.parametrize("fps", [0, -1, 1000, float("nan"), float("inf")])
def test_impossible_rates_are_refused(fps):
    with pytest.raises(InputError, match="between 1 and 120"):
        exact_fps(fps)


def test_television_rates_are_exact():
    assert str(exact_fps(29.97)) == "30000/1001"
    assert str(exact_fps(23.976)) == "24000/1001"
    assert str(exact_fps(59.94)) == "60000/1001"
    assert str(exact_fps(25)) == "25"


@pytest.mark.parametrize(
    "name", ["a.avi", "a", "absent/a.mp4", "file/a.mp4", "folder.mp4", "\0.mp4"]
)
def test_places_that_cannot_be_written_are_refused_at_once(tmp_path, name):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(MediaError, match="output"):
        check_output(tmp_path / name)
    assert not list(tmp_path.glob(".*"))


def test_reading_any_range_gives_the_frames_of_the_whole(tmp_path):
    path = _write(tmp_path / "a.mp4", _frames(30), crf=1)
    reader = VideoReader(path)
    whole = np.stack(list(reader))
    assert (reader.height, reader.width, reader.fps) == (64, 80, 25.0)
    for start, stop in [(0, 5), (5, 12), (3, 4), (20, 30)]:
        assert np.array_equal(reader.read(start, stop), whole[start:stop])
    with pytest.raises(InputError, match="30"):
        reader.read(25, 31)


def test_a_film_without_sound_has_none(tmp_path):
    path = _write(tmp_path / "a.mp4", _frames(5))
    assert VideoReader(path).audio() is None
    with pytest.raises(MediaError, match=r"holds no sound \(a video"):
        AudioTrack.load(path)


def test_a_cut_off_film_is_refused(tmp_path):
    path = _write(tmp_path / "a.mp4", _frames(30))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])
    with pytest.raises(MediaError):
        list(VideoReader(path))


def test_rotated_footage_is_turned_upright(tmp_path):
    """Phones store a quarter turn clockwise beside the frames, in the track header's matrix."""
    path = _write(tmp_path / "a.mp4", _frames(3), crf=1)
    upright = np.rot90(next(iter(VideoReader(path))), -1)
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    content[matrix : matrix + 20] = struct.pack(">5i", 0, 1 << 16, 0, -1 << 16, 0)
    path.write_bytes(content)
    reader = VideoReader(path)
    assert (reader.height, reader.width) == (80, 64)
    assert np.array_equal(reader.read(0, 1)[0], upright)


@pytest.mark.parametrize("color", ["bt709", "bt601"])
def test_the_file_says_how_its_colors_are_meant(tmp_path, color):
    pixels = np.empty((2, 64, 96, 3), np.uint8)
    pixels[:] = (200, 60, 30)
    with VideoWriter(tmp_path / "a.mp4", 64, 96, 25, color=color) as writer:
        writer.write(pixels)
    video = VideoReader(tmp_path / "a.mp4")
    assert video.color == color
    assert np.abs(video.read(0, 1)[0].astype(int) - pixels[0]).max() <= 4


def test_a_process_that_does_not_write_counts_frames_and_writes_nothing(tmp_path):
    with NullVideoWriter(tmp_path / "a.mp4", 64, 64, 25, color="bt709") as writer:
        writer.write(np.zeros((3, 64, 64, 3), np.uint8))
        writer.write(np.zeros((2, 64, 64, 3), np.uint8))
    assert writer.num_frames == 5 and not list(tmp_path.iterdir())
