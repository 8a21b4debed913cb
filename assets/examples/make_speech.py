"""Make the example speech: `python assets/examples/make_speech.py [folder]`.

Reads speech.txt aloud with flite's voice slt (Carnegie Mellon University, BSD-style licence;
Debian: `apt-get install flite`) and writes speech.wav: mono, 22 kHz, 16 bit, about ten seconds.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, resample_poly, sosfilt

SAMPLE_RATE = 22_050
VOICE = "slt"
STRETCH = 0.98
EDGE_S = 0.25
PEAK = 0.70


def spoken(text: str) -> tuple[np.ndarray, int]:
    """Return samples (S,) in [-1, 1] of a text read aloud, and their rate in Hz."""
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "speech.wav"
        command = ["flite", "-voice", VOICE, "--setf", f"duration_stretch={STRETCH}"]
        subprocess.run([*command, "-t", text, "-o", str(sound)], check=True)
        return soundfile.read(sound, dtype="float64")


def finished(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return the voice at SAMPLE_RATE: rumble cut, a little presence, even edges, one level."""
    samples = resample_poly(samples, SAMPLE_RATE, rate)
    low_cut = butter(2, 80, "highpass", fs=SAMPLE_RATE, output="sos")
    presence = butter(1, (2500, 6000), "bandpass", fs=SAMPLE_RATE, output="sos")
    samples = sosfilt(low_cut, samples)
    samples = samples + 0.25 * sosfilt(presence, samples)
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    samples = samples[max(0, loud[0] - 400) : loud[-1] + 400]
    fade = np.hanning(800)[:400]
    samples[:400] *= fade
    samples[-400:] *= fade[::-1]
    edge = np.zeros(round(EDGE_S * SAMPLE_RATE))
    return np.concatenate([edge, samples * PEAK / np.abs(samples).max(), edge])


def main() -> None:
    """Write speech.wav into a folder, default the one this program lies in."""
    here = Path(__file__).parent
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else here
    text = " ".join((here / "speech.txt").read_text().split())
    samples = finished(*spoken(text))
    soundfile.write(folder / "speech.wav", samples, SAMPLE_RATE, subtype="PCM_16")


if __name__ == "__main__":
    main()
