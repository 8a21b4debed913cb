"""Time stamps of frames: the constant rate that fits them, and the frame at each instant."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from skyreels_avatar.errors import InputError

MIN_FPS, MAX_FPS = 1.0, 120.0
# Rates that cameras, screens and editing programs use.
_COMMON_RATES = sorted(
    [Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120, 240)]
    + [Fraction(n) for n in (5, 8, 10, 12, 15, 16, 18, 20, 24, 25, 30, 48, 50, 60, 72, 90, 100)]
    + [Fraction(n) for n in (120, 144, 200, 240, 300, 480, 960)]
    + [Fraction(15, 2), Fraction(25, 2), Fraction(15000, 1001)]
)
_SNAP_EXACT = 0.003  # of the rate, where stamps fit a constant rate
_SNAP_JITTERY = 0.03  # where they do not
_EXACT_APART, _STAMP_S = 0.02, 0.0011  # of a frame, and stamps in milliseconds
_SAME_STEP = 0.06  # steps between stamps that differ by less are of one rate
_SHARE_OF_RATE = 0.2  # of the frames; a faster rate that fewer of them follow is left out
_LONGEST_HOLD = 20.0  # steps; a last frame that claims to be shown longer is not believed


@dataclass(frozen=True, eq=False)
class FrameTimeline:
    """Frames with time stamps, resampled to a constant rate.

    Attributes:
        rate: frames per second.
        slots: (N,) int64, never falling: the first instant that shows each stamped frame. Of
            frames that share one, the last is shown; a frame is held until the next one's.
        num_frames: instants.
        source_rate: rate of the stamps, where `rate` had to differ from it; else equal to `rate`.
        is_constant: whether the stamps fit a constant rate: every frame is shown once.
    """

    rate: Fraction
    slots: np.ndarray
    num_frames: int
    source_rate: Fraction
    is_constant: bool


def exact_fps(fps: float) -> Fraction:
    """Return frames per second as a fraction; 23.98, 29.97 and 59.94 become their true n/1001.

    Raises:
        InputError: outside 1 to 120.
    """
    if not MIN_FPS <= fps <= MAX_FPS:
        raise InputError(
            f"fps must be between {MIN_FPS:g} and {MAX_FPS:g} frames a second, got {fps:g}"
        )
    whole = round(fps)
    if whole % 6 == 0 and abs(fps - whole / 1.001) < 0.006:
        return Fraction(whole * 1000, 1001)
    return Fraction(fps).limit_denominator(1000)


def fit_timeline(
    times_s: np.ndarray, last_s: float = 0.0, stated: Sequence[Fraction | None] = ()
) -> FrameTimeline:
    """Fit a constant rate to time stamps and return the instants of the frames.

    Args:
        times_s: (N,) seconds, never falling.
        last_s: how long the last frame is shown, as the file says; 0 = it does not.
        stated: rates that the file claims; one is believed if the stamps fit it.
    """
    claims = [Fraction(rate) for rate in stated if rate]
    count = len(times_s)
    if count == 1 or times_s[-1] <= times_s[0]:
        rate = next((rate for rate in claims if rate <= MAX_FPS), Fraction(25))
        return _resampled(np.arange(count) / float(rate), count / rate, rate, True)
    rate = _constant_rate(times_s, claims)
    if rate is not None:
        return _resampled(np.arange(count) / float(rate), count / rate, rate, True)
    rate = _typical_rate(np.diff(times_s))
    times_s = times_s - times_s[0]
    step_s = times_s[-1] - times_s[np.searchsorted(times_s, times_s[-1]) - 1]
    step_s = min(step_s, _LONGEST_HOLD / float(rate))
    if 0.5 * step_s <= last_s <= _LONGEST_HOLD * step_s:
        step_s = last_s
    return _resampled(times_s, Fraction(float(times_s[-1] + step_s)), rate, False)


def unwrap_timestamps(order: np.ndarray, max_gap: int) -> np.ndarray:
    """Return offsets of the stamps that remove jumps of the clock.

    Concatenated recordings and streams whose clock restarts jump back or hours ahead; players
    continue with the next frame.

    Args:
        order: (N,) int64 decoding stamps in the order of the file.
        max_gap: longer pauses are jumps, in units of the stamps.

    Returns:
        (N,) int64.
    """
    steps = np.diff(order, prepend=order[0])
    usual = int(np.median(steps[steps > 0])) if (steps > 0).any() else 0
    jumps = (steps > max_gap) | (steps < -8 * max(usual, 1))
    return np.cumsum(np.where(jumps, usual - steps, 0))


def _constant_rate(times_s: np.ndarray, claims: Sequence[Fraction]) -> Fraction | None:
    """Return the rate at which each frame is nearest to its own instant; None if there is none."""
    count = len(times_s)
    mean = (count - 1) / (times_s[-1] - times_s[0])

    def apart(rate: Fraction) -> float:
        late = times_s * float(rate) - np.arange(count)
        return float(np.abs(late - np.median(late)).max())

    def common(share: float) -> list[Fraction]:
        near = [rate for rate in _COMMON_RATES if abs(float(rate) / mean - 1) < share]
        return sorted(near, key=lambda rate: (rate not in claims, abs(float(rate) - mean)))

    exact = [rate for rate in claims if abs(float(rate) / mean - 1) < _SNAP_EXACT]
    exact.append(Fraction(mean).limit_denominator(1001))
    rounding = max(_EXACT_APART, _STAMP_S * mean)
    return next(
        itertools.chain(
            (rate for rate in common(_SNAP_EXACT) if apart(rate) < 0.5),
            (rate for rate in exact if apart(rate) < rounding),
            (rate for rate in common(_SNAP_JITTERY) if apart(rate) < 0.5),
        ),
        None,
    )


def _typical_rate(steps_s: np.ndarray) -> Fraction:
    """Return the rate of most frames, or of the fastest where there are several rates."""
    steps_s = steps_s[steps_s > 0]
    usual = np.quantile(steps_s, 0.5, method="lower")
    mean = steps_s[(steps_s > 0.5 * usual) & (steps_s < 1.5 * usual)].mean()
    fastest = np.percentile(steps_s, 100 * _SHARE_OF_RATE / 2)
    fast = steps_s[np.abs(steps_s / fastest - 1) < _SAME_STEP]
    regular = (np.abs(steps_s / usual - 1) < _SAME_STEP).mean() > _SHARE_OF_RATE
    if regular and fastest < 0.75 * usual and len(fast) > _SHARE_OF_RATE * len(steps_s):
        mean = fast.mean()
    rate = 1 / float(mean)
    nearest = min(_COMMON_RATES, key=lambda common: abs(float(common) / rate - 1))
    if abs(float(nearest) / rate - 1) < _SNAP_JITTERY:
        return nearest
    return Fraction(rate).limit_denominator(100)


def _resampled(
    times_s: np.ndarray, duration_s: Fraction, source_rate: Fraction, is_constant: bool
) -> FrameTimeline:
    """Return the timeline of frames at times from 0 on, at their rate or the nearest allowed."""
    rate = source_rate
    if rate > MAX_FPS:
        rate = rate / -(-rate // Fraction(MAX_FPS))
    elif rate < MIN_FPS:
        rate = rate * -(-Fraction(MIN_FPS) // rate)
    num_frames = max(1, round(duration_s * rate))
    # An instant stands for its whole interval, so it shows what is seen in the middle of it.
    slots = np.ceil(times_s * float(rate) - 0.5 - 1e-6).astype(np.int64)
    return FrameTimeline(rate, np.clip(slots, 0, num_frames), num_frames, source_rate, is_constant)
