"""Lip sync: correlation and lag of mouth opening and loudness.

Real speech (1,000 GRID clips of one talker) gives r = 0.36 at lag 0, not 1: a mouth follows
sounds, not loudness. See `REAL_SPEECH` in `report.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfilt

BAND_HZ = (300.0, 4000.0)
WINDOW_S = 0.08
MEAN_S = 1.5
FLOOR_DB = 40.0  # under the 95th percentile: what is softer counts as silence
QUIET_DB = 26.0
MAX_LAG = 8


@dataclass(frozen=True)
class SyncScore:
    """Correlation of mouth and sound.

    Attributes:
        sync_r0: Pearson r of opening and loudness in the same frame.
        sync_lag: frames by which the mouth comes late at the best r (negative: early).
        sync_best: r at that lag.
        open_range: 95th minus 5th percentile of the opening, of the face height.
        quiet_ratio: mouth speed in quiet frames over that in loud frames; None without both.
    """

    sync_r0: float
    sync_lag: int
    sync_best: float
    open_range: float
    quiet_ratio: float | None


def loudness_db(samples: np.ndarray, sample_rate: int, num_frames: int, fps: float) -> np.ndarray:
    """Return (F,) dB under full scale: 300-4000 Hz in 80 ms round the middle of every frame.

    Args:
        samples: (S,) mono.
    """
    top_hz = min(BAND_HZ[1], 0.45 * sample_rate)
    band = butter(4, (BAND_HZ[0], top_hz), "bandpass", fs=sample_rate, output="sos")
    # Forwards only: the delay, about a millisecond, is nothing beside a window of 80.
    samples = sosfilt(band, np.asarray(samples, np.float64))
    energy = np.concatenate([[0.0], np.cumsum(samples**2)])
    middle = (np.arange(num_frames) + 0.5) / fps * sample_rate
    half = WINDOW_S / 2 * sample_rate
    start, stop = (
        np.clip(np.round(middle + side), 0, len(samples)).astype(int) for side in (-half, half)
    )
    power = np.maximum(energy[stop] - energy[start], 0.0) / (2 * half)
    return 10 * np.log10(power + 1e-12)


def correlate(opening: np.ndarray, loudness: np.ndarray, fps: float) -> SyncScore:
    """Return the correlation of a mouth with a sound.

    Args:
        opening: (F,) of `mouth_opening`.
        loudness: (F,) dB of `loudness_db`.
        fps: frames a second of both.
    """
    top_db = np.percentile(loudness, 95)
    mouth = _without_mean(opening, fps)
    sound = _without_mean(np.maximum(loudness, top_db - FLOOR_DB), fps)
    lags = sorted(range(-MAX_LAG, MAX_LAG + 1), key=abs)  # the nearest of equals wins
    scores = [_pearson_late(mouth, sound, lag) for lag in lags]
    best = int(np.argmax(scores))
    return SyncScore(
        sync_r0=scores[0],
        sync_lag=lags[best],
        sync_best=scores[best],
        open_range=float(np.percentile(opening, 95) - np.percentile(opening, 5)),
        quiet_ratio=_quiet_ratio(opening, loudness, top_db),
    )


def _without_mean(values: np.ndarray, fps: float) -> np.ndarray:
    """Take off the moving mean of 1.5 s, the edges repeated."""
    half = max(1, round((MEAN_S * fps - 1) / 2))
    padded = np.pad(np.asarray(values, np.float64), half, mode="edge")
    size = 2 * half + 1
    return values - np.convolve(padded, np.full(size, 1 / size), "valid")


def _pearson_late(mouth: np.ndarray, sound: np.ndarray, lag: int) -> float:
    """Return r of sound[t] with mouth[t + lag]; 0 when either does not move."""
    if len(mouth) <= abs(lag) + 2:
        return 0.0
    mouth = mouth[max(lag, 0) : len(mouth) + min(lag, 0)]
    sound = sound[max(-lag, 0) : len(sound) + min(-lag, 0)]
    mouth, sound = mouth - mouth.mean(), sound - sound.mean()
    scale = np.sqrt((mouth**2).sum() * (sound**2).sum())
    return float((mouth * sound).sum() / scale) if scale > 1e-9 else 0.0


def _quiet_ratio(opening: np.ndarray, loudness: np.ndarray, top_db: float) -> float | None:
    speed = np.abs(np.diff(opening))
    quiet = (loudness < top_db - QUIET_DB)[1:]
    if quiet.all() or not quiet.any() or speed[~quiet].mean() < 1e-9:
        return None
    return float(speed[quiet].mean() / speed[~quiet].mean())
