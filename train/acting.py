"""How a model acts, in rig coefficients: ranges, gaze, pauses, blinks, heads, and what prompts do.

Motion of whole sounds is made as the pipeline makes it, without rendering, for several voices and
several portraits (noise keys). What a viewer sees is less: the rendered mouth opens as far as its
number says, brows and corners follow their numbers by shares of the face height.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from skyreels_avatar.evaluation.performance import num_swings
from skyreels_avatar.loading.components import Components
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.rig.coefficients import MOTION_INDEX, MOTION_SCALE, NUM_MOTION
from train.data.simulate.articulation import FPS, accents
from train.data.simulate.performance import EMOTIONS
from train.data.simulate.speech import Speech
from train.data.simulate.style import Style
from train.rollout import Rollout, roll_out

REST_WIDTH_OF_EYES = 0.72  # mouth width at rest by the distance of the pupils, median of 60 faces
SMILE_WIDENS = 0.17  # that distance, by a full smile
AWAY = 0.06  # of the eye width: an iris so far from the middle looks past the camera
HEAD = ("yaw", "pitch", "roll")
FIRST_BLINK_LIMIT_S = 6.0
NOD_DEG = 2.0
LEAST_SHARE = 0.35  # of a full expression: less of it is not seen

Reading = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Take:
    """One roll-out: whose voice, which noise key, and where the voice stresses and sounds."""

    voice: str
    key: int
    made: Rollout
    stress: np.ndarray
    active: np.ndarray


def spread(curve: np.ndarray) -> float:
    """Return the range of a curve, 95th less 5th percentile."""
    return float(np.percentile(curve, 95) - np.percentile(curve, 5))


def column(motion: np.ndarray, name: str) -> np.ndarray:
    """Return (F,) values of a named number in (F, 32) motion."""
    return motion[:, MOTION_INDEX[name]]


def seen_width(motion: np.ndarray) -> np.ndarray:
    """Return (F,) by how much the mouth is wider than at rest, by the distance of the pupils."""
    gap, width, pucker, smile = (
        column(motion, name) for name in ("lip_gap", "width", "pucker", "smile")
    )
    return REST_WIDTH_OF_EYES * (width - 0.30 * pucker - 0.9 * gap) + SMILE_WIDENS * smile


def away_share(motion: np.ndarray) -> float:
    """Return the share of frames in which the eyes are not on the camera."""
    return float((np.hypot(column(motion, "gaze_x"), column(motion, "gaze_y")) > AWAY).mean())


def blink_starts(motion: np.ndarray) -> np.ndarray:
    """Return the frames in which both lids pass half of their way."""
    shut = np.minimum(column(motion, "blink_r"), column(motion, "blink_l")) > 0.4
    return np.flatnonzero(shut[1:] & ~shut[:-1]) + 1


# reading -> (function, goal as it stands in the table)
RANGES: dict[str, tuple[Reading, str]] = {
    "opening / H": (lambda m: spread(column(m, "lip_gap")), "0.080-0.11"),
    "width / eye distance": (lambda m: spread(seen_width(m)), ">= 0.13"),
    "brows / H": (
        lambda m: spread((column(m, "brow_r") + column(m, "brow_l")) / 2), ">= 0.03",
    ),
    "yaw, degrees": (lambda m: float(np.degrees(spread(column(m, "yaw")))), ">= 8"),
    "pitch, degrees": (lambda m: float(np.degrees(spread(column(m, "pitch")))), ""),
    "roll, degrees": (lambda m: float(np.degrees(spread(column(m, "roll")))), ">= 4"),
    "gaze x / eye width": (lambda m: spread(column(m, "gaze_x")), ">= 0.05"),
    "away from the camera": (away_share, "0.05-0.15"),
    "blinks a minute": (lambda m: len(blink_starts(m)) / len(m) * FPS * 60, "10-20"),
}  # fmt: skip

EMOTION_PROMPTS: dict[str, tuple[str, ...]] = {
    "smiling": ("she is happy and smiles", "a happy man talks"),
    "sad": ("he looks very sad", "a sad woman is talking"),
    "angry": ("she is angry", "an angry man talks to the camera"),
    "surprised": ("he looks surprised", "a surprised woman talks"),
    "afraid": ("she is afraid", "a frightened man is talking"),
    "disgusted": ("he is disgusted", "a woman talks with disgust"),
    "contempt": ("she talks with contempt", "a contemptuous man"),
    "tender": ("he speaks tenderly", "a tender, loving woman talks"),
    "tired": ("she is tired", "a tired man talks"),
    "excited": ("he is excited", "an excited woman talks"),
}
# prompt -> what must show in the later half, against a plain talker with the same noise
GESTURES: dict[str, Callable[[np.ndarray, np.ndarray], bool]] = {
    "a woman nods": lambda m, _: _swings(-column(m, "pitch")) > 0.7,
    "he shakes his head": lambda m, _: _swings(column(m, "yaw")) > 0.5,
    "she looks to the left": lambda m, plain: _moved(m, plain, "gaze_x") < -0.05,
    "he looks to the right": lambda m, plain: _moved(m, plain, "gaze_x") > 0.05,
    "she looks down": lambda m, plain: _moved(m, plain, "gaze_y") > 0.03,
    "he looks up": lambda m, plain: _moved(m, plain, "pitch") > 0.04,
    "she turns her head to the left": lambda m, plain: _moved(m, plain, "yaw") < -0.10,
    "he tilts his head to the right": lambda m, plain: _moved(m, plain, "roll") > 0.06,
    "eyes closed": lambda m, _: float(column(m, "blink_r").mean()) > 0.7,
    "she shrugs": lambda m, plain: _moved(m, plain, "breath") > 0.010,
    "he shouts": lambda m, plain: _ratio(m, plain, "lip_gap") > 1.2,
    "she whispers": lambda m, plain: _ratio(m, plain, "lip_gap") < 0.8,
}


def make_takes(
    parts: Components,
    speeches: dict[str, Speech],
    keys: Sequence[int],
    style: Style | None = None,
    prompt: str = "a person is talking",
    one_noise: bool = False,
) -> list[Take]:
    """Return one take for each voice and key, all of one seed.

    Args:
        keys: of portraits; the noise is that of voice and portrait, as in the pipeline.
        one_noise: the noise is that of the portrait alone, so that what differs is heard.
    """
    numbers = None if style is None else torch.from_numpy(style.numbers()).float()[None]
    blinks = 0.0 if style is None else float(style.numbers()[-1])
    takes = []
    for voice, speech in speeches.items():
        for key in keys:
            audio = AudioTrack(speech.samples, 16000)
            noise = key if one_noise else zlib.crc32(f"{voice} {key}".encode())
            made = roll_out(parts, audio, prompt, key=noise, style=numbers, blinks=blinks)
            pulses = accents(speech.phones, len(made.motion))
            takes.append(Take(voice, key, made, pulses[:, 0], pulses[:, 1]))
    return takes


def range_rows(takes: list[Take]) -> dict[str, float]:
    """Return the median over takes of every reading of RANGES."""
    motions = [take.made.motion for take in takes]
    return {
        name: float(np.median([read(m) for m in motions])) for name, (read, _) in RANGES.items()
    }


def rhythm_rows(takes: list[Take]) -> dict[str, float]:
    """Return how motion goes with the voice, and when people blink first."""
    quiet = [t.made.sync.quiet_ratio for t in takes if t.made.sync.quiet_ratio is not None]
    heads = [ratio for t in takes if (ratio := _quiet_head(t.made.motion, t.active)) is not None]
    beats = [  # of voices whose phonemes have stress marks; those of pocketsphinx have none
        _pearson(_slow(_head_speed(t.made.motion)), _slow(t.stress[1:]))
        for t in takes
        if t.stress.any()
    ]
    first = [
        min(starts[0] / FPS, FIRST_BLINK_LIMIT_S) if len(starts) else FIRST_BLINK_LIMIT_S
        for starts in (blink_starts(t.made.motion) for t in takes)
    ]
    return {
        "quiet ratio, lips": float(np.median(quiet)) if quiet else float("nan"),
        "quiet ratio, head": float(np.median(heads)) if heads else float("nan"),
        "sync r0": float(np.median([t.made.sync.sync_r0 for t in takes])),
        "r of head speed with stress": float(np.median(beats)) if beats else float("nan"),
        **{
            f"first blink, {share} %, s": float(np.percentile(first, share))
            for share in (10, 50, 90)
        },
    }


def likeness_rows(takes: list[Take], one_noise: list[Take]) -> dict[str, float]:
    """Return r of head paths between portraits, between voices, and between voices of one noise.

    Args:
        one_noise: takes in which only the voice differs.
    """
    rows = {}
    for name, some, same, other in (
        ("portraits", takes, "voice", "key"),
        ("voices", takes, "key", "voice"),
        ("voices of one noise", one_noise, "key", "voice"),
    ):
        found = [
            _pearson(column(a.made.motion, part)[:shortest], column(b.made.motion, part)[:shortest])
            for index, a in enumerate(some)
            for b in some[:index]
            if getattr(a, same) == getattr(b, same) and getattr(a, other) != getattr(b, other)
            for shortest in (min(len(a.made.motion), len(b.made.motion)),)
            for part in HEAD
        ]
        rows[f"r of heads, {name}: mean"] = float(np.mean(found)) if found else float("nan")
        rows[f"r of heads, {name}: median size"] = float(np.median(np.abs(found or [np.nan])))
    return rows


def recognise(motion: np.ndarray, plain: np.ndarray) -> tuple[str, float]:
    """Return the emotion that (F, 32) motion shows beside a plain take, and its share of the full.

    The later half is compared with every row of EMOTIONS by the angle between them.
    """
    half = len(motion) // 2
    scale = np.array(MOTION_SCALE)
    shown = (motion[half:].mean(0) - plain[half:].mean(0))[8:] / scale[8:]
    best, share, highest = "", 0.0, 0.0
    for name in EMOTION_PROMPTS:
        full = _expression(name)[8:] / scale[8:]
        along = float(shown @ full)
        cosine = along / (np.linalg.norm(shown) * np.linalg.norm(full) + 1e-9)
        if cosine > highest:
            best, share, highest = name, along / float(full @ full), cosine
    return best, share


def prompt_rows(parts: Components, speeches: dict[str, Speech]) -> dict[str, float]:
    """Return the share of takes in which each prompt is recognised."""
    plain = {take.voice: take.made.motion for take in make_takes(parts, speeches, (5,))}
    rows = {}
    for emotion, prompts in EMOTION_PROMPTS.items():
        found = []
        for prompt in prompts:
            for take in make_takes(parts, speeches, (5,), prompt=prompt):
                name, share = recognise(take.made.motion, plain[take.voice])
                found.append(name == emotion and share >= LEAST_SHARE)
        rows[emotion] = float(np.mean(found))
    for prompt, shows in GESTURES.items():
        found = []
        for take in make_takes(parts, speeches, (5,), prompt=prompt):
            half = len(take.made.motion) // 2
            found.append(shows(take.made.motion[half:], plain[take.voice][half:]))
        rows[prompt] = float(np.mean(found))
    return rows


def table(columns: dict[str, dict[str, float]]) -> str:
    """Return named columns of figures as a table in Markdown, with the goals where there are."""
    names = list(dict.fromkeys(name for rows in columns.values() for name in rows))
    lines = [
        "| | " + " | ".join(columns) + " | goal |", "|---" * (len(columns) + 2) + "|",
    ]  # fmt: skip
    for name in names:
        cells = [f"{rows[name]:.3f}" if name in rows else "" for rows in columns.values()]
        goal = RANGES[name][1] if name in RANGES else GOALS.get(name, "")
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {goal} |")
    return "\n".join(lines)


GOALS = {
    "quiet ratio, lips": "<= 0.30",
    "first blink, 10 %, s": "0.9",
    "first blink, 50 %, s": "3.2",
    "first blink, 90 %, s": "5.4",
    "r of heads, portraits: mean": "within 0.3",
    "r of heads, voices: mean": "within 0.3",
}


def _expression(name: str) -> np.ndarray:
    full = np.zeros(NUM_MOTION)
    parts = {"brows": ("brow_r", "brow_l"), "blink": ("blink_r", "blink_l")}
    for number, value in EMOTIONS[name].items():
        for part in parts.get(number, (number,)):
            if part in MOTION_INDEX:
                full[MOTION_INDEX[part]] = value
    return full


def _head_speed(motion: np.ndarray) -> np.ndarray:
    return np.linalg.norm([np.diff(column(motion, name)) for name in HEAD], axis=0)


def _slow(curve: np.ndarray) -> np.ndarray:
    return gaussian_filter1d(curve, 5.0, mode="nearest")


def _quiet_head(motion: np.ndarray, active: np.ndarray) -> float | None:
    """Return the head's speed deep in pauses over that in speech; None without both."""
    speed = _head_speed(motion)
    paused = np.convolve(active, np.ones(9), "same")[1:] < 0.5
    loud = active[1:] > 0.5
    if paused.sum() < 8 or loud.sum() < 8:
        return None
    return float(speed[paused].mean() / speed[loud].mean())


def _pearson(first: np.ndarray, second: np.ndarray) -> float:
    if first.std() < 1e-9 or second.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _swings(radians: np.ndarray) -> float:
    return num_swings(np.degrees(radians), NOD_DEG) / (len(radians) / FPS)


def _moved(motion: np.ndarray, plain: np.ndarray, name: str) -> float:
    return float(column(motion, name).mean() - column(plain, name).mean())


def _ratio(motion: np.ndarray, plain: np.ndarray, name: str) -> float:
    return float(column(motion, name).mean() / max(column(plain, name).mean(), 1e-6))
