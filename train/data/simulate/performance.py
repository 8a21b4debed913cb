"""Eyes, head and expression of a talking person, by prompt, by the voice and by the camera.

The head goes through band-limited noise (below 4 Hz) with zero mean, so that it always comes back
and a window may start anywhere; the voice drives the clock of that noise, fast where syllables are
stressed and phrases begin or end, slow in pauses. Directions are the viewer's: "left" is picture
left, which is negative in `gaze_x`, `yaw` and `roll`. Amplitudes are those of expressive talkers:
over eight seconds (p95 - p5) yaw 8.7, pitch 10.1, roll 6.9 degrees, brows 0.039 of the face height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from skyreels_avatar.rig.coefficients import MOTION_INDEX, MOTION_NAMES, MOTION_RANGE, NUM_MOTION
from train.data.simulate.articulation import FPS
from train.data.simulate.chance import Chance, draw_noise
from train.data.simulate.eye_motion import blinks, saccades
from train.data.simulate.style import Style, draw_style

# What a full expression (intensity 1) adds to the rig coefficients, and how the body changes:
# "head" scales head motion, "mouth" scales the opening, "gape" parts resting lips. Set by eye on
# portraits that smile: sorrow takes the photo's smile back (smile below 0) before it shows.
EMOTIONS: dict[str, dict[str, float]] = {
    "smiling": {"smile": 1.2, "cheek": 0.9, "squint": 0.35, "brows": 0.005, "head": 1.1},
    "laughing": {
        "smile": 1.35, "cheek": 1.2, "squint": 0.65, "brows": 0.010, "pitch": 0.05, "head": 1.4,
        "mouth": 1.25,
    },
    "angry": {
        "furrow": 1.7, "frown": 0.8, "smile": -0.7, "squint": 0.55, "brows": -0.024, "sneer": 0.75,
        "chin": 0.3, "pitch": -0.08, "zoom": 0.02, "head": 1.3, "mouth": 1.2,
    },
    "sad": {
        "frown": 1.35, "smile": -0.6, "furrow": 0.85, "brows": 0.016, "chin": 0.9, "pitch": -0.10,
        "roll": 0.06, "gaze_y": 0.05, "squint": 0.1, "blink": 0.14, "head": 0.6, "mouth": 0.8,
    },
    "surprised": {
        "brows": 0.045, "squint": -0.95, "smile": -0.35, "pitch": 0.05, "zoom": -0.02,
        "mouth": 1.3, "gape": 0.035,
    },
    "afraid": {
        "brows": 0.036, "furrow": 1.2, "squint": -0.85, "frown": 0.9, "smile": -0.5, "pitch": 0.05,
        "zoom": -0.03, "gape": 0.012, "head": 0.9,
    },
    "disgusted": {
        "sneer": 1.75, "furrow": 1.0, "squint": 0.65, "frown": 0.85, "smile": -0.3, "chin": 0.5,
        "pitch": 0.04, "yaw": 0.07, "brows": -0.010,
    },
    "contempt": {
        "skew": 0.8, "corner_l": 0.026, "smile": -0.25, "squint": 0.38, "pitch": 0.10,
        "roll": -0.06, "blink": 0.18, "sneer": 0.3, "head": 0.7, "mouth": 0.9,
    },
    "serious": {"furrow": 0.7, "frown": 0.3, "smile": -0.4, "head": 0.6, "brows": -0.007},
    "calm": {"smile": 0.16, "cheek": 0.1, "head": 0.5, "mouth": 0.85},
    "tender": {
        "smile": 0.6, "cheek": 0.4, "squint": 0.25, "roll": 0.10, "pitch": -0.03, "zoom": 0.02,
        "brows": 0.008, "blink": 0.1, "head": 0.75, "mouth": 0.85,
    },
    "excited": {
        "smile": 1.1, "cheek": 0.75, "brows": 0.030, "squint": -0.4, "zoom": 0.02, "head": 1.8,
        "mouth": 1.3,
    },
    "doubtful": {
        "skew": 0.6, "furrow": 0.3, "squint": 0.3, "chin": 0.4, "smile": -0.2, "roll": -0.07,
        "brow_r": 0.026, "brow_l": -0.006,
    },
    "proud": {"pitch": 0.09, "smile": 0.45, "chin": 0.15, "brows": 0.006, "head": 0.8},
    "tired": {
        "blink": 0.45, "pitch": -0.10, "roll": 0.05, "head": 0.45, "mouth": 0.75, "brows": -0.005,
        "gaze_y": 0.04, "frown": 0.45, "smile": -0.35,
    },
}  # fmt: skip
HEAD_ACTIONS = (
    "nodding", "shaking", "tilt_left", "tilt_right", "turn_left", "turn_right", "shrugging",
)  # fmt: skip
GAZES = ("left", "right", "up", "down", "camera")
EYES = ("closed", "brows_raised", "wide")
ENERGIES = ("lively", "still", "loud", "quiet")
_ENERGY = {"": (1.0, 1.0), "lively": (1.7, 1.25), "still": (0.18, 0.95), "loud": (1.4, 1.5)}
_ENERGY["quiet"] = (0.55, 0.55)  # head, mouth
# What a loud and a quiet voice do to the rest of the face.
_EFFORT = {
    "loud": {"furrow": 0.35, "brows": 0.008, "zoom": 0.02, "sneer": 0.25, "breath": 0.006},
    "quiet": {"zoom": 0.03, "pitch": -0.03, "brows": 0.006, "squint": 0.12},
}
# What the decoder draws without folding: the usual range and three tenths of it on either side.
_LOW, _HIGH = (np.array([MOTION_RANGE[name][side] for name in MOTION_NAMES]) for side in (0, 1))
_LIMITS = (_LOW - 0.3 * (_HIGH - _LOW), _HIGH + 0.3 * (_HIGH - _LOW))
for _name, _low, _high in (
    ("smile", -0.8, 1.4), ("cheek", 0, 1.3), ("chin", 0, 1), ("furrow", 0, 1.9),
    ("frown", 0, 1.6), ("sneer", 0, 1.9), ("squint", -1.1, 0.9), ("corner_l", -0.03, 0.035),
):  # fmt: skip
    _LIMITS[0][MOTION_INDEX[_name]], _LIMITS[1][MOTION_INDEX[_name]] = _low, _high


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
    style: Style | None = None,
    noise: np.ndarray | None = None,
) -> np.ndarray:
    """Return (F, 32) rig coefficients with the mouth group at zero.

    Args:
        stress: (F,) pulses at stressed syllables. active: (F,) 1 where the voice sounds.
        from_start: the performance begins here: the head at rest, a nod down first, a shake to
            the left, and a first blink within six seconds.
        style: of the talker; None = drawn.
        noise: packed noise (32, T, 1, 4) of the window, which decides blinks and glances: see
            chance.py. None = drawn.
    """
    num_frames = len(stress)
    style = style or draw_style(rng)
    chance = Chance.of(draw_noise(num_frames, rng) if noise is None else noise)
    motion = np.zeros((num_frames, NUM_MOTION))
    emotion = EMOTIONS.get(direction.emotion, {})
    strength = direction.intensity * rng.uniform(0.92, 1.1)
    energy = _ENERGY[direction.energy][0] * (1 + (emotion.get("head", 1.0) - 1) * strength)
    clock_s = voice_clock(stress, active)
    _head(motion, direction, energy * style.head, stress, (clock_s, from_start), rng)
    _repeat(motion, direction.head, from_start, rng)
    _eyes(motion, direction, style, active, (chance, from_start), rng)
    _brows(motion, direction, style.face * min(energy, 1.6), stress, active, rng)
    _express(motion, emotion, strength, rng)
    _express(motion, _EFFORT.get(direction.energy, {}), 1.0, rng)
    _colour(motion, style.face * min(energy, 1.3), clock_s, active, rng)
    if direction.emotion == "laughing":
        seconds = np.arange(num_frames) / FPS
        bursts = np.clip(_noise(seconds, 0.5, rng) + 0.4, 0, 1)
        shake = _wave(num_frames, rng.uniform(2.6, 3.6), rng) * bursts
        motion[:, MOTION_INDEX["pitch"]] += 0.03 * strength * shake
        motion[:, MOTION_INDEX["breath"]] += 0.010 * strength * shake
    return motion.clip(*_LIMITS).astype(np.float32)


def voice_clock(stress: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Return (F,) seconds of a clock that the voice drives: it sets the speed of the head.

    It runs at a sixth of its pace in pauses, and faster the denser and stronger the stresses and
    where a phrase begins or ends.
    """
    speaking = gaussian_filter1d(active.astype(float), 5, mode="nearest")
    drive = gaussian_filter1d(stress.astype(float), 7, mode="nearest")
    borders = np.abs(np.diff(active.astype(float), prepend=active[:1]))
    turn = gaussian_filter1d(borders, 5, mode="constant") * 12
    pace = 0.16 + speaking * (0.45 + 4.5 * np.minimum(drive, 0.35)) + 0.8 * turn
    return np.cumsum(pace) / FPS


def rest_gap(direction: Direction) -> float:
    """Return how far lips stay apart / H where nobody speaks, as an expression asks."""
    return EMOTIONS.get(direction.emotion, {}).get("gape", 0.0) * direction.intensity


def mouth_strength(direction: Direction) -> float:
    """Return by how much a direction scales the opening of the mouth."""
    emotion = EMOTIONS.get(direction.emotion, {}).get("mouth", 1.0)
    return _ENERGY[direction.energy][1] * (1 + (emotion - 1) * direction.intensity)


def _head(motion, direction, energy, stress, clock, rng) -> None:
    num_frames = len(stress)
    clock_s, from_start = clock
    seconds = np.arange(num_frames) / FPS
    head = slice(MOTION_INDEX["yaw"], MOTION_INDEX["sway"] + 1)
    level = min(energy, 2.2)

    def wander(top_hz: float) -> np.ndarray:
        wave = _noise(clock_s, top_hz, rng)
        if from_start:  # the first posture is the photo's
            wave = wave - wave[0] * np.exp(-(clock_s - clock_s[0]) / 1.5)
        return wave

    yaw, pitch, roll = (
        0.062 * wander(0.85) * level,
        0.040 * wander(0.85) * level,
        0.037 * wander(0.75) * level,
    )
    beats = gaussian_filter1d(stress, 2.6, mode="nearest") * np.clip(
        rng.uniform(0.8, 1.3) + 0.3 * _noise(seconds, 0.8, rng), 0.3, 2.0
    )
    pitch = pitch - 0.24 * beats * min(energy, 1.8)
    roll = roll + 0.05 * beats * min(energy, 1.8) * np.sign(roll)
    action = direction.head
    if action.startswith("tilt"):
        roll += (-1 if action == "tilt_left" else 1) * rng.uniform(0.14, 0.19)
    elif action.startswith("turn"):
        yaw += (-1 if action == "turn_left" else 1) * rng.uniform(0.22, 0.30)
    elif action == "shrugging":
        pitch, roll = pitch + 0.02, roll + rng.choice([-1, 1]) * 0.07
    side, rise = _gaze_sides(direction.gaze)
    yaw += 0.15 * side
    pitch += 0.10 * rise
    if direction.gaze == "camera":
        yaw, pitch = yaw * 0.6, pitch * 0.6
    breathing = _wave(num_frames, rng.uniform(0.22, 0.38), rng)
    pitch = pitch + 0.004 * breathing
    breath = 0.006 * breathing * rng.uniform(0.7, 1.4) + 0.012 * beats * min(energy, 1.6)
    if action == "shrugging":
        breath = breath + rng.uniform(0.022, 0.030)
    shift = 0.014 * level * wander(0.4)
    motion[:, head] = np.stack(
        [
            yaw,
            pitch,
            roll,
            0.13 * yaw + 0.10 * roll + shift,
            -0.10 * pitch + 0.006 * level * wander(0.5),
            0.018 * level * wander(0.35) + 0.010 * beats * min(energy, 1.6),
            breath,
            0.7 * shift + 0.006 * level * wander(0.3),
        ],
        axis=1,
    )


def _repeat(motion, action: str, from_start: bool, rng) -> None:
    """Add nods or head shakes, which go on as long as they are asked for."""
    if action not in ("nodding", "shaking"):
        return
    name, (low_hz, high_hz), (low, high) = {
        "nodding": ("pitch", (1.3, 1.5), (0.10, 0.14)),
        "shaking": ("yaw", (0.95, 1.1), (0.14, 0.20)),
    }[action]
    num_frames = len(motion)
    phase = rng.uniform(-0.04, 0.04) if from_start else rng.random()
    seconds = np.arange(num_frames) / FPS
    wave = -np.sin(2 * np.pi * (seconds * rng.uniform(low_hz, high_hz) + phase))
    swell = 0.85 + 0.15 * _noise(seconds, 0.3, rng).clip(-1, 1)
    swing = rng.uniform(low, high) * swell * wave
    motion[:, MOTION_INDEX[name]] += swing - (0.02 if action == "nodding" else 0)
    follower, share = ("shift_y", -0.10) if action == "nodding" else ("shift_x", 0.13)
    motion[:, MOTION_INDEX[follower]] += share * swing


def _eyes(motion, direction, style, active, chances, rng) -> None:
    chance, from_start = chances
    side, rise = _gaze_sides(direction.gaze)
    if direction.gaze == "camera" or direction.energy == "still":
        roam = 0.25
    else:
        roam = style.gaze * (0.5 if direction.gaze else 1.0)
    gaze, leaving = saccades(active, rng, roam, chance)
    gaze_x = gaze[:, 0] + 0.15 * side
    gaze_y = gaze[:, 1] - 0.085 * rise
    if direction.head.startswith("turn"):
        gaze_x -= 0.05 * np.sign(motion[:, MOTION_INDEX["yaw"]])
    else:  # eyes hold the camera while the head moves a little
        gaze_x -= 0.28 * (motion[:, MOTION_INDEX["yaw"]] - 0.15 * side)
        gaze_y += 0.25 * (motion[:, MOTION_INDEX["pitch"]] - 0.10 * rise)
    lids = blinks(active, leaving, rng, chance, style.blink, from_start)
    lids = np.maximum(lids, 0.25 * np.clip(gaze_y / 0.085, 0, 1)[:, None])
    if direction.eyes == "closed":
        lids = np.maximum(lids, rng.uniform(0.94, 1.0))
    motion[:, MOTION_INDEX["blink_r"] : MOTION_INDEX["blink_l"] + 1] = lids
    motion[:, MOTION_INDEX["gaze_x"]] = gaze_x
    motion[:, MOTION_INDEX["gaze_y"]] = gaze_y


def _brows(motion, direction, liveliness, stress, active, rng) -> None:
    """Raise brows over the strongest stresses of a phrase, knit them now and then."""
    num_frames = len(stress)
    seconds = np.arange(num_frames) / FPS
    raised = np.zeros(num_frames)
    knit = np.zeros(num_frames)
    pulses = gaussian_filter1d(stress, 1.0, mode="nearest")
    peaks = np.flatnonzero((pulses[1:-1] >= pulses[:-2]) & (pulses[1:-1] > pulses[2:])) + 1
    for frame in peaks[pulses[peaks] > 0.04] if len(peaks) else ():
        if rng.random() > 0.6:
            continue
        length_s = rng.uniform(0.2, 1.1)
        since_s = seconds - seconds[frame] + 0.12
        rise = np.clip(since_s / 0.16, 0, 1) * np.clip((length_s + 0.3 - since_s) / 0.3, 0, 1)
        if rng.random() < 0.8:
            raised = np.maximum(raised, rng.lognormal(np.log(0.034), 0.30) * rise)
        else:
            knit = np.maximum(knit, rng.uniform(0.25, 0.7) * rise)
    quiet = 0.3 + 0.7 * gaussian_filter1d(active.astype(float), 6, mode="nearest")
    brow = liveliness * (gaussian_filter1d(raised, 1.5, mode="nearest"))
    brow = brow + 0.003 * _noise(seconds, 0.4, rng) * quiet * liveliness
    one_sided = rng.normal(0, 0.15)
    if direction.eyes == "brows_raised":
        brow = brow + rng.uniform(0.036, 0.046)
    if direction.gaze == "up":
        brow = brow + 0.008
    motion[:, MOTION_INDEX["brow_r"]] = brow * (1 - one_sided)
    motion[:, MOTION_INDEX["brow_l"]] = brow * (1 + one_sided)
    motion[:, MOTION_INDEX["furrow"]] = gaussian_filter1d(knit, 1.5, mode="nearest") * liveliness
    squint = 0.05 * _noise(seconds, 0.3, rng) - 4.0 * np.clip(brow - 0.02, 0, 0.03)
    if direction.eyes == "wide":
        squint = squint - 0.6
    motion[:, MOTION_INDEX["squint"]] = squint + 0.2 * knit


def _colour(motion, liveliness, clock_s, active, rng) -> None:
    """Let a face that speaks come and go: half smiles, cheeks, chin, and its own asymmetry."""
    speaking = gaussian_filter1d(active.astype(float), 6, mode="nearest")
    moved = 0.3 + 0.7 * speaking
    smiles = 0.12 * np.clip(_noise(clock_s, 0.4, rng) + 0.2, 0, 2.5) * liveliness
    for name, share in (("smile", 1.0), ("cheek", 0.6)):
        motion[:, MOTION_INDEX[name]] += share * smiles
    for name, spread in (("skew", 0.10), ("chin", 0.08), ("sneer", 0.08), ("frown", 0.05)):
        wave = spread * liveliness * _noise(clock_s, 0.5, rng) * moved
        motion[:, MOTION_INDEX[name]] += wave if name == "skew" else np.clip(wave, 0, 1)
    side = rng.normal(0, 0.12)  # nobody speaks evenly
    motion[:, MOTION_INDEX["skew"]] += side * speaking
    motion[:, MOTION_INDEX["corner_r"]] -= 0.012 * side * speaking
    motion[:, MOTION_INDEX["corner_l"]] += 0.012 * side * speaking


def _express(motion, emotion: dict[str, float], strength: float, rng) -> None:
    swell = strength * (1 + 0.06 * _noise(np.arange(len(motion)) / FPS, 0.3, rng))
    for name, value in emotion.items():
        if name in ("head", "mouth", "gape"):
            continue
        parts = {"brows": ("brow_r", "brow_l"), "blink": ("blink_r", "blink_l")}
        for part in parts.get(name, (name,)):
            column = MOTION_INDEX[part]
            if name == "blink":
                motion[:, column] = np.maximum(motion[:, column], value * swell)
            else:
                motion[:, column] += value * swell


def _gaze_sides(gaze: str) -> tuple[int, int]:
    """Return (-1, 0, 1) for picture left to right and (-1, 0, 1) for down to up."""
    return {"left": -1, "right": 1}.get(gaze, 0), {"down": -1, "up": 1}.get(gaze, 0)


def _noise(clock_s: np.ndarray, top_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Return unit-variance noise of seven random waves between 0.04 and `top_hz`, at (F,) times."""
    hz = 0.04 + (top_hz - 0.04) * rng.random(7) ** 1.5
    weights = rng.standard_normal(7) / (0.3 + hz / top_hz)
    waves = np.sin(2 * np.pi * (np.asarray(clock_s)[:, None] * hz + rng.random(7)))
    return (waves * weights).sum(1) / (np.sqrt((weights**2).sum() / 2) + 1e-6)


def _wave(num_frames: int, hz: float, rng: np.random.Generator) -> np.ndarray:
    return np.sin(2 * np.pi * (np.arange(num_frames) / FPS * hz + rng.random()))
