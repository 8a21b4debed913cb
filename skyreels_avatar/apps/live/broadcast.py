"""A stream as FFmpeg sends it: to a server of broadcasts, to a program like OBS, into a file."""

from __future__ import annotations

import contextlib
import logging
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from skyreels_avatar.errors import InputError

logger = logging.getLogger(__name__)

# What an address begins with, the container that belongs there, and the protocols that FFmpeg may
# use for it. Nothing else is opened, and only what the command line names.
_FORMATS = {
    "rtmp": ("flv", "rtmp,tcp"),
    "rtmps": ("flv", "rtmps,tls,tcp"),
    "srt": ("mpegts", "srt"),
    "udp": ("mpegts", "udp"),
    "tcp": ("mpegts", "tcp"),
}
_SUFFIXES = {".mkv": "matroska", ".ts": "mpegts", ".flv": "flv", ".mp4": "mp4"}
_KEY_S = 2.0  # servers of broadcasts cut at key frames
_MAX_WAITING = 125  # frames, while the network stands still
_STALLED_US = 10_000_000
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0


@dataclass(frozen=True)
class Target:
    """Where a stream is sent.

    Attributes:
        address: as FFmpeg takes it.
        container: its format.
        protocols: that FFmpeg may use.
        is_network: whether it is worth trying again when it fails.
    """

    address: str
    container: str
    protocols: str
    is_network: bool

    def __str__(self) -> str:
        """Without what may be a secret: keys of streams are the end of an address."""
        if not self.is_network:
            return self.address.removeprefix("file:")
        scheme, _, rest = self.address.partition("://")
        return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}/..."


def parse_target(text: str) -> Target:
    """Return the target that `--push` names: an address, a file, or - for standard output.

    Raises:
        InputError: it is none of these, or the FFmpeg of this installation cannot send there.
    """
    scheme, colon, rest = text.partition("://")
    if text == "-":
        return Target("pipe:1", "mpegts", "pipe", False)
    if colon:
        if scheme.lower() not in _FORMATS or not rest:
            raise InputError(
                f"push takes {', '.join(_FORMATS)} addresses, a file or -, got {text[:200]!r}",
                parameter="push",
            )
        return Target(f"{scheme.lower()}://{rest}", *_FORMATS[scheme.lower()], True)
    ending = text[text.rfind(".") :].lower() if "." in text else ""
    if ending not in _SUFFIXES:
        raise InputError(
            f"push takes files that end in {', '.join(_SUFFIXES)}, addresses such as rtmp://, or -,"
            f" got {text[:200]!r}", parameter="push",
        )  # fmt: skip
    return Target(f"file:{text}", _SUFFIXES[ending], "file", False)


class Broadcast:
    """A viewer of the pacer that sends H.264 and AAC, in a thread of its own.

    While the network stands still, the newest seconds wait; if it fails, it is tried again, after
    longer and longer pauses.

    Args:
        target: where it goes.
        fps: of the stream.
        on_failure: called with the error that ends it: of a file, or an address that FFmpeg does
            not know.
    """

    def __init__(
        self, target: Target, fps: float, on_failure: Callable[[Exception], object] | None = None
    ):
        self._target, self._fps, self._on_failure = target, fps, on_failure
        self._frames: queue.Queue[Any] = queue.Queue(maxsize=_MAX_WAITING)
        self._closing = threading.Event()
        self.sent, self.left_out, self.restarts = 0, 0, 0
        self._thread = threading.Thread(target=self._run, name="live-push", daemon=True)
        self._thread.start()

    def put(self, frame: Any) -> None:
        """Take a frame of the pacer."""
        try:
            self._frames.put_nowait(frame)
        except queue.Full:
            self.left_out += 1
            try:
                self._frames.get_nowait()
                self._frames.put_nowait(frame)
            except (queue.Empty, queue.Full):
                return

    def close(self) -> None:
        """Send what waits, and end."""
        self._closing.set()
        with contextlib.suppress(queue.Full):
            self._frames.put(None, timeout=1.0)
        self._thread.join(timeout=15.0)

    def _run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._closing.is_set():
            before = self.sent
            try:
                self._send()
                return
            except (FFmpegError, OSError, ValueError) as error:
                is_hopeless = isinstance(error, av.error.ProtocolNotFoundError)
                if is_hopeless or not self._target.is_network:
                    self._fail(error, is_hopeless)
                    return
                wait_s = _FIRST_WAIT_S if self.sent > before else min(2 * wait_s, _LONGEST_WAIT_S)
                logger.warning("%s: %s; again in %.0f s", self._target, _reason(error), wait_s)
                self.restarts += 1
                self._closing.wait(wait_s)

    def _fail(self, error: Exception, is_unknown: bool) -> None:
        scheme = self._target.address.partition(":")[0]
        message = f"cannot send to {self._target}: {_reason(error)}"
        if is_unknown:
            message = (
                f"the FFmpeg of this installation of PyAV cannot send by {scheme}; use rtmp://, "
                "udp:// or -, which another ffmpeg can send on"
            )
        logger.error(message)
        if self._on_failure is not None:
            self._on_failure(InputError(message, parameter="push"))

    def _send(self) -> None:
        first = self._frames.get()
        while first is not None and first.image is None:
            first = self._frames.get()
        if first is None:
            return
        options = {"protocol_whitelist": self._target.protocols}
        if self._target.is_network:
            options["rw_timeout"] = str(_STALLED_US)
        target: Any = self._target.address
        if target == "pipe:1":
            target = sys.stdout.buffer
        with av.open(target, "w", format=self._target.container, options=options) as container:
            writer = _Writer(container, first, self._fps)
            frame = first
            while frame is not None:
                writer.write(frame)
                self.sent += 1
                frame = self._frames.get()
            writer.finish()


class _Writer:
    """Encodes frames into an open container; its time begins with the first one."""

    def __init__(self, container: Any, first: Any, fps: float):
        self._container, self._first_index, self._fps = container, first.index, fps
        self._rate = rate = Fraction(fps).limit_denominator(1000)
        height, width = first.image.shape[:2]
        self._video = container.add_stream("libx264", rate=rate)
        self._video.width, self._video.height, self._video.pix_fmt = width, height, "yuv420p"
        self._video.gop_size = round(_KEY_S * fps)
        self._video.codec_context.thread_count = 1
        self._video.options = {"preset": "veryfast", "tune": "zerolatency", "crf": "21"}
        self._audio = container.add_stream("aac", rate=first.sample_rate, layout="mono")
        self._num_samples = 0

    def write(self, frame: Any) -> None:
        """Encode the picture, if there is one, and the sound of a frame."""
        at = frame.index - self._first_index
        if frame.image is not None:
            image = np.ascontiguousarray(frame.image)
            picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = at, 1 / self._rate
            self._container.mux(self._video.encode(picture))
        due = round(at / self._fps * frame.sample_rate)
        if abs(self._num_samples - due) > len(frame.audio) // 2:  # frames were left out
            self._num_samples = due
        sound = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(frame.audio[None], np.float32), format="fltp", layout="mono"
        )
        sound.sample_rate, sound.pts = frame.sample_rate, self._num_samples
        sound.time_base = Fraction(1, frame.sample_rate)
        self._num_samples += len(frame.audio)
        self._container.mux(self._audio.encode(sound))

    def finish(self) -> None:
        """Write what the encoders hold back."""
        for stream in (self._video, self._audio):
            self._container.mux(stream.encode(None))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
