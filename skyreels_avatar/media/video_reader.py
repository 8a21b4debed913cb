"""`VideoReader`: a video file as upright frames at a constant rate."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from skyreels_avatar.deprecation import renamed_attribute
from skyreels_avatar.errors import InputError, MediaError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.deinterlacing import deinterlace, is_marked_interlaced
from skyreels_avatar.media.files import existing_file, open_container
from skyreels_avatar.media.frame_conversion import FrameConverter
from skyreels_avatar.media.video_stream import (
    MAX_LOST_SHARE,
    decoded_frames,
    first_frame,
    scan_video,
)

logger = logging.getLogger(__name__)

_BT601_CODES = (5, 6)  # of 625 and of 525 lines: the same matrix
_LOOK_BACK, _LOOK_AHEAD = 32, 2000  # frames among which a stamp is looked for
_MISSING_S = 0.1  # headers are off by less


class VideoReader:
    """Read a video's frames as players show them: upright, in order, at a constant rate.

    Frames come by their time stamps: of a variable rate each instant shows the frame that is seen
    then; of a constant rate every frame comes once. Pixels are square, interlaced lines are
    merged, HDR is tone-mapped to BT.709 and transparency laid on white; each is logged once.
    Frames that cannot be decoded, up to a tenth, are replaced by the one before.

    Attributes:
        fps: frames per second, 1 to 120.
        num_frames: that iterating yields.
        height, width: of the frames.
        color: "bt601" or "bt709": the matrix between its YUV and RGB.

    Raises:
        MediaError: the file is missing, empty, damaged, or holds no moving picture.
    """

    def __init__(self, path: str | Path):
        self.path = existing_file(path, "video")
        self._scan = scan_video(self.path)
        timeline = self._scan.timeline
        self.fps, self.num_frames = float(timeline.rate), timeline.num_frames
        with open_container(self.path, "video") as container:
            first = first_frame(container, self._scan)
            stream = container.streams[self._scan.index]
            self._converter = FrameConverter(first, stream, self._scan, self.path)
            self._is_woven = is_marked_interlaced(stream)
            is_bt601 = stream.codec_context.colorspace in _BT601_CODES
        self.color = "bt601" if is_bt601 and not self._converter.is_wide else "bt709"
        self.height, self.width = self._converter(first).shape[:2]
        self._reported: set[str] = set()
        self._report_scan(first)
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._position = self.num_frames

    colour = renamed_attribute("colour", "color")

    @property
    def duration_s(self) -> float:
        """Length of the moving picture in seconds."""
        return self.num_frames / self.fps

    def reopened(self) -> VideoReader:
        """Return a reader of the same video with a position of its own."""
        other = copy.copy(self)
        other._converter = self._converter.copied()
        other._frames, other._position = iter(()), other.num_frames
        return other

    def beginning(self, num_frames: int) -> VideoReader:
        """Return a reader of the first frames alone; what follows them is never decoded."""
        other = self.reopened()
        other.num_frames = other._position = max(1, min(num_frames, self.num_frames))
        return other

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield (H, W, 3) uint8 sRGB frames from the first to the last."""
        for frame in self._shown():
            yield self._converter(frame)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start to stop as (F, H, W, 3) uint8; reading forwards is fastest."""
        if not 0 <= start < stop <= self.num_frames:
            raise InputError(
                f"frames must be in 0 <= start < stop <= {self.num_frames}, got {start}, {stop}"
            )
        if start < self._position:
            self._frames, self._position = self._shown(), 0
        out = np.empty((stop - start, self.height, self.width, 3), np.uint8)
        while self._position < stop:
            frame = next(self._frames)
            if self._position >= start:
                out[self._position - start] = self._converter(frame)
            self._position += 1
        return out

    def audio(self) -> AudioTrack | None:
        """Return the video's sound from the first frame on, None when it has none."""
        with open_container(self.path, "video") as container:
            if not container.streams.audio:
                return None
        return AudioTrack.load(self.path)

    def _shown(self) -> Iterator[av.VideoFrame]:
        """Yield the frame that each instant shows; one that is held comes again."""
        slots, count = self._scan.timeline.slots, len(self._scan.stamps)
        position, held, place, num_decoded, lost = 0, None, -1, 0, [0]
        is_beginning = self.num_frames < self._scan.timeline.num_frames
        with open_container(self.path, "video") as container:
            frames = decoded_frames(container, self._scan, lost)
            for frame in deinterlace(frames, self._is_woven):
                place = self._place(frame.pts, place)
                num_decoded += 1
                self._check_lost(lost[0], place + 1 - num_decoded, count)
                while held is not None and position < slots[place]:
                    yield held
                    position += 1
                    if is_beginning and position == self.num_frames:
                        return
                held = frame
        self._check_lost(lost[0], count - num_decoded, count)
        if lost[0] and num_decoded < count:
            self._report(
                "%d of %d frames cannot be decoded; the frame before is shown in their place",
                count - num_decoded, count,
            )  # fmt: skip
        for _ in range(position, self.num_frames):
            yield held

    def _place(self, stamp: int | None, before: int) -> int:
        """Return which of the stamped frames a decoded one is, given the place of the last."""
        stamps, following = self._scan.stamps, min(before + 1, len(self._scan.stamps) - 1)
        if stamp is None or stamps[following] == stamp:
            return following
        start = max(0, before - _LOOK_BACK)
        found = np.flatnonzero(stamps[start : before + _LOOK_AHEAD] == stamp) + start
        ahead = found[found > before]
        return int(ahead[0]) if len(ahead) else int(found[-1]) if len(found) else following

    def _check_lost(self, num_errors: int, num_missing: int, count: int) -> None:
        if num_errors and num_missing > MAX_LOST_SHARE * count:
            raise MediaError(
                f"{self.path} is damaged: {num_missing} of {count} frames cannot be decoded; at "
                f"most {MAX_LOST_SHARE:.0%} may be missing"
            )

    def _report_scan(self, first: av.VideoFrame) -> None:
        """Log what of the file is not taken as it stands."""
        scan, timeline = self._scan, self._scan.timeline
        if scan.missing_s > MAX_LOST_SHARE * (self.duration_s + scan.missing_s):
            raise MediaError(
                f"{self.path} is cut off: it holds {self.duration_s:.2f} s and its header "
                f"announces {self.duration_s + scan.missing_s:.2f} s; copy the whole file"
            )
        if scan.missing_s > _MISSING_S:
            self._report("the file is cut off: its last %.2f s are missing", scan.missing_s)
        if scan.num_unopened:
            self._report(
                "it begins between key frames; its first %d frames cannot be decoded and are "
                "left out", scan.num_unopened,
            )  # fmt: skip
        if scan.num_other_streams:
            self._report(
                "it holds %d video streams; number %d is used",
                scan.num_other_streams + 1, scan.index,
            )  # fmt: skip
        if timeline.rate != timeline.source_rate:
            self._report(
                "its %g frames a second are shown at %g",
                float(timeline.source_rate), float(timeline.rate),
            )  # fmt: skip
        elif not timeline.is_constant:
            self._report(
                "its frame rate varies: %d frames in %.2f s are shown at %g frames a second",
                len(scan.stamps), self.duration_s, self.fps,
            )  # fmt: skip
        if self._is_woven or first.interlaced_frame:
            self._report("it is interlaced; its lines are merged at the same frame rate")
        for note in self._converter.notes:
            self._report(note)

    def _report(self, message: str, *values: object) -> None:
        if message not in self._reported:
            self._reported.add(message)
            logger.warning("%s: " + message, self.path, *values)
