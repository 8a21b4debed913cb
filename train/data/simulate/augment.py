"""What rooms, microphones and music do to clean speech."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, fftconvolve, sosfilt

SAMPLE_RATE = 16000


def augment(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (S,) float32 with random spectral tilt, reverb, band limit, noise, music and level.

    Nothing is delayed: what moves the lips stays where it was.
    """
    audio = samples.astype(np.float32)
    if rng.random() < 0.7:
        tilt = rng.uniform(-0.7, 0.7)
        audio[1:] = audio[1:] + tilt * audio[:-1]
    if rng.random() < 0.35:
        audio = _peak_filter(audio, rng)
    if rng.random() < 0.35:
        audio = _reverb(audio, rng)
    if rng.random() < 0.15:
        low, high = rng.uniform(60, 350), rng.uniform(2800, 6500)
        audio = sosfilt(butter(2, [low, high], "band", fs=SAMPLE_RATE, output="sos"), audio)
    level = _active_level(audio)
    if rng.random() < 0.65:
        audio = audio + level * 10 ** (-rng.uniform(12, 55) / 20) * _noise(len(audio), rng)
    if rng.random() < 0.15:
        audio = audio + level * 10 ** (-rng.uniform(2, 22) / 20) * _music(len(audio), rng)
    if rng.random() < 0.1:
        audio = np.tanh(audio / (level + 1e-6) * rng.uniform(0.3, 1.0))
    return audio.astype(np.float32)


def _active_level(samples: np.ndarray) -> float:
    """Return the rms of the 80 ms windows within 26 dB of the loudest."""
    length = len(samples) // 1280 * 1280
    if length == 0:
        return 0.0
    power = (samples[:length].astype(np.float64).reshape(-1, 1280) ** 2).mean(1)
    active = power > power.max() * 10**-2.6
    return float(np.sqrt(power[active].mean())) if active.any() else 0.0


def _peak_filter(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    centre = rng.uniform(300, 4500)
    band = [centre * 0.7, min(centre * 1.4, 7800)]
    resonance = sosfilt(butter(1, band, "band", fs=SAMPLE_RATE, output="sos"), audio)
    return audio + rng.uniform(-0.7, 1.5) * resonance


def _reverb(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    length = int(SAMPLE_RATE * rng.uniform(0.05, 0.3))
    tail = rng.standard_normal(length) * np.exp(-np.arange(length) / (length / 5))
    tail[0] = 0
    tail *= rng.uniform(0.1, 0.6) / np.sqrt((tail**2).sum() + 1e-9)
    return audio + fftconvolve(audio, tail)[: len(audio)]


def _noise(length: int, rng: np.random.Generator) -> np.ndarray:
    """Return unit-rms white, brown or babble-like noise."""
    white = rng.standard_normal(length)
    kind = rng.integers(3)
    if kind == 1:
        white = sosfilt(butter(1, rng.uniform(80, 900), fs=SAMPLE_RATE, output="sos"), white)
    elif kind == 2:
        white = sosfilt(butter(1, [200, 2500], "band", fs=SAMPLE_RATE, output="sos"), white)
        swell = gaussian_filter1d(rng.standard_normal(length // 160 + 2), 8)
        swell = np.exp(swell / (swell.std() + 1e-6) * 0.5)
        white *= np.interp(np.arange(length), np.arange(len(swell)) * 160, swell)
    return white / (white.std() + 1e-9)


def _music(length: int, rng: np.random.Generator) -> np.ndarray:
    """Return a unit-rms bed of chords, and of drum-like bursts half of the time."""
    seconds = np.arange(length) / SAMPLE_RATE
    beat_s = rng.uniform(0.35, 0.8)
    bed = np.zeros(length)
    root_hz = rng.uniform(80, 220)
    for bar in range(int(seconds[-1] / (4 * beat_s)) + 1):
        start, stop = int(bar * 4 * beat_s * SAMPLE_RATE), int((bar + 1) * 4 * beat_s * SAMPLE_RATE)
        here = seconds[start:stop]
        chord_hz = root_hz * 2 ** (rng.choice([0, 5, 7, 9]) / 12)
        for semitones in (0, 4, 7, 12):
            for harmonic in (1, 2, 3):
                tone_hz = chord_hz * 2 ** (semitones / 12) * harmonic
                bed[start:stop] += np.sin(2 * np.pi * tone_hz * here + semitones) / harmonic
    if rng.random() < 0.5:
        phase = (seconds % beat_s) / beat_s
        bed = bed / bed.std() + rng.uniform(0.3, 2) * rng.standard_normal(length) * np.exp(
            -phase * 12
        )
    return bed / (bed.std() + 1e-9)
