"""Write videos with `VideoWriter`; `VideoReader` reads them."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Collection
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.video.frame import PictureType

from skyreels_avatar.deprecation import renamed_parameters
from skyreels_avatar.errors import InputError, MediaError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.audio_stream import AacStream, SpooledAudio
from skyreels_avatar.media.files import media_path, partial_path, remove_stale_partials
from skyreels_avatar.media.outputs import check_regular
from skyreels_avatar.media.timing import exact_fps
from skyreels_avatar.media.video_reader import VideoReader

__all__ = ["VideoReader", "VideoWriter", "check_output", "exact_fps"]

logger = logging.getLogger(__name__)

# How YUV is made of RGB: the luma weights of red and blue, and the code by which a file says so
# (ISO/IEC 23091-2).
COLORS = {"bt709": (0.2126, 0.0722, 1), "bt601": (0.299, 0.114, 6)}
_AVX512_SKX = 256  # CV_CPU_AVX512_SKX in OpenCV's headers
_TV_RANGE = 1


def check_output(path: str | Path) -> Path:
    """Return the path of a video that can be written there, or say why it cannot.

    Raises:
        MediaError: the name does not end in .mp4, is a folder, or its folder is missing or closed.
    """
    try:
        path = media_path(path)
    except MediaError as error:
        raise MediaError(f"cannot use the output: {error}") from error
    if path.suffix.lower() != ".mp4":
        raise MediaError(f"the output must end in .mp4, got {path}")
    try:
        if path.is_dir():
            raise MediaError(f"the output {path} is a folder; give the name of a file in it")
        if not path.parent.is_dir():
            raise MediaError(f"the folder of the output {path} does not exist; create it first")
        check_regular(path)
        probe = partial_path(Path(os.path.realpath(path)))
        probe.touch()
        probe.unlink()
    except (OSError, ValueError) as error:
        if isinstance(error, MediaError):
            raise
        raise MediaError(f"cannot write the output {path}: {error}") from error
    return path


class VideoWriter:
    """Write frames and audio as H.264 and AAC in MP4, encoded in a thread of its own.

    The file appears under its name only when it is complete; after an error nothing is left. The
    audio is cut or padded with silence to the length of the frames, to the sample. Same frames,
    same bytes: x264 runs on one thread, which on two cores is also faster beside a busy caller.

    Args:
        path: ends in .mp4.
        fps: 1 to 120.
        audio: from the first frame on, or None for a silent video.
        crf: 0 to 51, smaller is better and larger.
        metadata: tags of the file, such as title, comment and description.
        cuts: frames that become IDR frames, so that the file can be cut there.
        color: a key of `COLORS`: the YUV matrix that the file declares.
        finish: called with the complete file before it is renamed; may change it.

    Raises:
        InputError: an odd size, an impossible rate, or a place that cannot be written.
    """

    @renamed_parameters(colour="color")
    def __init__(
        self,
        path: str | Path,
        height: int,
        width: int,
        fps: float,
        audio: AudioTrack | SpooledAudio | None = None,
        crf: int = 18,
        preset: str = "veryfast",
        metadata: dict[str, str] | None = None,
        cuts: Collection[int] = (),
        color: str = "bt709",
        finish: Callable[[Path], None] | None = None,
    ):
        if height % 2 or width % 2 or min(height, width) < 2:
            raise InputError(f"a video needs even sides (H.264), got {width}x{height}")
        self.path = check_output(path)
        self.height, self.width = height, width
        self.fps = exact_fps(fps)
        self.num_frames = 0
        self._target = Path(os.path.realpath(self.path))  # a link stays one
        remove_stale_partials(self._target)
        self._partial = partial_path(self._target)
        if isinstance(audio, AudioTrack):
            audio = SpooledAudio(audio, self.path.parent)
        self._audio = audio
        self._metadata = metadata or {}
        self._options = {
            "crf": str(crf), "preset": preset, "threads": "1",
            "weightp": "none",  # a tenth of the time; talking heads keep size and PSNR without
            "x264-params": _x264_params(),
        }  # fmt: skip
        self._cuts = frozenset(cuts)
        self._color = color
        self._finish = finish
        if self._cuts:
            self._options["forced-idr"] = "1"
        # Two batches wait at most: memory stays flat, whichever side is faster.
        self._batches: queue.Queue[np.ndarray | None] = queue.Queue(maxsize=2)
        self._failure: BaseException | None = None
        self._abandoned = threading.Event()
        self._worker = threading.Thread(target=self._encode_all, name="video-writer", daemon=True)
        self._worker.start()

    def write(self, frames_uint8: np.ndarray) -> None:
        """Add (F, H, W, 3) uint8 sRGB frames; they are not copied, so leave them unchanged."""
        expected = (self.height, self.width, 3)
        if frames_uint8.dtype != np.uint8 or frames_uint8.shape[1:] != expected:
            raise InputError(
                f"frames must be (F, {self.height}, {self.width}, 3) uint8, "
                f"got {frames_uint8.shape} {frames_uint8.dtype}"
            )
        self._put(frames_uint8)
        self.num_frames += len(frames_uint8)

    def close(self) -> None:
        """Finish the file and give it its name."""
        try:
            self._put(None)
            self._worker.join()
            self._raise_failure()
            if self.num_frames == 0:
                raise MediaError(f"no frame was written to {self.path}")
            if self._finish is not None:
                self._finish(self._partial)
            os.replace(self._partial, self._target)
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Stop and leave no file."""
        self._abandoned.set()
        self._worker.join()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind, *rest) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _put(self, batch: np.ndarray | None) -> None:
        while True:
            self._raise_failure()
            try:
                return self._batches.put(batch, timeout=0.1)
            except queue.Full:
                continue

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise MediaError(f"cannot write {self.path}: {self._failure}") from self._failure

    def _next_batch(self) -> np.ndarray | None:
        while not self._abandoned.is_set():
            try:
                return self._batches.get(timeout=0.1)
            except queue.Empty:
                continue
        return None

    def _encode_all(self) -> None:
        try:
            with av.open(
                str(self._partial), "w", format="mp4", options={"movflags": "+faststart"}
            ) as container:
                container.metadata.update(self._metadata)
                video = _add_video(
                    container, self.height, self.width, self.fps, self._options, self._color
                )
                sound = AacStream(container, self._audio) if self._audio is not None else None
                index = 0
                while (batch := self._next_batch()) is not None:
                    for pixels in batch:
                        frame = _to_yuv(pixels, self._color)
                        frame.pts, frame.time_base = index, 1 / self.fps
                        if index in self._cuts:
                            frame.pict_type = PictureType.I
                        container.mux(video.encode(frame))
                        index += 1
                    if sound:
                        sound.write_until(index / self.fps)
                if self._abandoned.is_set():
                    return
                container.mux(video.encode(None))
                if sound:
                    sound.finish(index / self.fps, self.fps)
        except (FFmpegError, OSError, ValueError, MemoryError) as error:
            self._failure = error
        finally:
            if self._audio is not None:
                self._audio.close()


class NullVideoWriter:
    """Takes what a `VideoWriter` takes and writes nothing: for ranks that do not write."""

    def __init__(self, *_: object, **__: object):
        self.num_frames = 0

    def write(self, frames_uint8: np.ndarray) -> None:
        """Count (F, H, W, 3) frames."""
        self.num_frames += len(frames_uint8)

    def __enter__(self) -> NullVideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def _x264_params() -> str:
    """Return what x264 needs to be quick, and to give the same bytes for the same frames.

    Motion is sought for whole blocks: a sixth of the time, for files 2 % larger at the same PSNR.
    (A coarser search, subme=1, saves as much again, and still backgrounds crawl.) Its AVX-512 code
    for macroblock trees reads memory that nothing has written yet.
    """
    params = "partitions=i8x8,i4x4"
    return f"{params}:asm=AVX2" if cv2.checkHardwareSupport(_AVX512_SKX) else params


def _add_video(
    container, height: int, width: int, fps: Fraction, options: dict[str, str], color: str
):
    stream = container.add_stream("libx264", rate=fps, options=options)
    stream.width, stream.height = width, height
    stream.pix_fmt = "yuv420p"
    stream.time_base = 1 / fps
    context = stream.codec_context
    context.time_base = 1 / fps
    context.color_range = _TV_RANGE
    context.colorspace = context.color_primaries = context.color_trc = COLORS[color][2]
    return stream


def _to_yuv(pixels: np.ndarray, color: str) -> av.VideoFrame:
    """Return a frame in YUV 4:2:0 of limited range, its chroma averaged over its area.

    Within one level of what swscale makes of it, in a third of the time.
    """
    height, width = pixels.shape[:2]
    pixels, matrix = np.ascontiguousarray(pixels), _yuv_from_rgb(color)
    half = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    full, half = (cv2.transform(part, matrix) for part in (pixels, half))
    planes = np.empty((height + height // 2, width), np.uint8)
    cv2.extractChannel(full, 0, dst=planes[:height])
    for index, plane in enumerate(planes[height:].reshape(2, height // 2, width // 2), 1):
        cv2.extractChannel(half, index, dst=plane)
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


@lru_cache(maxsize=2)
def _yuv_from_rgb(color: str) -> np.ndarray:
    """Return (3, 4) float32 that makes Y, U and V of limited range of R, G, B and 1, 0 to 255."""
    red, blue, _ = COLORS[color]
    luma = np.float32([red, 1 - red - blue, blue])
    blueness, redness = (np.eye(3)[[2, 0]] - luma) / (2 * (1 - luma[[2, 0], None]))
    rows = np.stack([219 * luma, 224 * blueness, 224 * redness]) / 255
    return np.column_stack([rows, [16, 128, 128]]).astype(np.float32)
