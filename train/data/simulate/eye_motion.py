"""Where the eyes look and when they shut: fixations, glances away, blinks.

Glances and blinks are decided by `Chance`, in every latent frame afresh, so that the noise of the
window tells where they are.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtr, ndtri

from skyreels_avatar.rig.packing import TIME_FACTOR
from train.data.simulate.articulation import FPS
from train.data.simulate.chance import Chance

LATENT_S = TIME_FACTOR / FPS
FIRST_BLINK_S = (0.3, 6.0)  # of a performance that begins with the window, uniform
MEAN_INTERVAL_S, LEAST_INTERVAL_S = 4.3, 0.65
DOUBLE_SHARE, HALF_SHARE = 0.12, 0.14  # of the blinks
_BORDER_S = (-0.1, 0.18)  # of a phrase: blinks are likely here
_AT_BORDER, _ELSEWHERE = 2.6, 0.8
_LEAVING_BLINKS = 0.3  # share of the glances away
_LEAVING_RATE = 0.105, 0.21  # glances away a second, of a voice that sounds, and in pauses
_LEAVING_S = (0.5, 1.4)


def saccades(
    active: np.ndarray, rng: np.random.Generator, roam: float, chance: Chance
) -> tuple[np.ndarray, np.ndarray]:
    """Return (F, 2) gaze and the latent frames in which the eyes leave the camera.

    The eyes rest on the camera and wander a little; in a pause they leave it more often, to the
    side and up or down, and come back.

    Args:
        active: (F,) 1 where the voice sounds.
        roam: scales how often and how far; 1 = 5 to 15 % of the time away from the camera.
    """
    num_frames = len(active)
    targets = np.zeros((num_frames, 2))
    frame = -int(rng.integers(0, 30))
    while frame < num_frames:
        hold = int(rng.exponential(0.9) * FPS) + 6
        targets[max(frame, 0) : max(frame + hold, 0)] = rng.normal(0, [0.016, 0.010])
        frame += hold
    leaving, back = [], int(rng.exponential(0.3) * FPS) - 8
    for latent in range(len(chance.side)):
        first = max(TIME_FACTOR * (latent - 1) + 1, 0)
        if first < back or first >= num_frames:
            continue
        rate = _LEAVING_RATE[0 if active[first] > 0.5 else 1]
        if abs(chance.side[latent]) > -ndtri(min(rate * roam * LATENT_S, 0.5) / 2):
            side = np.sign(chance.side[latent])
            place = [side * rng.uniform(0.08, 0.15), 0.045 * chance.rise[latent]]
            low, high = _LEAVING_S
            back = first + int((low + (high - low) * ndtr(chance.hold[latent])) * FPS)
            targets[first:back] = place
            leaving.append(latent)
    targets *= min(roam, 1.3)
    return gaussian_filter1d(targets, 0.7, axis=0, mode="nearest"), np.array(leaving, int)


def blinks(
    active: np.ndarray,
    leaving: np.ndarray,
    rng: np.random.Generator,
    chance: Chance,
    rate: float = 1.0,
    from_start: bool = False,
) -> np.ndarray:
    """Return (F, 2) 0..1: how far the right and the left lid are shut.

    Args:
        active: (F,) 1 where the voice sounds; blinks are likely at its borders.
        leaving: latent frames where the eyes leave the camera, often with a blink.
        rate: 1 = 17 blinks a minute.
        from_start: the window begins a performance: its first blink is uniform in FIRST_BLINK_S.
    """
    times_s = np.arange(len(active)) / FPS
    closed = np.zeros((len(active), 2))
    for latent, start_s in _blink_times(active, leaving, rng, chance, (rate, from_start)):
        depth = rng.uniform(0.5, 0.75) if chance.kind[latent] < ndtri(HALF_SHARE) else 1.0
        one = _lid(times_s - start_s, rng)
        if chance.kind[latent] > -ndtri(DOUBLE_SHARE):
            one = np.maximum(one, _lid(times_s - start_s - rng.uniform(0.28, 0.38), rng))
        late = _lid_delay(one, rng)
        both = np.stack([one, late] if rng.random() < 0.5 else [late, one], 1)
        closed = np.maximum(closed, depth * both)
    return closed


def _blink_times(active, leaving, rng, chance: Chance, how) -> list[tuple[int, float]]:
    """Return the latent frames in which blinks begin, and when they do."""
    rate, from_start = how
    borders_s = (np.flatnonzero(np.diff(active) != 0) + 1) / FPS
    often = 1 / (MEAN_INTERVAL_S / rate - LEAST_INTERVAL_S)  # a second, once there may be one
    left = set(leaving.tolist())
    found: list[tuple[int, float]] = []
    last_s = -rng.exponential(1 / often)
    for latent in range(len(chance.blink)):
        start_s = chance.start(latent) / FPS
        if from_start and not found:
            low, high = FIRST_BLINK_S
            hazard = 1 / max(high - start_s, LATENT_S) if start_s >= low else 0.0
        elif start_s - last_s < LEAST_INTERVAL_S:
            hazard = 0.0
        else:
            since_s = start_s - borders_s
            near = ((since_s > _BORDER_S[0]) & (since_s < _BORDER_S[1])).any()
            hazard = often * (_AT_BORDER if near else _ELSEWHERE)
        share = min(hazard * LATENT_S, 0.6)
        if latent in left and hazard:
            share = max(share, _LEAVING_BLINKS)
        if share and chance.blink[latent] > ndtri(1 - share):
            found.append((latent, start_s))
            last_s = start_s
    return found


def _lid(since_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    fall_s, rise_s = rng.uniform(0.07, 0.10), rng.uniform(0.14, 0.22)
    falling = np.clip(since_s / fall_s, 0, 1)
    rising = np.clip((since_s - fall_s - 0.03) / rise_s, 0, 1)
    return np.clip(1.08 * falling * (1 - rising**0.7), 0, 1)


def _lid_delay(curve: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the other lid's curve: up to a third of a frame later, and a little less shut."""
    at = np.arange(len(curve)) - rng.uniform(0, 0.33)
    return np.interp(at, np.arange(len(curve)), curve) * rng.uniform(0.95, 1.0)
