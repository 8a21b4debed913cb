"""Decode picture files to upright 8-bit sRGB, whatever their mode, depth, profile or rotation."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.files import media_kind, open_container

logger = logging.getLogger(__name__)

MIN_SIDE_PX = 64
MAX_SIDE_PX = 16_384
MAX_PIXELS = 100_000_000
# Files of several pictures that are not animations: phones and stereo cameras add small versions.
_STILL_FORMATS = {"MPO", "TIFF", "ICO", "PSD", "HEIF"}
# No format whose reader starts another program (EPS) or draws what is in the file (WMF).
_FORMATS = (
    "JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "AVIF", "HEIF", "JPEG2000",
    "TGA", "ICO", "PSD", "DDS", "SGI", "PCX", "QOI",
)  # fmt: skip
PHOTO_SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".bmp",
    ".tif",
    ".tiff",
)  # of selectors of faces
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_STRIP_PIXELS = 4_000_000


def decode_picture(path: Path) -> np.ndarray:
    """Return (H, W, 3) uint8 sRGB of a file.

    Raises:
        MediaError: it is damaged, no picture, too small or too large.
    """
    if is_heif(path):
        _register_heif(path)
    try:
        return _read(path)
    except MediaError:
        raise
    except UnidentifiedImageError:
        return _decode_with_ffmpeg(path)
    except Image.DecompressionBombError as error:
        raise MediaError(_too_large(path, "more than 178 megapixels")) from error
    except MemoryError:
        raise
    except Exception as error:
        # Pillow's readers raise anything from SyntaxError to struct.error on damaged files.
        raise MediaError(
            f"{path} is damaged or cut off: its header or its pixels cannot be decoded"
        ) from error


def check_picture_size(width: int, height: int, name: object) -> None:
    """Refuse a picture that is too small or too large.

    Raises:
        MediaError: with the size and the limits.
    """
    if min(width, height) < MIN_SIDE_PX:
        raise MediaError(
            f"{name} is {width}x{height} pixels; at least {MIN_SIDE_PX}x{MIN_SIDE_PX} are needed"
        )
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise MediaError(_too_large(name, f"{width}x{height} pixels"))


def _too_large(name: object, size: str) -> str:
    return (
        f"{name} is {size}; at most {MAX_PIXELS // 10**6} megapixels and "
        f"{MAX_SIDE_PX} a side are read, scale it down first"
    )


def _read(path: Path) -> np.ndarray:
    """Return (H, W, 3) uint8 sRGB of a file that Pillow knows.

    Raises:
        UnidentifiedImageError: it is of no format of `_FORMATS`.
        Exception: whatever Pillow's readers raise on damaged files.
    """
    with warnings.catch_warnings():
        # Sizes are checked from the header, before anything is decoded; odd tags do not matter.
        warnings.simplefilter("ignore")
        with Image.open(path, formats=_known_formats()) as image:
            check_picture_size(*image.size, path)
            # Counting frames would read a file of a million of them to its end.
            if image.format not in _STILL_FORMATS and getattr(image, "is_animated", False):
                logger.warning("%s is an animation; only its first frame is used", path)
            return _to_srgb(image, path)


@cache
def _known_formats() -> tuple[str, ...]:
    """Return `_FORMATS` without those that this version of Pillow cannot read."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def is_heif(path: Path) -> bool:
    """Tell whether a file says that it is HEIC or HEIF, as phones write them."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS


def _register_heif(path: Path) -> None:
    """Teach Pillow to read HEIC, whose tiles FFmpeg takes for the frames of a video."""
    try:
        from pi_heif import register_heif_opener
    except ImportError as error:
        raise MediaError(
            f"{path} is a HEIC picture, which needs the package pi-heif; install it, or convert "
            "the picture to JPEG or PNG (phones can save JPEG: 'most compatible')"
        ) from error
    if "HEIF" not in Image.OPEN:
        register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
        _known_formats.cache_clear()


def _to_srgb(image: Image.Image, path: Path) -> np.ndarray:
    """Return (H, W, 3) uint8 sRGB of an opened picture: decoded, upright, opaque.

    It is converted in strips: several copies of 100 megapixels would be gigabytes.
    """
    image.load()  # first: PNG keeps some of its info behind the pixels, TIFF is turned by it
    strips = _Strips(image)
    profile = image.info.get("icc_profile")
    to_srgb = None
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top, strip in strips:
        strip = _opaque(strips.eight_bits(strip))
        if profile and top == 0:
            to_srgb = _profile_transform(profile, strip.mode, path)
        if to_srgb is not None:
            strip = ImageCms.applyTransform(strip, to_srgb)
        pixels[top : top + strip.height] = np.asarray(strip.convert("RGB"))
    return _upright(pixels, image)


class _Strips:
    """A picture in strips of rows, and what brings their values to eight bits."""

    def __init__(self, image: Image.Image):
        self._image = image
        self._rows = max(1, _STRIP_PIXELS // image.width)
        self._full_scale = None
        if image.mode.startswith(("I", "F")):
            largest = max(float(self._values(strip).max()) for _, strip in self)
            scales = (top for top in (1.0, 255.0, 65535.0) if largest <= top)
            self._full_scale = next(scales, largest)
            if image.mode.startswith("I"):
                self._full_scale = max(self._full_scale, 65535.0)

    def __iter__(self) -> Iterator[tuple[int, Image.Image]]:
        """Yield the first row of each strip and the strip."""
        width, height = self._image.size
        for top in range(0, height, self._rows):
            yield top, self._image.crop((0, top, width, min(height, top + self._rows)))

    def eight_bits(self, strip: Image.Image) -> Image.Image:
        """Return mode L from 16-bit, 32-bit or floating-point gray; others as they are."""
        if self._full_scale is None:
            return strip
        values = self._values(strip) * (255 / self._full_scale) + 0.5
        return Image.fromarray(values.astype(np.uint8))

    @staticmethod
    def _values(strip: Image.Image) -> np.ndarray:
        values = np.asarray(strip).astype(np.float64)
        return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).clip(0)


def _opaque(image: Image.Image) -> Image.Image:
    """Return a picture laid on white where it is transparent, without a palette."""
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB") if image.mode in ("P", "1") else image


def _profile_transform(profile: bytes, mode: str, path: Path):
    """Return the transform from a color profile to sRGB; None, with a warning, if it is none."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        logger.warning("%s: its color profile cannot be used (%s), taken as sRGB", path, error)
        return None


def _upright(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    """Return (H, W, 3) turned as the camera's rotation tag says."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged tags; the pixels are fine
        return pixels
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    across, down = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    return np.ascontiguousarray(pixels[:: -1 if down else 1, :: -1 if across else 1])


def _decode_with_ffmpeg(path: Path) -> np.ndarray:
    """Return (H, W, 3) uint8 of a still that Pillow does not know: HEIC, 16-bit TIFF, EXR."""
    kind = media_kind(path)
    if kind in ("a sound", "a video"):
        raise MediaError(f"{path} is {kind}, not a picture")
    unknown = MediaError(f"{path} is not a picture that can be read (JPEG, PNG, WebP, TIFF, ...)")
    if kind != "a picture":
        raise unknown
    with open_container(path, "picture") as container:
        context = container.streams.video[0].codec_context if container.streams.video else None
        if context is None:
            raise unknown
        if context.width and context.height:
            check_picture_size(context.width, context.height, path)
        try:
            return next(container.decode(video=0)).to_ndarray(format="rgb24")
        except Exception as error:
            # FFmpeg also believes a file's ending, so this may be a text that is called .png.
            raise MediaError(f"{path} is not a picture, or a damaged one") from error
