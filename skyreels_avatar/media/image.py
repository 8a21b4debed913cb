"""Pictures as values: `Portrait`, cropped and resized, and the sizes of videos."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from skyreels_avatar.errors import InputError, MediaError
from skyreels_avatar.media.files import existing_file
from skyreels_avatar.media.image_decoding import MIN_SIDE_PX, check_picture_size, decode_picture

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

MAX_VIDEO_SIDE_PX = 4096
_DEFAULT_LONG_SIDE_PX = 768


@dataclass(frozen=True, eq=False)
class Portrait:
    """A picture.

    Args:
        pixels: (H, W, 3) uint8, sRGB.
        path: the file it came from, for messages.
    """

    pixels: np.ndarray
    path: Path | None = None

    def __post_init__(self) -> None:
        pixels = self.pixels
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise MediaError(
                f"a picture is (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}; "
                "use Portrait.load to read files"
            )
        check_picture_size(self.width, self.height, self.path or "picture")

    def __repr__(self) -> str:
        where = "" if self.path is None else f", {str(self.path)!r}"
        return f"Portrait({self.width}x{self.height}{where})"

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.pixels.shape[1]

    @classmethod
    def load(cls, path: str | Path) -> Portrait:
        """Read a picture, upright and in sRGB.

        The camera's rotation is applied; CMYK, gray, palette, 16-bit and foreign color profiles
        are converted; transparency is laid on white; of an animation the first frame counts, with
        one warning.

        Raises:
            MediaError: the file is missing, empty, damaged, no picture, too small or too large.
        """
        path = existing_file(path, "picture")
        return cls(decode_picture(path), path)

    def resized_to(
        self, height: int, width: int, focus_px: tuple[float, float] | None = None
    ) -> Portrait:
        """Return the picture filling height x width: scaled, then cropped, never distorted.

        Args:
            focus_px: (x, y) that the crop is centered on as far as the picture reaches;
                the picture's center by default.
        """
        if (height, width) == (self.height, self.width):
            return self
        scale = max(height / self.height, width / self.width)
        crop_width, crop_height = width / scale, height / scale
        x, y = focus_px or (self.width / 2, self.height / 2)
        # In this order: rounding may leave a crop wider than the picture by the last bit.
        left = max(min(x - crop_width / 2, self.width - crop_width), 0)
        top = max(min(y - crop_height / 2, self.height - crop_height), 0)
        box = (left, top, min(left + crop_width, self.width), min(top + crop_height, self.height))
        # Pillow widens the filter when shrinking, so this averages areas and does not alias.
        resized = Image.fromarray(self.pixels).resize(
            (width, height), Image.Resampling.LANCZOS, box
        )
        return Portrait(np.asarray(resized), self.path)

    def covering(self, height: int, width: int) -> Portrait:
        """Return the picture filling height x width as public video models were shown theirs.

        Scaled with a bilinear filter to cover the size, sides rounded up, and cropped round the
        middle: every pixel as in SkyReels-V3.
        """
        return Portrait(_covering(self.pixels, height, width), self.path)

    def as_tensor(self) -> torch.Tensor:
        """Return (3, H, W) float32 in [0, 1]."""
        import torch

        pixels = torch.from_numpy(np.ascontiguousarray(self.pixels.transpose(2, 0, 1)))
        return pixels.float().div_(255)


def fit_size(source_height: int, source_width: int, size: str | None) -> tuple[int, int]:
    """Return (height, width) of the video, both even.

    Args:
        size: "512x512" (WIDTHxHEIGHT, taken literally), "480p" or "720p" (short side, the
            picture's own aspect), or None (the picture's own aspect, long side at most 768).

    Raises:
        InputError: the size is malformed, odd, or outside 64 to 4096 pixels.
    """
    if size is None:
        scale = min(1.0, _DEFAULT_LONG_SIDE_PX / max(source_height, source_width))
        return _checked_video_size(_even(source_height * scale), _even(source_width * scale), None)
    text = str(size).strip().lower()
    if match := re.fullmatch(r"(\d{1,6})p", text):
        short = int(match[1])
        scale = short / min(source_height, source_width)
        height, width = (_even(side * scale) for side in (source_height, source_width))
        if short % 2 == 0:
            return _checked_video_size(height, width, size)
    elif match := re.fullmatch(r"(\d{1,6})\s*[x\u00d7*]\s*(\d{1,6})", text):
        width, height = int(match[1]), int(match[2])
        if width % 2 == 0 and height % 2 == 0:
            return _checked_video_size(height, width, size)
    else:
        raise InputError(f"size must be WIDTHxHEIGHT like 512x512, or 480p, or 720p, got {size!r}")
    raise InputError(f"size must be even in both directions (H.264 needs it), got {size!r}")


def _covering(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Do the work of `Portrait.covering` on (H, W, 3) bytes of any size."""
    source_height, source_width = pixels.shape[:2]
    scale = max(height / source_height, width / source_width)
    size = math.ceil(scale * source_width), math.ceil(scale * source_height)
    resized = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    return np.asarray(resized)[top : top + height, left : left + width]


def _checked_video_size(height: int, width: int, size: str | None) -> tuple[int, int]:
    if not all(MIN_SIDE_PX <= side <= MAX_VIDEO_SIDE_PX for side in (height, width)):
        asked = f" for size {size!r}" if size else ""
        raise InputError(
            f"a video is {MIN_SIDE_PX} to {MAX_VIDEO_SIDE_PX} pixels wide and high, "
            f"got {width}x{height}{asked}; give another size",
            parameter="size",
        )
    return height, width


def _even(side: float) -> int:
    return max(2, 2 * round(side / 2))
