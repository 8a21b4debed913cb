"""Resample audio block by block."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np


def resampled_blocks(channels: np.ndarray, from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    """Yield (C, S) at another sample rate, about a second at a time, to ceil(S to / from) samples.

    The resampler works on a copy in double precision, so a long sound in one piece would take ten
    times its own memory.
    """
    if from_rate == to_rate:
        for start in range(0, channels.shape[-1], from_rate):
            yield channels[:, start : start + from_rate]
        return
    left = -(-channels.shape[-1] * to_rate // from_rate)
    # FFmpeg's resampler is loaded already; scipy.signal takes half a second to import.
    resamplers = [av.AudioResampler("fltp", "mono", to_rate) for _ in channels]
    for start in range(0, channels.shape[-1] + from_rate, from_rate):
        block = channels[:, start : start + from_rate]
        pieces = [
            _fed(resampler, channel, from_rate) for resampler, channel in zip(resamplers, block)
        ]
        found = np.stack(pieces)[:, :left]
        left -= found.shape[1]
        yield found
    if left:
        yield np.zeros((len(channels), left), np.float32)


def _fed(resampler: av.AudioResampler, samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the output of a resampler for a block (S,); an empty one flushes it."""
    frame = None
    if len(samples):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[None], np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = sample_rate
    pieces = [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    return np.concatenate([*pieces, np.zeros(0, np.float32)])


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Return (..., S) at another sample rate."""
    blocks = resampled_blocks(np.atleast_2d(samples), from_rate, to_rate)
    return np.concatenate(list(blocks), axis=1).reshape(*samples.shape[:-1], -1)
