"""The eight ways a frame can lie, and pixels that are not square."""

from __future__ import annotations

import itertools
import struct
from fractions import Fraction

import numpy as np
import pytest

from skyreels_avatar.media.orientation import Orientation, square_size
from skyreels_avatar.media.video import VideoReader, VideoWriter
from tests.media.videos import numbered_frames, numbers_of, write_video

ONE = 1 << 16
# a, b, c, d of the matrix: where a step to the right and a step down go.
WAYS = [
    (a * ONE, b * ONE, c * ONE, d * ONE)
    for a, b, c, d in itertools.product((-1, 0, 1), repeat=4)
    if abs(a * d - b * c) == 1 and abs(a) + abs(b) == 1 and abs(c) + abs(d) == 1
]


@pytest.mark.parametrize("way", WAYS)
def test_every_pixel_goes_where_the_matrix_says(way):
    a, b, c, d = (value // ONE for value in way)
    pixels = np.arange(3 * 5 * 3).reshape(3, 5, 3)
    matrix = np.array([way[0], way[1], 0, way[2], way[3], 0, 0, 0, 1 << 30])
    shown = Orientation.of_matrix(matrix).apply(pixels)
    places = {(y, x): (b * x + d * y, a * x + c * y) for y in range(3) for x in range(5)}
    top = min(place[0] for place in places.values())
    left = min(place[1] for place in places.values())
    for (y, x), (row, column) in places.items():
        assert (shown[row - top, column - left] == pixels[y, x]).all()


@pytest.mark.parametrize("way", WAYS)
def test_footage_is_turned_and_mirrored_by_the_matrix_of_its_track(tmp_path, way):
    """A mirroring matrix came out upside down: only its angle was looked at."""
    y, x = np.mgrid[0:64, 0:80]
    pixels = np.stack([3 * x, 3 * y, 0 * x], -1).astype(np.uint8)
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 64, 80, 25, crf=1) as writer:
        writer.write(np.stack([pixels] * 3))
    stored = next(iter(VideoReader(path)))
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 20] = struct.pack(">5i", way[0], way[1], 0, way[2], way[3])
    path.write_bytes(content)
    expected = Orientation.of_matrix(np.array([way[0], way[1], 0, way[2], way[3], 0])).apply(stored)
    reader = VideoReader(path)
    assert (reader.height, reader.width) == expected.shape[:2]
    assert np.array_equal(reader.read(0, 1)[0], expected)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [
        (None, (479, 853)), (Fraction(1), (479, 853)), (Fraction(0), (479, 853)),
        (Fraction(16, 11), (479, 1240)), (Fraction(1, 2), (958, 853)), (Fraction(99), (479, 853)),
    ],
)  # fmt: skip
def test_the_side_that_is_too_short_grows(aspect, size):
    assert square_size(479, 853, aspect) == size


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_pixels_that_are_not_square_are_stretched(tmp_path, name, caplog):
    """Faces came out half as wide."""

    def adjust(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)

    path = write_video(tmp_path / name, numbered_frames(5), adjust=adjust)
    reader = VideoReader(path)
    assert (reader.height, reader.width) == (48, 128)
    assert numbers_of(reader) == list(range(5))
    assert "64x48 is shown as 128x48" in caplog.text


def test_odd_sizes_are_read_whole(tmp_path):
    path = write_video(tmp_path / "a.mkv", numbered_frames(3, 47, 63), pixel_format="yuv444p")
    assert VideoReader(path).read(0, 3).shape == (3, 47, 63, 3)
