"""Decode the audio stream of an opened file within limits of length and memory."""

from __future__ import annotations

import logging
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from skyreels_avatar.errors import MediaError

logger = logging.getLogger(__name__)

MIN_DURATION_S = 0.1
MAX_DURATION_S = 4 * 3600.0
# Decoded: 1.5 hours of stereo at 48 kHz, 9.3 hours of mono at 16 kHz. Without a limit, a few
# megabytes of compressed silence would take all memory.
MAX_DECODED_BYTES = 2**31
MIN_SAMPLE_RATE = 4000
MAX_SAMPLE_RATE = 384_000
# Two AAC frames at double rate: no codec pads a stream by more.
_LONGEST_BLOCK = 4096
_MAX_PREALLOCATED = 2**26  # samples: 23 minutes at 48 kHz


class AudioTooLongError(MediaError):
    """Report audio that would take too much memory as a whole; a part of it may be read."""


def decode_audio(
    container: av.container.InputContainer,
    path: Path,
    start_s: float = 0.0,
    end_s: float | None = None,
) -> tuple[np.ndarray, int, float | None]:
    """Return the first audio stream (1 or 2, S) float32, its rate in Hz and first time stamp."""
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise MediaError(f"{path} is damaged or of an unknown kind: its sound cannot be decoded")
    sample_rate = stream.codec_context.sample_rate
    if not MIN_SAMPLE_RATE <= (sample_rate or 0) <= MAX_SAMPLE_RATE:
        raise MediaError(
            f"sample rate must be {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz, "
            f"got {sample_rate} in {path}"
        )
    layout = "mono" if stream.codec_context.channels == 1 else "stereo"
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=sample_rate)
    num_channels = 1 if layout == "mono" else 2
    expected, is_whole = _expected_samples(stream, sample_rate), not start_s and end_s is None
    if is_whole and stream.duration and stream.time_base:
        stated = min(float(stream.duration * stream.time_base), 2 * MAX_DURATION_S)
        _check_memory(round(stated * sample_rate), num_channels, sample_rate, path)
    stop = None if end_s is None else round(end_s * sample_rate)
    found = _SampleBuffer(
        num_channels, expected if is_whole else 0, round(start_s * sample_rate), stop
    )
    num_packets, num_damaged, began_s = 0, 0, None
    try:
        for packet in container.demux(stream):
            num_packets += 1
            try:
                frames = packet.decode()
            except FFmpegError:
                num_damaged += 1
                continue
            for frame in frames:
                if began_s is None and not found.count and frame.pts is not None:
                    began_s = float(frame.pts * frame.time_base)
                found.add(resampler.resample(frame))
            _check_length(found.count, sample_rate, path)
            _check_memory(found.count, num_channels, sample_rate, path)
            if found.is_complete:
                break
        found.add(resampler.resample(None))
    except (FFmpegError, ValueError, IndexError, MemoryError) as error:
        if isinstance(error, MediaError):
            raise
        raise MediaError(f"{path} is damaged: its sound cannot be decoded") from error
    if num_damaged * 10 > num_packets:
        raise MediaError(f"{path} is damaged: {num_damaged} of {num_packets} pieces unreadable")
    if num_damaged:
        logger.warning("%s: %d of %d pieces unreadable, left out", path, num_damaged, num_packets)
    if not found.count and not is_whole:
        raise MediaError(
            f"{path} ends at {found.position / sample_rate:.2f} s, before the {start_s:g} s from "
            "which it is to be used; give an earlier start"
        )
    if not found.count:
        raise MediaError(f"{path} holds 0 s of sound; at least {MIN_DURATION_S} s is needed")
    if not is_whole:
        return found.channels, sample_rate, began_s
    return _without_padding(found.channels, stream, sample_rate), sample_rate, began_s


class _SampleBuffer:
    """The samples decoded so far, in one array: joining a list of blocks would take it twice."""

    def __init__(self, num_channels: int, expected: int, first: int = 0, stop: int | None = None):
        self._all = np.empty((num_channels, expected), np.float32)
        self._first, self._stop = first, stop
        self.position = self.count = 0  # samples decoded, and samples kept

    def add(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            piece = frame.to_ndarray()
            last = None if self._stop is None else max(self._stop - self.position, 0)
            self.position, begin = self.position + piece.shape[1], self._first - self.position
            piece = piece[:, max(begin, 0) : last]
            stop = self.count + piece.shape[1]
            if stop > self._all.shape[1]:
                grown = np.empty((len(self._all), stop + stop // 2), np.float32)
                grown[:, : self.count] = self.channels
                self._all = grown
            self._all[:, self.count : stop] = piece
            self.count = stop

    @property
    def is_complete(self) -> bool:
        return self._stop is not None and self.position >= self._stop

    @property
    def channels(self) -> np.ndarray:
        return self._all[:, : self.count]


def _expected_samples(stream, sample_rate: int) -> int:
    """Return the number of samples in the header, bounded: headers may be wrong."""
    stated = 0
    if stream.duration and stream.time_base:
        stated = round(stream.duration * stream.time_base * sample_rate)
    return min(max(stated, 0), _MAX_PREALLOCATED) + 2 * _LONGEST_BLOCK


def _without_padding(channels: np.ndarray, stream, sample_rate: int) -> np.ndarray:
    """Drop the padding of the last coded block where the container states the duration."""
    if not stream.duration or not stream.time_base:
        return channels
    num_samples = round(stream.duration * stream.time_base * sample_rate)
    excess = channels.shape[1] - num_samples
    return channels[:, :num_samples] if 0 < excess <= _LONGEST_BLOCK else channels


def _check_length(counted: int, rate: int, path: Path) -> None:
    """Refuse a track that is too long by the samples decoded so far."""
    if counted > MAX_DURATION_S * rate:
        raise MediaError(
            f"{path} is longer than {MAX_DURATION_S / 3600:g} hours; cut it into shots first"
        )


def _check_memory(num_samples: int, num_channels: int, sample_rate: int, path: Path) -> None:
    """Refuse a track that would take too much memory once it is decoded."""
    if 4 * num_channels * num_samples > MAX_DECODED_BYTES:
        hours = MAX_DECODED_BYTES / (4 * num_channels * sample_rate * 3600)
        raise AudioTooLongError(
            f"{path} is too long to be held in memory: with {num_channels} channels at "
            f"{sample_rate} Hz at most {hours:.1f} hours are; use a piece of it (audio_start and "
            "audio_end), or make it mono at 16000 Hz first",
            parameter="audio_start",
        )
