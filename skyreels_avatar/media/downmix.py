"""Downmix stereo to mono and remove a DC offset."""

from __future__ import annotations

import numpy as np

_BLOCK_S = 0.1
_CANCELLED = 0.1  # of the louder channel's power: the middle of unrelated channels has 0.25 to 0.5
_AUDIBLE = 1e-3  # of the loudest block's power
_SMOOTHED_BLOCKS = 5
_LEAST_OFFSET = 0.05  # of the rms; less changes neither level nor spectrum


def downmix(stereo: np.ndarray, sample_rate: int) -> tuple[np.ndarray, float]:
    """Return the mono downmix, and for how many seconds the channels cancel each other.

    It is the mean of both; where that is 10 dB below the louder channel (left and right out of
    phase), it is the louder channel, cross-faded over 0.1 s.

    Args:
        stereo: (2, S) float32.

    Returns:
        samples (S,) float32 and seconds.
    """
    middle = stereo.mean(axis=0)
    powers = np.stack([_block_means(channel, sample_rate, power=True) for channel in stereo])
    louder = int(powers.mean(axis=1).argmax())
    audible = powers[louder] > _AUDIBLE * powers[louder].max()
    quiet = _block_means(middle, sample_rate, power=True) < _CANCELLED * powers[louder]
    cancelled = audible & quiet
    if not cancelled.any():
        return middle, 0.0
    share = _nearest_audible(cancelled, audible).astype(np.float32)
    for part, weight in _interpolated(share, sample_rate, len(middle)):
        middle[part] += weight * (stereo[louder, part] - middle[part])
    return middle, float(cancelled.sum() * _BLOCK_S)


def remove_dc_offset(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return a signal (S,) without its DC offset; one without an offset is returned as it is.

    A constant or slowly drifting offset would count as loudness in silence.
    """
    means = _block_means(samples, sample_rate)
    half = _SMOOTHED_BLOCKS // 2
    padded = np.pad(means, half, mode="edge")
    offset = np.lib.stride_tricks.sliding_window_view(padded, _SMOOTHED_BLOCKS).mean(axis=1)
    rms = float(np.sqrt(np.square(samples, dtype=np.float32).mean(dtype=np.float64)))
    if not len(samples) or np.sqrt(np.square(offset).mean()) <= _LEAST_OFFSET * rms:
        return samples
    level = np.array(samples, np.float32)
    for part, value in _interpolated(offset, sample_rate, len(samples)):
        level[part] -= value
    return level


def _block_means(samples: np.ndarray, sample_rate: int, power: bool = False) -> np.ndarray:
    """Return the mean of every 0.1 s of a signal (S,), or of its square."""
    size = max(1, round(_BLOCK_S * sample_rate))
    starts = range(0, max(1, len(samples)), size)
    blocks = (samples[start : start + size] for start in starts)
    if power:
        return np.array([np.square(b).mean(dtype=np.float64) if len(b) else 0.0 for b in blocks])
    return np.array([b.mean(dtype=np.float64) if len(b) else 0.0 for b in blocks])


def _nearest_audible(values: np.ndarray, audible: np.ndarray) -> np.ndarray:
    """Return the values, those of silent blocks taken from the nearest audible block."""
    places = np.flatnonzero(audible)
    middles = (places[1:] + places[:-1]) / 2
    return values[places[np.searchsorted(middles, np.arange(len(values)))]]


def _interpolated(values: np.ndarray, sample_rate: int, num_samples: int):
    """Yield slices of one second and the block values interpolated at their samples."""
    size = max(1, round(_BLOCK_S * sample_rate))
    centers = (np.arange(len(values)) + 0.5) * size
    for start in range(0, num_samples, sample_rate):
        part = slice(start, min(start + sample_rate, num_samples))
        at = np.arange(part.start, part.stop) + 0.5
        yield part, np.interp(at, centers, values).astype(np.float32)
