"""Eyes, head and expression of a talking person, by prompt, by the voice and by the camera.

Everything is drawn from band-limited noise (below 4 Hz) with zero mean, so that the head always
comes back and a window may start anywhere. Directions are the viewer's: "left" is picture left,
which is negative in `gaze_x`, `yaw` and `roll`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from train.data.simulate.articulation import FPS

# What a full expression (intensity 1) adds to the rig coefficients, and how the body changes:
# "head" scales head motion, "mouth" scales the opening.
EMOTIONS: dict[str, dict[str, float]] = {
    "smiling": {"smile": 0.8, "cheek": 0.5, "squint": 0.22, "brows": 0.003},
    "laughing": {
        "smile": 1.0, "cheek": 0.9, "squint": 0.55, "brows": 0.006, "pitch": 0.03, "head": 1.3,
        "mouth": 1.2,
    },
    "angry": {
        "furrow": 0.95, "frown": 0.45, "squint": 0.4, "brows": -0.012, "sneer": 0.3, "chin": 0.2,
        "pitch": -0.035, "head": 1.2, "mouth": 1.15,
    },
    "sad": {
        "frown": 0.75, "furrow": 0.4, "brows": 0.011, "chin": 0.5, "pitch": -0.05, "gaze_y": 0.025,
        "squint": 0.08, "head": 0.6, "mouth": 0.85,
    },
    "surprised": {"brows": 0.034, "squint": -0.5, "smile": 0.06, "pitch": 0.02, "mouth": 1.15},
    "afraid": {"brows": 0.024, "furrow": 0.55, "squint": -0.45, "frown": 0.35, "pitch": 0.02},
    "disgusted": {"sneer": 0.9, "furrow": 0.45, "squint": 0.35, "frown": 0.35, "chin": 0.2},
    "serious": {"furrow": 0.35, "frown": 0.12, "head": 0.6, "brows": -0.003},
    "calm": {"smile": 0.13, "cheek": 0.08, "head": 0.55, "mouth": 0.9},
    "tender": {"smile": 0.45, "cheek": 0.3, "squint": 0.14, "roll": 0.05, "head": 0.8},
    "excited": {
        "smile": 0.65, "cheek": 0.4, "brows": 0.016, "squint": -0.15, "head": 1.7, "mouth": 1.25,
    },
    "doubtful": {"skew": 0.4, "furrow": 0.2, "squint": 0.18, "chin": 0.25, "roll": -0.04},
    "proud": {"pitch": 0.05, "smile": 0.35, "chin": 0.1, "brows": 0.004, "head": 0.8},
    "tired": {"blink": 0.28, "pitch": -0.04, "head": 0.5, "mouth": 0.85, "brows": -0.003},
}  # fmt: skip
HEAD_ACTIONS = (
    "nodding", "shaking", "tilt_left", "tilt_right", "turn_left", "turn_right",
)  # fmt: skip
GAZES = ("left", "right", "up", "down", "camera")
EYES = ("closed", "brows_raised", "wide")
ENERGIES = ("lively", "still", "loud", "quiet")
_ENERGY = {"": (1.0, 1.0), "lively": (1.8, 1.2), "still": (0.22, 0.95), "loud": (1.2, 1.4)}
_ENERGY["quiet"] = (0.6, 0.65)  # head, mouth


@dataclass(frozen=True)
class Direction:
    """What the director asks of the actor; "" = nothing asked. Intensity 0..1 of the emotion."""

    emotion: str = ""
    head: str = ""
    gaze: str = ""
    eyes: str = ""
    energy: str = ""
    intensity: float = 0.8


def draw_direction(rng: np.random.Generator) -> Direction:
    """Return a random direction; about a quarter ask for nothing."""
    if rng.random() < 0.25:
        return Direction()
    count = rng.choice([1, 2, 3], p=[0.62, 0.3, 0.08])
    kinds = rng.choice(5, size=count, replace=False, p=[0.42, 0.17, 0.16, 0.08, 0.17])
    pick = lambda options: str(options[rng.integers(len(options))])  # noqa: E731
    emotion = ""
    if 0 in kinds:
        common = rng.random() < 0.55
        emotion = pick(("smiling", "angry", "sad", "surprised", "laughing")) if common else ""
        emotion = emotion or pick(tuple(EMOTIONS))
    return Direction(
        emotion=emotion,
        head=pick((*HEAD_ACTIONS, "nodding", "shaking")) if 1 in kinds else "",
        gaze=pick(GAZES) if 2 in kinds else "",
        eyes=pick(EYES) if 3 in kinds else "",
        energy=pick(ENERGIES) if 4 in kinds else "",
        intensity=float(rng.choice([0.4, 0.8, 1.0], p=[0.25, 0.5, 0.25])),
    )


def perform(
    direction: Direction,
    stress: np.ndarray,
    active: np.ndarray,
    rng: np.random.Generator,
    from_start: bool = False,
) -> np.ndarray:
    """Return (F, 32) rig coefficients with the mouth group at zero.

    Args:
        stress: (F,) pulses at stressed syllables. active: (F,) 1 where the voice sounds.
        from_start: the performance begins here: a nod goes down first, a shake to the left.
    """
    num_frames = len(stress)
    motion = np.zeros((num_frames, NUM_MOTION))
    emotion = EMOTIONS.get(direction.emotion, {})
    strength = direction.intensity * rng.uniform(0.9, 1.08)
    energy = _ENERGY[direction.energy][0] * (1 + (emotion.get("head", 1.0) - 1) * strength)
    speaking = gaussian_filter1d(active.astype(float), 6, mode="nearest")
    _head(motion, direction, energy, stress, speaking, rng)
    _repeat(motion, direction.head, from_start, rng)
    _eyes(motion, direction, energy, stress, active, rng)
    _express(motion, emotion, strength, rng)
    if direction.emotion == "laughing":
        shake = _wave(num_frames, rng.uniform(2.6, 3.6), rng) * np.clip(
            _noise(num_frames, 0.5, rng), 0, 1
        )
        motion[:, MOTION_INDEX["pitch"]] += 0.02 * strength * shake
        motion[:, MOTION_INDEX["breath"]] += 0.006 * strength * shake
    return motion.astype(np.float32)


def mouth_strength(direction: Direction) -> float:
    """Return by how much a direction scales the opening of the mouth."""
    emotion = EMOTIONS.get(direction.emotion, {}).get("mouth", 1.0)
    return _ENERGY[direction.energy][1] * (1 + (emotion - 1) * direction.intensity)


def _head(motion, direction, energy, stress, speaking, rng) -> None:
    num_frames = len(stress)
    head = slice(MOTION_INDEX["yaw"], MOTION_INDEX["sway"] + 1)
    level = (0.45 + 0.55 * speaking) * min(energy, 1.9) * rng.uniform(0.6, 1.3)
    yaw = 0.036 * _noise(num_frames, 0.55, rng) * level
    pitch = 0.022 * _noise(num_frames, 0.7, rng) * level
    roll = 0.018 * _noise(num_frames, 0.5, rng) * level
    beats = stress * rng.uniform(0, 1.6) * np.clip(0.6 + 0.6 * _noise(num_frames, 0.8, rng), 0, 2)
    beats = gaussian_filter1d(beats, 1.8, mode="nearest")
    pitch -= 0.045 * beats * min(energy, 1.6)
    action = direction.head
    if action.startswith("tilt"):
        roll += (-1 if action == "tilt_left" else 1) * rng.uniform(0.10, 0.14)
    elif action.startswith("turn"):
        yaw += (-1 if action == "turn_left" else 1) * rng.uniform(0.18, 0.26)
    side, rise = _gaze_sides(direction.gaze)
    yaw += 0.13 * side
    pitch += 0.09 * rise
    if direction.gaze == "camera":
        yaw, pitch = yaw * 0.6, pitch * 0.6
    breathing = _wave(num_frames, rng.uniform(0.22, 0.38), rng)
    shift = 0.008 * level * _noise(num_frames, 0.4, rng)
    motion[:, head] = np.stack(
        [
            yaw,
            pitch,
            roll,
            0.13 * yaw + 0.10 * roll + shift,
            -0.10 * pitch + 0.004 * level * _noise(num_frames, 0.5, rng),
            0.011 * level * _noise(num_frames, 0.35, rng) + 0.006 * beats * min(energy, 1.6),
            0.005 * breathing * rng.uniform(0.6, 1.4),
            0.7 * shift + 0.004 * level * _noise(num_frames, 0.3, rng),
        ],
        axis=1,
    )


def _repeat(motion, action: str, from_start: bool, rng) -> None:
    """Add nods or head shakes, which go on as long as they are asked for."""
    if action not in ("nodding", "shaking"):
        return
    name, (low_hz, high_hz), (low, high) = {
        "nodding": ("pitch", (1.3, 1.5), (0.08, 0.11)),
        "shaking": ("yaw", (0.95, 1.1), (0.11, 0.16)),
    }[action]
    num_frames = len(motion)
    phase = rng.uniform(-0.04, 0.04) if from_start else rng.random()
    seconds = np.arange(num_frames) / FPS
    wave = -np.sin(2 * np.pi * (seconds * rng.uniform(low_hz, high_hz) + phase))
    swell = 0.85 + 0.15 * _noise(num_frames, 0.3, rng).clip(-1, 1)
    swing = rng.uniform(low, high) * swell * wave
    motion[:, MOTION_INDEX[name]] += swing - (0.02 if action == "nodding" else 0)
    follower, share = ("shift_y", -0.10) if action == "nodding" else ("shift_x", 0.13)
    motion[:, MOTION_INDEX[follower]] += share * swing


def _eyes(motion, direction, energy, stress, active, rng) -> None:
    num_frames = len(stress)
    side, rise = _gaze_sides(direction.gaze)
    roam = 0.35 if direction.gaze == "camera" or direction.energy == "still" else 1.0
    gaze = _saccades(num_frames, rng, roam)
    gaze_x = gaze[:, 0] + 0.13 * side
    gaze_y = gaze[:, 1] - 0.075 * rise
    if direction.head.startswith("turn"):
        gaze_x -= 0.05 * np.sign(motion[:, MOTION_INDEX["yaw"]])
    else:  # eyes hold the camera while the head moves a little
        gaze_x -= 0.25 * (motion[:, MOTION_INDEX["yaw"]] - 0.13 * side)
        gaze_y += 0.25 * (motion[:, MOTION_INDEX["pitch"]] - 0.09 * rise)
    blink = _blinks(active, rng)
    blink = np.maximum(blink, 0.25 * np.clip(gaze_y / 0.075, 0, 1))
    if direction.eyes == "closed":
        blink = np.maximum(blink, rng.uniform(0.94, 1.0))
    squint = 0.04 * _noise(num_frames, 0.3, rng)
    if direction.eyes == "wide":
        squint = squint - 0.45
    lift = gaussian_filter1d(stress * rng.uniform(0, 1.4), 2.0, mode="nearest")
    brow = 0.014 * lift * min(energy, 1.7) + 0.0015 * _noise(num_frames, 0.4, rng)
    if direction.eyes == "brows_raised":
        brow = brow + rng.uniform(0.026, 0.034)
    if rise > 0:
        brow = brow + 0.006
    motion[:, MOTION_INDEX["blink_r"]] = np.clip(blink * rng.uniform(0.97, 1), 0, 1)
    motion[:, MOTION_INDEX["blink_l"]] = np.clip(blink * rng.uniform(0.97, 1), 0, 1)
    motion[:, MOTION_INDEX["gaze_x"]] = gaze_x
    motion[:, MOTION_INDEX["gaze_y"]] = gaze_y
    motion[:, MOTION_INDEX["brow_r"]] = brow + 0.0008 * _noise(num_frames, 0.4, rng)
    motion[:, MOTION_INDEX["brow_l"]] = brow + 0.0008 * _noise(num_frames, 0.4, rng)
    motion[:, MOTION_INDEX["furrow"]] = 0.03 * np.clip(_noise(num_frames, 0.3, rng), 0, 2)
    motion[:, MOTION_INDEX["squint"]] = squint


def _express(motion, emotion: dict[str, float], strength: float, rng) -> None:
    num_frames = len(motion)
    swell = strength * (1 + 0.06 * _noise(num_frames, 0.3, rng))
    for name, value in emotion.items():
        if name in ("head", "mouth"):
            continue
        parts = {"brows": ("brow_r", "brow_l"), "blink": ("blink_r", "blink_l")}
        for part in parts.get(name, (name,)):
            column = MOTION_INDEX[part]
            if name == "blink":
                motion[:, column] = np.maximum(motion[:, column], value * swell)
            else:
                motion[:, column] += value * swell
    for name, spread in (("smile", 0.02), ("cheek", 0.015), ("skew", 0.02), ("chin", 0.015)):
        motion[:, MOTION_INDEX[name]] += spread * _noise(num_frames, 0.4, rng)
    for name in ("smile", "cheek", "chin", "furrow", "frown", "sneer"):
        column = MOTION_INDEX[name]
        motion[:, column] = np.clip(motion[:, column], 0, 1)


def _gaze_sides(gaze: str) -> tuple[int, int]:
    """Return (-1, 0, 1) for picture left to right and (-1, 0, 1) for down to up."""
    return {"left": -1, "right": 1}.get(gaze, 0), {"down": -1, "up": 1}.get(gaze, 0)


def _noise(num_frames: int, top_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Return unit-variance noise of seven random waves between 0.04 and `top_hz`."""
    hz = 0.04 + (top_hz - 0.04) * rng.random(7) ** 1.5
    weights = rng.standard_normal(7) / (0.3 + hz / top_hz)
    waves = np.sin(2 * np.pi * (np.arange(num_frames)[:, None] / FPS * hz + rng.random(7)))
    return (waves * weights).sum(1) / (np.sqrt((weights**2).sum() / 2) + 1e-6)


def _wave(num_frames: int, hz: float, rng: np.random.Generator) -> np.ndarray:
    return np.sin(2 * np.pi * (np.arange(num_frames) / FPS * hz + rng.random()))


def _saccades(num_frames: int, rng: np.random.Generator, roam: float) -> np.ndarray:
    """Return (F, 2): the eyes rest on the camera, wander a little, now and then glance away."""
    targets = np.zeros((num_frames, 2))
    frame = -int(rng.integers(0, 30))
    while frame < num_frames:
        hold = int(rng.exponential(1.1) * FPS) + 6
        if rng.random() < 0.10 * roam:
            place = rng.normal(0, [0.06, 0.028])
            hold = int(rng.uniform(0.3, 0.9) * FPS)
        elif rng.random() < 0.55:
            place = rng.normal(0, [0.012, 0.007])
        else:
            place = np.zeros(2)
        targets[max(frame, 0) : max(frame + hold, 0)] = place * roam
        frame += hold
    return gaussian_filter1d(targets, 0.7, axis=0, mode="nearest")


def _blinks(active: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (F,) 0..1: about 17 blinks a minute, more often when a phrase ends."""
    num_frames = len(active)
    times_s = np.arange(num_frames) / FPS
    ends = np.flatnonzero(np.diff(active) < 0)
    starts = list(ends[rng.random(len(ends)) < 0.35] / FPS + rng.uniform(0, 0.15))
    starts += list(rng.uniform(-0.3, num_frames / FPS, rng.poisson(0.24 * num_frames / FPS)))
    closed = np.zeros(num_frames)
    last_s = -9.0
    for start_s in sorted(starts):
        if start_s - last_s < 0.7:
            continue
        last_s = start_s
        fall_s, rise_s = rng.uniform(0.07, 0.10), rng.uniform(0.14, 0.20)
        since_s = times_s - start_s
        falling = np.clip(since_s / fall_s, 0, 1)
        rising = np.clip((since_s - fall_s - 0.03) / rise_s, 0, 1)
        closed = np.maximum(closed, falling * (1 - rising**0.7))
    return np.clip(closed * 1.08, 0, 1)
