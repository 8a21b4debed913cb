"""Small inputs that tests of the whole pass write to disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import skyreels_avatar as sa
from tests.faces.drawing import draw_person


def write_portrait(folder: Path) -> Path:
    """Write a drawn person of 300x240 and return the file."""
    pixels, _, _ = draw_person(240, 300, (100.0, 40.0, 90.0, 110.0))
    path = folder / "person.png"
    Image.fromarray(pixels).save(path)
    return path


def write_pair(folder: Path) -> Path:
    """Write two drawn persons side by side, 600x240, and return the file."""
    person = np.asarray(Image.open(write_portrait(folder)))
    path = folder / "pair.png"
    Image.fromarray(np.concatenate([person, person[:, ::-1]], axis=1)).save(path)
    return path


def write_voice(folder: Path, seconds: float) -> Path:
    """Write a tone that swells four times a second and return the file."""
    time_s = np.arange(int(seconds * 16_000)) / 16_000
    samples = 0.3 * np.sin(2 * np.pi * 200 * time_s) * np.sin(2 * np.pi * 2 * time_s) ** 2
    path = folder / "voice.wav"
    sa.AudioTrack(samples.astype(np.float32), 16_000).save(path)
    return path


def write_clicks(folder: Path, seconds: float, tempo: float, first_s: float = 0.2) -> Path:
    """Write a click on every beat and return the file."""
    sample_rate = 16_000
    samples = np.zeros(int(seconds * sample_rate), np.float32)
    click = np.sin(np.arange(400) * 0.4) * np.exp(-np.arange(400) / 80)
    for time_s in np.arange(first_s, seconds - 0.05, 60 / tempo):
        start = round(time_s * sample_rate)
        samples[start : start + 400] += 0.5 * click[: len(samples) - start]
    path = folder / "clicks.wav"
    sa.AudioTrack(samples, sample_rate).save(path)
    return path
