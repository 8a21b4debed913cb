"""Mix the voices of several speakers into the sound that their video plays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skyreels_avatar.media.audio import AudioTrack


def mix(tracks: Sequence[AudioTrack]) -> AudioTrack:
    """Return the sum of tracks, as long as the longest, at the highest of their sample rates.

    A sum beyond full scale is scaled down as a whole.
    """
    rate = max(track.sample_rate for track in tracks)
    tracks = [track.resampled(rate) for track in tracks]
    length = max(len(track.samples) for track in tracks)
    num_channels = max(len(track.channels) for track in tracks)
    total = np.zeros((num_channels, length), np.float32)
    for track in tracks:
        total[:, : len(track.samples)] += track.channels
    total /= max(1.0, float(np.abs(total).max()))
    return AudioTrack.of_channels(total, rate)


def silence(duration_s: float, sample_rate: int = 16_000) -> AudioTrack:
    """Return a mono track of zeros."""
    return AudioTrack(np.zeros(max(1, round(duration_s * sample_rate)), np.float32), sample_rate)
