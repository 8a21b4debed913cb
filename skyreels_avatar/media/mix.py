"""Several sounds as one: what a video plays in which more than one person speaks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skyreels_avatar.media.audio import AudioTrack


def mix(tracks: Sequence[AudioTrack]) -> AudioTrack:
    """Return the sum of sounds, as long as the longest, at the highest of their rates.

    Only where the sum goes beyond full scale it is made quieter, as a whole.
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


def as_long_as(track: AudioTrack, duration_s: float) -> AudioTrack:
    """Return a sound of that length: its beginning, or itself and silence."""
    wanted = round(duration_s * track.sample_rate)

    def fitted(samples: np.ndarray) -> np.ndarray:
        missing = max(0, wanted - samples.shape[-1])
        padding = [(0, 0)] * (samples.ndim - 1) + [(0, missing)]
        return np.pad(samples[..., :wanted], padding)

    stereo = None if track.stereo is None else fitted(track.stereo)
    return AudioTrack(fitted(track.samples), track.sample_rate, track.path, stereo)


def silence(duration_s: float, sample_rate: int = 16_000) -> AudioTrack:
    """Return nothing to be heard, for so long."""
    return AudioTrack(np.zeros(max(1, round(duration_s * sample_rate)), np.float32), sample_rate)
