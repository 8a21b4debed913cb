"""The audio of a video that is being written: spooled on disk, encoded as the video grows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from skyreels_avatar.errors import MediaError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.resample import resampled_blocks

_AAC_FRAME = 1024
PLAYED_HZ = 48_000


class SpooledAudio:
    """Audio spooled to an unnamed file and read block by block; an hour takes a gigabyte.

    Args:
        audio: the track; it is not kept in memory.
        folder: of the file; None = the folder for temporary files.
        sample_rate: 48 kHz for videos, or that of a network.

    Raises:
        MediaError: the folder cannot be written.
    """

    def __init__(self, audio: AudioTrack, folder: Path | None = None, sample_rate: int = PLAYED_HZ):
        self.sample_rate = sample_rate
        self.num_channels = len(audio.channels)
        self.num_samples = 0
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (close)
            for block in resampled_blocks(audio.channels, audio.sample_rate, sample_rate):
                self._file.write(np.ascontiguousarray(block.T, np.float32).tobytes())
                self.num_samples += block.shape[1]
        except OSError as error:
            raise MediaError(
                f"cannot write in {folder or tempfile.gettempdir()}: {error}"
            ) from error

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """Yield all blocks (C, size); the last may be shorter."""
        for start in range(0, self.num_samples, size):
            yield self.read(start, min(size, self.num_samples - start))

    def read(self, start: int, count: int) -> np.ndarray:
        """Return (C, count) float32 from sample `start` on, zeros beyond the end."""
        frame_bytes = 4 * self.num_channels
        self._file.seek(start * frame_bytes)
        found = np.frombuffer(self._file.read(count * frame_bytes), np.float32)
        piece = np.zeros((self.num_channels, count), np.float32)
        piece[:, : len(found) // self.num_channels] = found.reshape(-1, self.num_channels).T
        return piece


class AacStream:
    """The AAC stream of a video, encoded block by block as the video grows."""

    def __init__(self, container: av.container.OutputContainer, audio: SpooledAudio):
        self._container = container
        self._audio = audio
        self._layout = "mono" if audio.num_channels == 1 else "stereo"
        self._stream = container.add_stream("aac", rate=audio.sample_rate, layout=self._layout)
        self._stream.bit_rate = 128_000 if self._layout == "mono" else 192_000
        self._position = 0

    def write_until(self, time_s: Fraction) -> None:
        """Encode all whole AAC frames that end before a time of the video."""
        end = int(time_s * self._audio.sample_rate)
        while self._position + _AAC_FRAME <= end:
            self._encode(_AAC_FRAME)

    def finish(self, time_s: Fraction, fps: Fraction) -> None:
        """Encode the rest, cut or padded with silence to end at a time.

        Decoders play the last AAC frame whole, 21 ms with its padding. Where the padding is as long
        as a picture or longer (from 50 fps on), that frame is left out: 5 ms at 60 fps.
        """
        end = round(time_s * self._audio.sample_rate)
        padding = -end % _AAC_FRAME
        longest = max(self._audio.sample_rate / fps, _AAC_FRAME // 2)
        if padding >= longest and end > _AAC_FRAME:
            end += padding - _AAC_FRAME
        while self._position < end:
            self._encode(min(_AAC_FRAME, end - self._position))
        self._container.mux(self._stream.encode(None))

    def _encode(self, count: int) -> None:
        piece = self._audio.read(self._position, count)
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=self._layout)
        frame.sample_rate = self._audio.sample_rate
        frame.time_base = Fraction(1, self._audio.sample_rate)
        frame.pts = self._position
        self._container.mux(self._stream.encode(frame))
        self._position += count
