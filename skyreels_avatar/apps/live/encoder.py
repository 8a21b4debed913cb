"""H.264 for many viewers: a picture is encoded once, however many look on."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

TIME_BASE = Fraction(1, 90_000)
_KEY_S = 1.0  # whoever has lost something sees a whole picture again after this time
_OPTIONS = {
    "preset": "veryfast", "tune": "zerolatency", "crf": "23", "maxrate": "2500k",
    "bufsize": "1250k", "profile": "baseline",
}  # fmt: skip


class PictureEncoder:
    """Encodes pictures as H.264 that every browser decodes, each at once.

    Args:
        height, width: of the pictures, in pixels, even.
        fps: how many come a second at most.
    """

    def __init__(self, height: int, width: int, fps: float):
        self._context = av.CodecContext.create("libx264", "w")
        self._context.width, self._context.height = width, height
        self._context.pix_fmt = "yuv420p"
        self._context.framerate = Fraction(fps).limit_denominator(1000)
        self._context.time_base = TIME_BASE
        self._context.thread_count = 1
        self._context.options = dict(_OPTIONS)
        self._last_key_s = -_KEY_S

    def encode(self, image: np.ndarray, time_s: float, key: bool = False) -> list[av.Packet]:
        """Return the packets of a picture, (H, W, 3) uint8.

        Args:
            time_s: when it is shown.
            key: whoever sees it may not have seen anything before.
        """
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = round(time_s / TIME_BASE), TIME_BASE
        if key or time_s - self._last_key_s >= _KEY_S:
            frame.pict_type = av.video.frame.PictureType.I
            self._last_key_s = time_s
        return self._context.encode(frame)
