"""The waveform of a sound as a few numbers, for drawing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from skyreels_avatar.checks import check_integer
from skyreels_avatar.media.audio import AudioTrack

MOST = 4000


def find_peaks(sound: Path, count: int) -> dict[str, Any]:
    """Return the loudest sample of each of `count` equal parts of a sound, 0 to 1, and its seconds.

    The loudest part is 1, so that a quiet recording can be seen, too; silence stays 0.

    Raises:
        MediaError: the sound cannot be read.
        InputError: `count` is not 1 to 4000.
    """
    check_integer("count", count, 1, MOST)
    track = AudioTrack.load(sound)
    loudness = np.abs(track.samples)
    edges = np.linspace(0, len(loudness), min(count, len(loudness)) + 1).astype(int)
    peaks = np.maximum.reduceat(loudness, edges[:-1])
    top = float(peaks.max())
    scaled = peaks / top if top > 1e-4 else np.zeros_like(peaks)
    return {
        "peaks": [round(float(value), 3) for value in scaled],
        "duration_s": round(track.duration_s, 3),
    }
