"""Where the eyes look and when they shut: fixations, glances away, blinks."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from train.data.simulate.articulation import FPS

FIRST_BLINK_S = (0.3, 6.0)  # of a performance that begins with the window, uniform
MEAN_INTERVAL_S = 3.9
DOUBLE_SHARE, HALF_SHARE = 0.12, 0.16  # of the blinks
BORDER_REACH_S = 0.6  # a blink waits for, or hurries to, the border of a phrase so far away


def saccades(
    active: np.ndarray, rng: np.random.Generator, roam: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (F, 2) gaze and the frames where the eyes leave the camera.

    The eyes rest on the camera and wander a little; in a pause they leave it more often, to the
    side and up or down, and come back when the voice goes on.

    Args:
        active: (F,) 1 where the voice sounds.
        roam: scales how often and how far; 1 = 5 to 15 % of the time away from the camera.
    """
    num_frames = len(active)
    targets = np.zeros((num_frames, 2))
    leaving = []
    frame = -int(rng.integers(0, 30))
    while frame < num_frames:
        hold = int(rng.exponential(0.9) * FPS) + 6
        silent = active[min(max(frame, 0), num_frames - 1)] < 0.5
        place = rng.normal(0, [0.016, 0.010])
        if rng.random() < (0.28 if silent else 0.11) * roam:
            side = rng.choice([-1.0, 1.0])
            place = np.array([side * rng.uniform(0.08, 0.15), rng.normal(0.0, 0.045)])
            hold = int(rng.uniform(0.5, 1.4) * FPS)
            leaving.append(max(frame, 0))
        targets[max(frame, 0) : max(frame + hold, 0)] = place * min(roam, 1.3)
        frame += hold
    return gaussian_filter1d(targets, 0.7, axis=0, mode="nearest"), np.array(leaving, int)


def blinks(
    active: np.ndarray,
    leaving: np.ndarray,
    rng: np.random.Generator,
    rate: float = 1.0,
    from_start: bool = False,
) -> np.ndarray:
    """Return (F, 2) 0..1: how far the right and the left lid are shut.

    Args:
        active: (F,) 1 where the voice sounds; blinks are drawn to its borders.
        leaving: frames where the eyes leave the camera, often with a blink.
        rate: 1 = 17 blinks a minute.
        from_start: the window begins a performance: its first blink is uniform in FIRST_BLINK_S.
    """
    num_frames = len(active)
    times_s = np.arange(num_frames) / FPS
    closed = np.zeros((num_frames, 2))
    for start_s in _blink_times(active, leaving, rng, rate, from_start):
        depth = rng.uniform(0.5, 0.75) if rng.random() < HALF_SHARE else 1.0
        one = _lid(times_s - start_s, rng)
        if rng.random() < DOUBLE_SHARE:
            one = np.maximum(one, _lid(times_s - start_s - rng.uniform(0.26, 0.40), rng))
        late = _lid_delay(one, rng)
        both = np.stack([one, late] if rng.random() < 0.5 else [late, one], 1)
        closed = np.maximum(closed, depth * both)
    return closed


def _blink_times(active, leaving, rng, rate, from_start) -> list[float]:
    duration_s = len(active) / FPS
    borders_s = (np.flatnonzero(np.diff(active) != 0) + 1) / FPS
    if from_start:
        time_s = rng.uniform(*FIRST_BLINK_S)
    else:
        time_s = -0.3 + rng.exponential(MEAN_INTERVAL_S / rate)
    times: list[float] = []
    first = True
    while time_s < duration_s:
        placed = time_s
        near = borders_s[np.abs(borders_s - time_s) < BORDER_REACH_S] if len(borders_s) else []
        if len(near) and not (from_start and first):
            placed = float(near[np.abs(near - time_s).argmin()] + rng.uniform(-0.04, 0.12))
        first = False
        times.append(placed)
        time_s = max(time_s, placed) + 0.5 + rng.gamma(1.6, (MEAN_INTERVAL_S / rate - 0.5) / 1.6)
    earliest = times[0] if from_start and times else -1.0
    for frame in leaving:
        at_s = frame / FPS
        if rng.random() < 0.25 and at_s > earliest and (not from_start or times):
            times.append(at_s)
    kept: list[float] = []
    for at_s in sorted(times):
        if not kept or at_s - kept[-1] > 0.6:
            kept.append(at_s)
    return kept


def _lid(since_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    fall_s, rise_s = rng.uniform(0.07, 0.10), rng.uniform(0.14, 0.22)
    falling = np.clip(since_s / fall_s, 0, 1)
    rising = np.clip((since_s - fall_s - 0.03) / rise_s, 0, 1)
    return np.clip(1.08 * falling * (1 - rising**0.7), 0, 1)


def _lid_delay(curve: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the other lid's curve: up to a third of a frame later, and a little less shut."""
    at = np.arange(len(curve)) - rng.uniform(0, 0.33)
    return np.interp(at, np.arange(len(curve)), curve) * rng.uniform(0.95, 1.0)
