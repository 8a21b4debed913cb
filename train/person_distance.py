"""How far made motion is from a person's: distances of distributions over pieces of three seconds.

The person's held-back sound is performed with the default style, and with the person's own. Each
reading of a piece (how far mouth, brows and head go, how fast, how often the eyes shut) gives two
distributions; their distance is that of Wasserstein, in standard deviations of both together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import wasserstein_distance

from skyreels_avatar.loading.components import Components
from skyreels_avatar.loading.person_style import PersonStyle
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.pipeline.talker_style import FACTORS, person_numbers, style_numbers
from train.acting import column, spread
from train.closures import judge_voice
from train.data.person import PersonPiece, at_rest, blink_frames, near_blinks
from train.data.simulate.articulation import FPS
from train.data.simulate.speech import HELD_OUT_VOICES, make_speech
from train.data.spoken import Utterance
from train.rollout import roll_out

WINDOW, HOP = 75, 25
SEEDS = 3
NUM_SPOKEN, SPOKEN_S = 6, 6.0  # utterances of voices kept back, for the closures

READINGS: dict[str, Callable[[np.ndarray], float]] = {
    "opening / H": lambda m: spread(column(m, "lip_gap")),
    "brows / H": lambda m: spread((column(m, "brow_r") + column(m, "brow_l")) / 2),
    "yaw, degrees": lambda m: float(np.degrees(spread(column(m, "yaw")))),
    "pitch, degrees": lambda m: float(np.degrees(spread(column(m, "pitch")))),
    "roll, degrees": lambda m: float(np.degrees(spread(column(m, "roll")))),
    "head speed, degrees a second": lambda m: float(np.degrees(_head_speed(m))),
    "smile": lambda m: spread(column(m, "smile")),
    "smile, mean": lambda m: float(column(m, "smile").mean()),
    "gaze off its rest / eye width": lambda m: float(_gaze_off(m).mean()),
    "blinks a minute": lambda m: len(blink_frames(m)) / len(m) * FPS * 60,
}


def compare(
    base: Components,
    style: PersonStyle,
    weights: Path,
    learnt: Sequence[PersonPiece],
    back: Sequence[PersonPiece],
) -> dict[str, dict[str, float]]:
    """Return distances of the default and of the style to the person's held-back pieces.

    `floor` is the distance of the person's other pieces: what no style can get below by much.
    `person`, `default median` and `style median` are values, "closures" shares of p, b and m.
    """
    parts = replace(base, transformer=style.applied(base.transformer, weights))
    own = person_numbers(style.numbers, 100)
    motions: dict[str, list[np.ndarray]] = {"default": [], "style": []}
    for index, piece in enumerate(back):
        audio = AudioTrack(piece.samples, 16000)
        for seed in range(SEEDS):
            usual = style_numbers("natural", 100, seed, index)
            told = {"seed": seed, "key": index}
            told_usual = {"style": usual, "blinks": float(usual[0, FACTORS.index("blink")])}
            motions["default"].append(roll_out(base, audio, **told_usual, **told).motion)
            motions["style"].append(
                roll_out(parts, audio, style=own, smile=style.smile, **told).motion
            )
    person = readings([piece.motion for piece in back])
    found = {name: readings(some) for name, some in motions.items()}
    others = readings([piece.motion for piece in learnt])
    rows = {
        "default": distances(found["default"], person, found["default"]),
        "style": distances(found["style"], person, found["default"]),
        "floor": distances(others, person, found["default"]),
    }
    for name, some in (("person", person), *((f"{name} median", found[name]) for name in found)):
        rows[name] = {reading: float(np.median(values)) for reading, values in some.items()}
    said = spoken()
    rows["default"]["closures"] = _shut(base, said, style_numbers("natural", 100, 0, 0))
    rows["style"]["closures"] = _shut(parts, said, own)
    return rows


def readings(motions: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return every reading of every window of some motion; a shorter piece is one window."""
    windows = [
        motion[first : first + WINDOW]
        for motion in motions
        for first in range(0, max(len(motion) - WINDOW, 0) + 1, HOP)
    ]
    return {name: np.array([read(one) for one in windows]) for name, read in READINGS.items()}


def distances(
    made: dict[str, np.ndarray], person: dict[str, np.ndarray], usual: dict[str, np.ndarray]
) -> dict[str, float]:
    """Return the distance of each reading, and "all", their mean.

    Args:
        usual: with the person's, it sets the unit, the same for all that is compared.
    """
    rows = {}
    for name, values in made.items():
        unit = np.concatenate([person[name], usual[name]]).std() + 1e-9
        rows[name] = float(wasserstein_distance(values, person[name]) / unit)
    rows["all"] = float(np.mean(list(rows.values())))
    return rows


def spoken() -> list[Utterance]:
    """Return utterances of voices that no network was trained on, with their phonemes."""
    said = []
    for index in range(NUM_SPOKEN):
        speech = make_speech(SPOKEN_S, np.random.default_rng([98, index]), HELD_OUT_VOICES)
        samples = np.round(32767 * speech.samples.clip(-1, 1)).astype(np.int16)
        said.append(Utterance(samples, tuple(speech.phones), "espeak", "en"))
    return said


def table(rows: dict[str, dict[str, float]]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [
        "| | person | default | own style | distance: default | own style | floor |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in READINGS:
        values = [rows[key][name] for key in ("person", "default median", "style median")]
        apart = [rows[key][name] for key in ("default", "style", "floor")]
        cells = [*(f"{value:.3g}" for value in values), *(f"{value:.2f}" for value in apart)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    apart = " | ".join(f"{rows[key]['all']:.2f}" for key in ("default", "style", "floor"))
    lines.append(f"| all | | | | {apart} |")
    shut = " | ".join(f"{rows[key]['closures']:.2f}" for key in ("default", "style"))
    lines.append(f"| p, b, m shut | | {shut} | | | |")
    return "\n".join(lines)


def _shut(parts: Components, said: list[Utterance], style: torch.Tensor) -> float:
    judged = judge_voice(parts, said, style=style)
    return judged.shut / max(judged.sounds, 1)


def _gaze_off(motion: np.ndarray) -> np.ndarray:
    rested, open_eyes = at_rest(motion), ~near_blinks(motion)
    rested = rested[open_eyes] if open_eyes.any() else rested
    return np.hypot(column(rested, "gaze_x"), column(rested, "gaze_y"))


def _head_speed(motion: np.ndarray) -> float:
    turns = np.stack([column(motion, name) for name in ("yaw", "pitch", "roll")], 1)
    return float(np.linalg.norm(np.diff(turns, axis=0), axis=1).mean() * FPS)
