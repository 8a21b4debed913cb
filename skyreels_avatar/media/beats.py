"""Beat tracking of music."""

from __future__ import annotations

import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.audio import AudioTrack

SAMPLE_RATE, _HOP, _WINDOW, _NUM_BANDS = 16_000, 160, 640, 40
_RATE_HZ = SAMPLE_RATE / _HOP
_SLOWEST_BPM, _FASTEST_BPM, _USUAL_BPM = 50.0, 210.0, 115.0
_OCTAVES = 0.9  # deviation from the usual tempo at which it is about half as likely
_KNOWN_OCTAVES = 0.1
_TIGHTNESS = 100.0  # cost of early and late beats
_SHORTEST_S = 3.0
_FLOOR = 3e-3  # of the loudest hops' power


def track_beats(audio: AudioTrack, tempo_bpm: float | None = None) -> np.ndarray:
    """Return the times of the beats (N,) in seconds, rising.

    Args:
        tempo_bpm: the approximate tempo if known; without it, music may be taken for half or twice
            as fast.

    Raises:
        InputError: the sound is shorter than 3 s, or has no onsets at all.

    Source: D. Ellis, Beat Tracking by Dynamic Programming, J. New Music Research 36(1), 2007.
    Differs: onsets are those of 40 bands with equal weights, and a beat is placed between the
    hops by a parabola.
    """
    if audio.duration_s < _SHORTEST_S:
        raise InputError(f"beats need at least {_SHORTEST_S:g} s of music")
    onsets = _onset_strength(audio.resampled(SAMPLE_RATE).samples)
    if not onsets.std() > 1e-6:
        raise InputError("no beats were found: the sound has no onsets; give start_s and end_s")
    onsets = onsets / onsets.std()
    period = _beat_period(onsets, tempo_bpm)
    beats = _best_chain(onsets, period)
    return np.array([_refined(onsets, index) for index in beats]) / _RATE_HZ


def _onset_strength(samples: np.ndarray) -> np.ndarray:
    """Return how much louder the bands become at each hop (T,)."""
    padded = np.pad(samples, (_WINDOW // 2, _WINDOW))
    num_hops = 1 + len(samples) // _HOP
    edges = np.geomspace(2, _WINDOW // 2, _NUM_BANDS + 1).round().astype(int)
    edges = np.maximum.accumulate(np.maximum(edges, np.arange(2, _NUM_BANDS + 3)))
    edges = np.minimum(edges, _WINDOW // 2)
    window = np.hanning(_WINDOW).astype(np.float32)
    levels = []
    for start in range(0, num_hops, 4096):  # a piece at a time: memory stays flat
        hops = np.arange(start, min(start + 4096, num_hops))
        frames = padded[hops[:, None] * _HOP + np.arange(_WINDOW)] * window
        power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
        levels.append(np.add.reduceat(power, edges[:-1], axis=1))
    levels = np.concatenate(levels)
    # A quiet rustle off the beat is many times louder than nothing: a floor keeps it small.
    levels = np.log10(_FLOOR * np.percentile(levels.max(axis=1), 99) + 1e-9 + levels)
    rise = np.maximum(np.diff(levels, axis=0, prepend=levels[:1]), 0).mean(axis=1)
    # What is constantly there, such as noise, is not an onset.
    width = int(_RATE_HZ) | 1
    slow = np.convolve(np.pad(rise, width // 2, mode="reflect"), np.ones(width) / width, "valid")
    return np.maximum(rise - slow, 0)


def _beat_period(onsets: np.ndarray, tempo_bpm: float | None) -> float:
    """Return the hops from beat to beat: the likely tempo at which the onsets repeat best."""
    num = len(onsets)
    # A click lies in one hop and a period between two: only broad onsets repeat at whole lags.
    broad = np.convolve(onsets, np.hanning(9) / np.hanning(9).sum(), "same")
    spectrum = np.fft.rfft(broad - broad.mean(), 2 * num)
    repeats = np.fft.irfft(np.abs(spectrum) ** 2)[:num]
    shortest, longest = (60 * _RATE_HZ / bpm for bpm in (_FASTEST_BPM, _SLOWEST_BPM))
    lags = np.arange(int(shortest), min(int(longest) + 1, num // 2))
    # Multiples of the period repeat, too: together they tell it more finely than one lag.
    score = sum(np.interp(lags * k, np.arange(num), repeats) / k for k in range(1, 5))
    usual, octaves = (tempo_bpm, _KNOWN_OCTAVES) if tempo_bpm else (_USUAL_BPM, _OCTAVES)
    away = np.log2(lags * usual / (60 * _RATE_HZ)) / octaves
    score = np.maximum(score, 0) * np.exp(-0.5 * away**2)
    coarse = float(lags[int(np.argmax(score))])
    multiple = max(1, min(8, int(num / 2 / coarse)))
    near = np.arange(int(multiple * (coarse - 1)), int(multiple * (coarse + 1)) + 1)
    return float(near[int(np.argmax(repeats[near]))]) / multiple


def _best_chain(onsets: np.ndarray, period: float) -> list[int]:
    """Return the hops of the beats: strong onsets, about a period apart."""
    spread = np.exp(-0.5 * (np.arange(-period, period + 1) * 32 / period) ** 2)
    lead = round(2 * period)  # so that the first beat, too, has something before it
    local = np.pad(np.convolve(onsets, spread, "same"), (lead, 0))
    reach = np.arange(-round(2 * period), -round(period / 2) + 1)
    cost = -_TIGHTNESS * np.log(-reach / period) ** 2
    total, before = local.copy(), np.full(len(local), -1)
    for index in range(lead, len(local)):
        scores = total[index + reach] + cost
        best = int(np.argmax(scores))
        total[index] += scores[best]
        before[index] = index + reach[best]
    last = len(total) - round(period) + int(np.argmax(total[-round(period) :]))
    chain = [last]
    while before[chain[-1]] >= 0:
        chain.append(int(before[chain[-1]]))
    beats = _without_silent_ends(chain[::-1], local)
    return [index - lead for index in beats if index >= lead]


def _without_silent_ends(chain: list[int], local: np.ndarray) -> list[int]:
    threshold = 0.3 * np.sqrt(np.mean(local[chain] ** 2))
    loud = [place for place, index in enumerate(chain) if local[index] > threshold]
    return chain[loud[0] : loud[-1] + 1] if loud else chain


def _refined(onsets: np.ndarray, index: int) -> float:
    """Return where near a hop the onset peaks, between the hops."""
    low = max(1, index - 2)
    peak = low + int(np.argmax(onsets[low : min(len(onsets) - 1, index + 3)]))
    before, at, after = onsets[peak - 1 : peak + 2]
    bend = before - 2 * at + after
    return peak + (0.5 * (before - after) / bend if bend < 0 else 0.0)
