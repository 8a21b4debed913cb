"""Tones and file headers for tests."""

from __future__ import annotations

import struct

import numpy as np


def sine(duration_s: float, rate: int, hz: float = 440.0, level: float = 0.5) -> np.ndarray:
    """Return a sine (S,) float32."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(duration_s * rate)) / rate)).astype("f")


def wav_header(rate: int = 16_000, channels: int = 1, bits: int = 16, size: int = 0) -> bytes:
    """Return the header of a WAV file up to its data."""
    block = (channels * bits // 8) & 0xFFFF
    form = struct.pack("<HHIIHH", 1, channels, rate, (rate * block) & 0xFFFFFFFF, block, bits)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack("<I", 16) + form
