"""Pictures: every valid kind becomes (H, W, 3) sRGB, every broken one a clear message."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from PIL import Image, ImageCms

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.image import Portrait


@pytest.fixture
def pixels() -> np.ndarray:
    """(80, 96, 3) uint8: red rises to the right, green downwards."""
    y, x = np.mgrid[0:80, 0:96]
    return np.stack([x * 255 // 95, y * 255 // 79, 128 + 0 * x], axis=-1).astype(np.uint8)


def _gray(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).convert("L"))


def _save(image: Image.Image, path, **options):
    image.save(path, **options)
    return Portrait.load(path).pixels


def test_an_ordinary_picture_keeps_its_pixels(pixels, tmp_path):
    assert np.array_equal(_save(Image.fromarray(pixels), tmp_path / "a.png"), pixels)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "LA", "1", "YCbCr", "LAB"])
def test_every_color_mode_becomes_rgb(pixels, tmp_path, mode):
    name = "a.tif" if mode in ("CMYK", "YCbCr", "LAB") else "a.png"
    image = Image.fromarray(pixels)
    if mode == "LAB":
        to_lab = ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
        )
        image = ImageCms.applyTransform(image, to_lab)
    else:
        image = image.convert(mode)
    # Pillow before 13 cannot read what it writes of YCbCr without compression.
    options = {"compression": "jpeg"} if mode == "YCbCr" else {}
    loaded = _save(image, tmp_path / name, **options)
    expected = _gray(pixels) if mode in ("L", "LA", "1") else pixels
    expected = expected[..., None] if expected.ndim == 2 else expected
    # A dithered palette of 256 colors and Lab rounding cost levels; a bitmap is right on average.
    assert loaded.shape == (80, 96, 3)
    error = loaded.astype(float) - expected
    assert abs(error.mean()) < 8
    if mode != "1":
        assert np.abs(error).mean() < 25


def test_a_cmyk_jpeg_is_not_inverted(pixels, tmp_path):
    loaded = _save(Image.fromarray(pixels).convert("CMYK"), tmp_path / "a.jpg", quality=95)
    assert np.abs(loaded.astype(float) - pixels).mean() < 6


def test_16_bit_gray_is_scaled_not_clipped(pixels, tmp_path):
    wide = _gray(pixels).astype(np.uint16) * 257
    for name in ("a.png", "a.tif"):
        loaded = _save(Image.fromarray(wide), tmp_path / name)
        assert np.abs(loaded[..., 0].astype(int) - _gray(pixels)).max() <= 1


def test_16_bit_color_is_read(pixels, tmp_path):
    import cv2

    for name in ("a.png", "a.tif"):
        cv2.imwrite(str(tmp_path / name), pixels[..., ::-1].astype(np.uint16) * 257)
        loaded = Portrait.load(tmp_path / name).pixels
        assert np.abs(loaded.astype(int) - pixels).max() <= 1


def test_a_floating_point_picture_is_scaled(pixels, tmp_path):
    gray = _gray(pixels).astype(np.float32) / 255
    loaded = _save(Image.fromarray(gray), tmp_path / "a.tif")
    assert np.abs(loaded[..., 0].astype(int) - _gray(pixels)).max() <= 1


def test_transparency_is_laid_on_white(tmp_path):
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    assert (_save(image, tmp_path / "a.png") == 255).all()
    palette = Image.new("P", (64, 64), 0)
    palette.putpalette([10, 20, 30] * 256)
    assert (_save(palette, tmp_path / "b.png", transparency=0) == 255).all()


def test_the_cameras_rotation_is_applied(pixels, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    loaded = _save(Image.fromarray(pixels), tmp_path / "a.png", exif=exif)
    assert np.array_equal(loaded, np.rot90(pixels, -1))


def test_a_color_profile_is_converted_to_srgb(pixels, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    loaded = _save(Image.fromarray(pixels), tmp_path / "a.png", icc_profile=profile)
    assert np.abs(loaded.astype(int) - pixels).max() <= 1


def test_a_broken_color_profile_costs_a_warning_only(pixels, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        loaded = _save(Image.fromarray(pixels), tmp_path / "a.png", icc_profile=b"nonsense" * 20)
    assert np.array_equal(loaded, pixels)
    assert "color profile" in caplog.text


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_an_animation_gives_its_first_frame_and_one_warning(tmp_path, caplog, name):
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "blue", "green")]
    with caplog.at_level(logging.WARNING):
        loaded = _save(
            frames[0], tmp_path / name, save_all=True, append_images=frames[1:], lossless=True
        )
    assert np.abs(loaded[32, 32].astype(int) - [255, 0, 0]).max() < 4
    assert sum("is an animation" in r.message for r in caplog.records) == 1


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(path)
    with pytest.raises(MediaError, match="megapixels"):
        Portrait.load(path)
    Image.new("1", (10_100, 10_000)).save(path)
    with pytest.raises(MediaError, match="10100x10000"):
        Portrait.load(path)


@pytest.mark.parametrize("size", [(1, 1), (63, 200), (20_000, 64)])
def test_absurd_sides_are_refused(tmp_path, size):
    path = tmp_path / "a.png"
    Image.new("RGB", size).save(path)
    with pytest.raises(MediaError, match=f"{size[0]}x{size[1]}"):
        Portrait.load(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a.tif"])
def test_a_cut_off_file_is_refused(tmp_path, rng, name):
    path = tmp_path / name
    Image.fromarray(rng.integers(0, 256, (128, 128, 3)).astype(np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(MediaError, match="damaged"):
        Portrait.load(path)


def test_damaged_bytes_never_escape_as_another_error(tmp_path, rng, pixels):
    """Whatever bytes are flipped, loading gives a picture or a MediaError."""
    for name in ("a.png", "a.jpg", "a.gif"):
        path = tmp_path / name
        Image.fromarray(pixels).save(path)
        content = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(40):
            damaged = content.copy()
            where = rng.integers(4, len(content), size=12)
            damaged[where] = rng.integers(0, 256, size=12)
            path.write_bytes(damaged.tobytes())
            try:
                picture = Portrait.load(path)
            except MediaError:
                continue
            assert picture.pixels.dtype == np.uint8 and picture.pixels.shape[2] == 3


def test_damaged_pictures_of_every_format_are_a_clear_error(pixels, tmp_path, rng):
    """Pillow's readers raise TypeError, SyntaxError and more on damaged files, when opening,
    measuring, or decoding; only MediaError may come out."""
    image, checked = Image.fromarray(pixels), 0
    for name in ("a.png", "a.jpg", "a.webp", "a.tif", "a.gif", "a.bmp", "a.ppm", "a.jp2", "a.tga"):
        image.save(tmp_path / name)
        original = bytearray((tmp_path / name).read_bytes())
        for turn in range(12):
            data = bytearray(original)
            for place in rng.integers(0, min(len(data), 200 if turn % 2 else len(data)), 4):
                data[place] = rng.integers(0, 256)
            if turn % 4 == 3:
                del data[len(data) // 2 :]
            (tmp_path / name).write_bytes(data)
            try:
                Portrait.load(tmp_path / name)
            except MediaError:
                checked += 1
    assert checked > 20


def test_a_picture_that_would_start_another_program_is_refused(tmp_path):
    """EPS files are PostScript, which Pillow hands to Ghostscript."""
    path = tmp_path / "a.png"
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 96 80\nshowpage\n%%EOF\n")
    with pytest.raises(MediaError, match="not a picture"):
        Portrait.load(path)


def test_the_frames_of_an_animation_are_not_counted(pixels, tmp_path, monkeypatch):
    """A GIF of a million frames was read to its end to say that it is an animation."""
    from PIL import GifImagePlugin

    frames = [Image.fromarray(np.roll(pixels, shift, 0)) for shift in range(5)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])

    def counted(self):
        raise AssertionError("all frames were counted")

    monkeypatch.setattr(GifImagePlugin.GifImageFile, "n_frames", property(counted))
    assert Portrait.load(tmp_path / "a.gif").pixels.shape == (80, 96, 3)


@pytest.mark.parametrize("strip", [96, 300, 10**9])
@pytest.mark.parametrize("mode", ["RGBA", "F", "I;16", "P"])
def test_strips_give_what_the_whole_gives(pixels, tmp_path, monkeypatch, mode, strip):
    """100 megapixels of floating-point gray took 3 GB at once."""
    image = Image.fromarray(pixels)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(pixels[..., 0]))
    elif mode == "P":
        image = image.quantize(64)
        image.info["transparency"] = 3
    else:
        gray = pixels[..., 0].astype(np.float32) / 300
        image = Image.fromarray(gray if mode == "F" else (gray * 60_000).astype(np.uint16))
    image.save(tmp_path / "a.tif" if mode in ("F", "I;16") else tmp_path / "a.png")
    path = next(tmp_path.iterdir())
    whole = Portrait.load(path).pixels
    monkeypatch.setattr("skyreels_avatar.media.image_decoding._STRIP_PIXELS", strip)
    assert np.array_equal(Portrait.load(path).pixels, whole)


def test_a_heic_picture_says_what_it_needs(tmp_path, monkeypatch):
    """Its tiles look like a video to FFmpeg."""
    import sys

    path = tmp_path / "phone.heic"
    path.write_bytes(b"\x00\x00\x00\x24ftypheic\x00\x00\x00\x00" + bytes(200))
    with pytest.raises(MediaError, match=r"damaged|not a picture"):
        Portrait.load(path)
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(MediaError, match=r"pi-heif.*JPEG"):
        Portrait.load(path)


def test_a_heic_picture_of_tiles_is_opened_whole(shared):
    portrait = Portrait.load(shared / "cases" / "phone.heic")
    assert (portrait.height, portrait.width) == (1024, 1024)
