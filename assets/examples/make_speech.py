"""Make the example speech: `python assets/examples/make_speech.py [folder]`.

Writes, mono, 22 kHz, 16 bit:
speech.wav from speech.txt, one sentence a line, ten seconds, in the voice of `--text` (heart);
film.flac from film.txt, whose lines name their voices, with the times of the lines in film.srt,
about twenty seconds, in flite's voices slt and rms (Carnegie Mellon University, BSD-style licence;
Debian: `apt-get install flite`; without flite the film keeps its sound).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, resample_poly, sosfilt

from skyreels_avatar import speak

SAMPLE_RATE = 22_050
VOICE = "heart"
STRETCH = 0.98
EDGE_S = 0.25
PAUSE_S = 0.35
PEAK = 0.70


def spoken(text: str, voice: str) -> tuple[np.ndarray, int]:
    """Return samples (S,) in [-1, 1] of a text read aloud, and their rate in Hz."""
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "speech.wav"
        if voice == VOICE:
            audio = speak(text, sound, voice).audio
            return audio.samples.astype(np.float64), audio.sample_rate
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={STRETCH}"]
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


def dialogue(lines: list[str]) -> tuple[np.ndarray, list[str]]:
    """Return the samples (S,) of lines like "voice: words", and subtitles with their times."""
    pieces, subtitles, at = [], [], 0
    for number, line in enumerate(lines, start=1):
        voice, _, text = line.partition(": ")
        samples = finished(*spoken(text, voice))
        edge = round(EDGE_S * SAMPLE_RATE)
        times = [timecode((at + edge) / SAMPLE_RATE)]
        times.append(timecode((at + len(samples) - edge) / SAMPLE_RATE))
        subtitles.append(f"{number}\n{' --> '.join(times)}\n{text}\n")
        pause = np.zeros(round(PAUSE_S * SAMPLE_RATE) if number < len(lines) else 0)
        pieces += [samples, pause]
        at += len(samples) + len(pause)
    return np.concatenate(pieces), subtitles


def timecode(time_s: float) -> str:
    """Return a time as subtitles write it, for example 00:00:02,500."""
    milliseconds = round(1000 * time_s)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"00:{minutes:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"


def main() -> None:
    """Write the sounds into a folder, default the one this program lies in."""
    here = Path(__file__).parent
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else here
    lines = (here / "speech.txt").read_text().splitlines()
    samples, _ = dialogue([f"{VOICE}: {line}" for line in lines])
    soundfile.write(folder / "speech.wav", samples, SAMPLE_RATE, subtype="PCM_16")
    if shutil.which("flite") is None:
        return
    samples, subtitles = dialogue((here / "film.txt").read_text().splitlines())
    film = {"subtype": "PCM_16", "compression_level": 1.0}
    soundfile.write(folder / "film.flac", samples, SAMPLE_RATE, **film)
    (folder / "film.srt").write_text("\n".join(subtitles))


if __name__ == "__main__":
    main()
