"""From the channels that are played to the one channel that the networks hear."""

from __future__ import annotations

import numpy as np

_BLOCK_S = 0.1
_CANCELLED = 0.1  # of the louder channel's power: the middle of unrelated channels has 0.25 to 0.5
_AUDIBLE = 1e-3  # of the loudest block's power
_SMOOTHED_BLOCKS = 5
_LEAST_OFFSET = 0.05  # of the rms; less changes neither level nor spectrum


def downmix(stereo: np.ndarray, sample_rate: int) -> tuple[np.ndarray, float]:
    """Return one channel of two, and for how many seconds they cancel each other.

    It is the mean of both; where that is 10 dB quieter than the louder channel (left and right out
    of phase), it is the louder channel, blended over 0.1 s.

    Args:
        stereo: (2, S) float32.

    Returns:
        samples (S,) float32 and seconds.
    """
    middle = stereo.mean(axis=0)
    powers = np.stack([_block_means(channel, sample_rate, power=True) for channel in stereo])
    louder = int(powers.mean(axis=1).argmax())
    heard = powers[louder] > _AUDIBLE * powers[louder].max()
    quiet = _block_means(middle, sample_rate, power=True) < _CANCELLED * powers[louder]
    cancelled = heard & quiet
    if not cancelled.any():
        return middle, 0.0
    share = _nearest_audible(cancelled, heard).astype(np.float32)
    for part, weight in _interpolated(share, sample_rate, len(middle)):
        middle[part] += weight * (stereo[louder, part] - middle[part])
    return middle, float(cancelled.sum() * _BLOCK_S)


def remove_dc_offset(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return a sound (S,) whose zero line lies at zero; one that has no offset stays as it is.

    An offset, constant or slowly drifting, counts as loudness where nothing is heard.
    """
    means = _block_means(samples, sample_rate)
    beside = _SMOOTHED_BLOCKS // 2
    padded = np.pad(means, beside, mode="edge")
    offset = np.lib.stride_tricks.sliding_window_view(padded, _SMOOTHED_BLOCKS).mean(axis=1)
    rms = float(np.sqrt(np.square(samples, dtype=np.float32).mean(dtype=np.float64)))
    if not len(samples) or np.sqrt(np.square(offset).mean()) <= _LEAST_OFFSET * rms:
        return samples
    level = np.array(samples, np.float32)
    for part, value in _interpolated(offset, sample_rate, len(samples)):
        level[part] -= value
    return level


def _block_means(samples: np.ndarray, sample_rate: int, power: bool = False) -> np.ndarray:
    """Return the mean of every 0.1 s of a sound (S,), or of its square."""
    size = max(1, round(_BLOCK_S * sample_rate))
    starts = range(0, max(1, len(samples)), size)
    blocks = (samples[start : start + size] for start in starts)
    if power:
        return np.array([np.square(b).mean(dtype=np.float64) if len(b) else 0.0 for b in blocks])
    return np.array([b.mean(dtype=np.float64) if len(b) else 0.0 for b in blocks])


def _nearest_audible(values: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Return the values, those of silent blocks taken from the nearest block that is heard."""
    places = np.flatnonzero(heard)
    middles = (places[1:] + places[:-1]) / 2
    return values[places[np.searchsorted(middles, np.arange(len(values)))]]


def _interpolated(values: np.ndarray, sample_rate: int, num_samples: int):
    """Yield slices of a second and what block values are, linearly, at the samples in them."""
    size = max(1, round(_BLOCK_S * sample_rate))
    centers = (np.arange(len(values)) + 0.5) * size
    for start in range(0, num_samples, sample_rate):
        part = slice(start, min(start + sample_rate, num_samples))
        at = np.arange(part.start, part.stop) + 0.5
        yield part, np.interp(at, centers, values).astype(np.float32)
