"""Loudness of speech as broadcasters measure it, and sounds brought to a loudness.

Source: ITU-R BS.1770, gated integrated loudness of one channel; the two filters are made for any
sample rate by the formulas of the Audio EQ Cookbook (R. Bristow-Johnson), as in pyloudnorm, with
which the published networks' sounds were measured.
"""

from __future__ import annotations

import numpy as np

from skyreels_avatar.media.audio import AudioTrack

SPEECH_LUFS = -23.0
_BLOCK_S, _STEP_S = 0.4, 0.1
_OFFSET = -0.691
_SILENCE_LUFS, _GATE_LU = -70.0, -10.0
# Filtered by Fourier transforms, piece by piece; after half a second nothing of a filter is left.
_PIECE_S, _TAIL_S = 60, 0.5


def normalize_loudness(track: AudioTrack, lufs: float = SPEECH_LUFS) -> AudioTrack:
    """Return a mono sound of that integrated loudness; silence stays silence.

    It may go beyond full scale: for networks, not for output.
    """
    found = integrated_loudness(track.samples, track.sample_rate)
    gain = 10 ** ((lufs - found) / 20) if np.isfinite(found) else 1.0
    return AudioTrack(track.samples * np.float32(gain), track.sample_rate, track.path)


def integrated_loudness(samples: np.ndarray, sample_rate: int) -> float:
    """Return the loudness in LUFS of a mono signal (S,); minus infinity for silence.

    What is shorter than a block of 0.4 s counts as one block.
    """
    power = np.square(_weighted(np.asarray(samples, np.float64), sample_rate))
    duration_s = len(power) / sample_rate
    count = max(0, round((duration_s - _BLOCK_S) / _STEP_S)) + 1
    sums = np.concatenate([[0.0], np.cumsum(power)])
    starts = (_STEP_S * np.arange(count) * sample_rate + 1e-6).astype(int)
    stops = ((_STEP_S * np.arange(count) + _BLOCK_S) * sample_rate + 1e-6).astype(int)
    stops = stops.clip(max=len(power))
    length = min(_BLOCK_S * sample_rate, len(power))
    blocks = (sums[stops] - sums[starts.clip(max=len(power))]) / length
    with np.errstate(divide="ignore"):
        levels = _OFFSET + 10 * np.log10(blocks)
        heard = blocks[levels >= _SILENCE_LUFS]
        if not len(heard):
            return -np.inf
        gate = _OFFSET + 10 * np.log10(heard.mean()) + _GATE_LU
        spoken = blocks[(levels > gate) & (levels > _SILENCE_LUFS)]
    return float(_OFFSET + 10 * np.log10(spoken.mean()))


def _weighted(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return (S,) as ears weigh it: a head before it, and little of what is very low."""
    piece, tail = int(_PIECE_S * rate), int(_TAIL_S * rate)
    pieces = []
    for start in range(0, len(samples), piece):
        before = max(0, start - tail)
        part = samples[before : start + piece]
        size = len(part) + tail
        turns = np.exp(-2j * np.pi * np.fft.rfftfreq(size))
        response = 1.0
        for rising, falling in (_shelf(rate), _high_pass(rate)):
            response = response * np.polyval(rising[::-1], turns) / np.polyval(falling[::-1], turns)
        filtered = np.fft.irfft(np.fft.rfft(part, size) * response, size)
        pieces.append(filtered[start - before : len(part)])
    return np.concatenate(pieces) if pieces else samples


def _shelf(rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the filter that stands for a head: 4 dB more from about 1.5 kHz on."""
    amplitude, cosine, alpha = 10 ** (4.0 / 40), *_angle(1500.0, 0.5**0.5, rate)
    more, less, root = amplitude + 1, amplitude - 1, 2 * amplitude**0.5 * alpha
    rising = amplitude * np.array(
        [more + less * cosine + root, -2 * (less + more * cosine), more + less * cosine - root]
    )
    falling = np.array(
        [more - less * cosine + root, 2 * (less - more * cosine), more - less * cosine - root]
    )
    return rising, falling


def _high_pass(rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the filter that takes away what is below about 38 Hz."""
    cosine, alpha = _angle(38.0, 0.5, rate)
    rising = np.array([1 + cosine, -2 * (1 + cosine), 1 + cosine]) / 2
    return rising, np.array([1 + alpha, -2 * cosine, 1 - alpha])


def _angle(frequency_hz: float, quality: float, rate: int) -> tuple[float, float]:
    """Return the cosine of a filter's angle, and how broad it is."""
    angle = 2 * np.pi * frequency_hz / rate
    return float(np.cos(angle)), float(np.sin(angle) / (2 * quality))
