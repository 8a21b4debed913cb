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
