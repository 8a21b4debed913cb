"""The level of speech in a recording, and the gain that brings it to a common level."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

# RMS of the windows with speech after `AudioTrack.normalized`.
ACTIVE_RMS = 0.08
_WINDOW_S = 0.08
_MAX_GAIN = 100.0


def speech_block_size(sample_rate: int) -> int:
    """Return the samples of a block of `speech_gain`: whole windows, eight seconds."""
    return 100 * max(1, round(_WINDOW_S * sample_rate))


def speech_gain(blocks: Iterable[np.ndarray], sample_rate: int) -> float:
    """Return the gain that `AudioTrack.normalized` applies.

    Args:
        blocks: the track in blocks of `speech_block_size` samples; the last may be shorter.
    """
    size = max(1, round(_WINDOW_S * sample_rate))
    powers = [np.zeros(0, np.float32)]
    for block in blocks:
        windows = np.zeros(-(-len(block) // size) * size, np.float32)
        windows[: len(block)] = block
        powers.append(np.square(windows.reshape(-1, size)).mean(axis=1))
    power = np.concatenate(powers)
    active = power[power >= 0.01 * np.percentile(power, 95)]
    rms = float(np.sqrt(active.mean())) if len(active) else 0.0
    return min(ACTIVE_RMS / rms, _MAX_GAIN) if rms > 1e-6 else 1.0
