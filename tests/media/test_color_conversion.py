"""Colors of every kind of video come out as they are meant."""

from __future__ import annotations

import struct

import av
import numpy as np
import pytest

from skyreels_avatar.media.color_conversion import _to_bt709
from skyreels_avatar.media.video import VideoReader
from tests.media.videos import write_video

PQ, HLG, GAMMA = 16, 18, 14
BT2020 = 9
SKIN = (200, 120, 60)
# Linear BT.2020 of linear BT.709 (BT.2087).
WIDER = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
LUMINANCE = np.array([0.2627, 0.6780, 0.0593])


def _encoded(bt709: np.ndarray, transfer: int) -> np.ndarray:
    """Return R'G'B' of BT.2020 that shows BT.709 with white at 203 cd/m2 (BT.2408)."""
    light = bt709**2.4 @ WIDER.T
    if transfer == GAMMA:
        return light ** (1 / 2.4)
    if transfer == PQ:
        power = (light * 203 / 10_000) ** (2610 / 16384)
        return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    shown = light * 203 / 1000
    luminance = (shown @ LUMINANCE)[..., None]
    scene = shown * luminance ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-6)) + c
    )


@pytest.mark.parametrize("transfer", [PQ, HLG, GAMMA])
def test_what_is_not_a_highlight_keeps_its_color(rng, transfer):
    """BT.709 that was put into BT.2020 by the book comes back, up to 88 % of the signal."""
    bt709 = rng.uniform(0.05, 0.88, (40, 40, 3))
    signal = _encoded(bt709, transfer).astype(np.float32)
    back = _to_bt709(signal, transfer, BT2020)
    assert np.abs(back - 255 * bt709).max() < 1.5


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_highlights_stay_apart_and_in_order(transfer):
    levels = np.linspace(0.05, 0.75 if transfer == PQ else 1, 60, dtype=np.float32)
    gray = _to_bt709(np.repeat(levels[None, :, None], 3, 2), transfer, BT2020)[0].astype(int)
    assert (np.ptp(gray, axis=1) <= 1).all(), "gray stays gray"
    assert (np.diff(gray[:, 0]) >= 0).all() and gray[-1, 0] >= 254
    assert len(set(gray[-20:, 0])) > 6


def _flat(path, codec, pixel_format, planes, **tags):
    """Write three frames of one color, given as codes of its planes, with color tags."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        frame = av.VideoFrame(64, 48, pixel_format)
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        frame.colorspace, frame.color_range = tags["colorspace"], tags["color_range"]
        code = "<H" if "10" in pixel_format else "<B"
        for plane, value in zip(frame.planes, planes):
            plane.update(struct.pack(code, value) * (plane.buffer_size // struct.calcsize(code)))
        for index in range(3):
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _color_of(path) -> np.ndarray:
    return next(iter(VideoReader(path)))[24, 8].astype(int)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_footage_is_converted_and_says_so(tmp_path, transfer, full, caplog):
    """It was washed out, without a word."""
    bt709 = np.array(SKIN) / 255
    rgb = _encoded(bt709, transfer)
    luma = rgb @ LUMINANCE
    chroma = np.array([(rgb[2] - luma) / 1.8814, (rgb[0] - luma) / 1.4746])
    if full:
        planes = [round(1023 * luma), *(round(512 + 1023 * c) for c in chroma)]
    else:
        planes = [round(4 * (16 + 219 * luma)), *(round(4 * (128 + 224 * c)) for c in chroma)]
    tags = {"color_trc": transfer, "color_primaries": BT2020, "colorspace": 9}
    path = _flat(
        tmp_path / "a.mkv", "ffv1", "yuv420p10le", planes, **tags, color_range=2 if full else 1
    )
    reader = VideoReader(path)
    assert np.abs(next(iter(reader))[24, 8].astype(int) - SKIN).max() <= 2
    assert reader.color == "bt709"
    assert caplog.text.count("converted to BT.709") == 1


@pytest.mark.parametrize(("color_range", "expected"), [(1, 214), (2, 200)])
def test_full_and_limited_range_are_told_apart(tmp_path, color_range, expected):
    path = _flat(
        tmp_path / "a.mkv", "ffv1", "yuv420p", [200, 128, 128],
        colorspace=1, color_range=color_range,
    )  # fmt: skip
    assert np.abs(_color_of(path) - expected).max() <= 1


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.mkv", "ffv1", "yuv422p10le"), ("a.mkv", "ffv1", "yuv444p12le"),
        ("a.mkv", "ffv1", "gbrp10le"), ("a.mov", "qtrle", "rgb24"), ("a.mov", "png", "rgb24"),
        ("a.mov", "prores_ks", "yuv422p10le"), ("a.avi", "rawvideo", "bgr24"),
        ("a.mkv", "mjpeg", "yuvj422p"), ("a.mkv", "ffv1", "yuv411p"),
    ],
)  # fmt: skip
def test_every_layout_of_pixels_is_read(tmp_path, name, codec, pixel_format):
    frames = np.broadcast_to(np.array(SKIN, np.uint8), (3, 48, 64, 3))
    path = write_video(tmp_path / name, frames, codec=codec, pixel_format=pixel_format)
    assert np.abs(_color_of(path) - SKIN).max() <= 2


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.webm", "libvpx-vp9", "yuva420p"), ("a.mov", "qtrle", "argb"),
        ("a.mov", "png", "rgba"), ("a.mov", "prores_ks", "yuva444p10le"),
    ],
)  # fmt: skip
def test_what_is_transparent_is_laid_on_white(tmp_path, name, codec, pixel_format, caplog):
    """The color behind it was shown, which nobody was meant to see."""
    pixels = np.zeros((3, 48, 64, 4), np.uint8)
    pixels[..., :3] = SKIN
    pixels[:, :, :32, 3] = 255
    path = write_video(
        tmp_path / name, pixels, codec=codec, pixel_format=pixel_format, source_format="rgba"
    )
    for frame in VideoReader(path):
        assert np.abs(frame[24, 8].astype(int) - SKIN).max() <= 3
        assert (frame[24, 56] >= 254).all()
    assert caplog.text.count("laid on white") == 1
