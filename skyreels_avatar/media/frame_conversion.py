"""Convert decoded frames to the pictures that players show."""

from __future__ import annotations

import copy
import logging
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from skyreels_avatar.media.color_conversion import (
    describe_color,
    has_alpha,
    hdr_to_rgb,
    to_rgb,
    to_rgb_on_white,
)
from skyreels_avatar.media.orientation import orientation_of, square_size
from skyreels_avatar.media.video_stream import UNKNOWN_COLOR, StreamScan

logger = logging.getLogger(__name__)


class FrameConverter:
    """Converts the frames of one stream to upright sRGB pictures of one size.

    Args:
        first: its first frame, which decides size, orientation and color of all.
        stream: where it comes from.
        scan: of the file.
        path: for messages.

    Attributes:
        notes: what is converted, for the log.
        is_wide: whether colors are converted from HDR or a wide gamut.
    """

    def __init__(self, first: av.VideoFrame, stream: VideoStream, scan: StreamScan, path: Path):
        self._path = path
        self._reformatter = VideoReformatter()
        self._orientation = orientation_of(first)
        aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
        self._stored_size = first.height, first.width
        self._size = square_size(first.height, first.width, aspect)
        self._has_alpha = has_alpha(first)
        self._reported: set[str] = set()
        self._transfer = _code(first, "color_trc", scan.transfer)
        self._primaries = _code(first, "color_primaries", scan.primaries)
        color = describe_color(self._transfer, self._primaries)
        self.is_wide = bool(color)
        self.notes = []
        if self.is_wide:
            self.notes.append(f"its colors ({color}) are converted to BT.709")
        if self._size != (first.height, first.width):
            self.notes.append(
                f"its pixels are not square ({aspect}): {first.width}x{first.height} is shown as "
                f"{self._size[1]}x{self._size[0]}"
            )

    def copied(self) -> FrameConverter:
        """Return an equal converter that another thread may use at the same time."""
        other = copy.copy(self)
        other._reformatter = VideoReformatter()
        return other

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """Return (H, W, 3) uint8 sRGB."""
        if (frame.height, frame.width) != self._stored_size:
            self._report_once(
                f"its frames change from {self._stored_size[1]}x{self._stored_size[0]} to "
                f"{frame.width}x{frame.height}; all are shown at the first size"
            )
        if self.is_wide:
            pixels = hdr_to_rgb(
                frame, self._size, self._reformatter, self._transfer, self._primaries
            )
        elif self._has_alpha:
            pixels, is_transparent = to_rgb_on_white(frame, self._size, self._reformatter)
            if is_transparent:
                self._report_once("what is transparent in it is laid on white")
        else:
            pixels = to_rgb(frame, self._size, self._reformatter)
        return self._orientation.apply(pixels)

    def _report_once(self, message: str) -> None:
        if message not in self._reported:
            self._reported.add(message)
            logger.warning("%s: %s", self._path, message)


def _code(frame: av.VideoFrame, name: str, of_container: int) -> int:
    """Return a color code of a frame, else the container's; not every PyAV tells it of frames."""
    code = int(getattr(frame, name, UNKNOWN_COLOR))
    return of_container if code == UNKNOWN_COLOR else code
