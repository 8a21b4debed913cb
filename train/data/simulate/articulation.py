"""From phonemes to the eight mouth coefficients.

Targets of the vowels and of most consonants were fitted on real speech (GRID talker s1: words
aligned with espeak phonemes, least squares on the measured curves, then rounded and mirrored to
sounds that GRID does not have). Real lips stay about as open on t, d, s, k as on vowels, and
close or narrow on p, b, m, f, v, w and r. Coarticulation is by dominance (Cohen and Massaro,
1993): every segment pulls with its own strength, which falls off in time.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from skyreels_avatar.media.spoken_text import Phone

RATE_HZ = 100
FPS = 25.0
PUCKER_OF_SPEECH = 0.85  # a spoken "oo" is most of the decoder's full pout
# Lips begin to meet before the last sound ends, and part shortly before the first; in shorter
# pauses they wait. People move 0.18 times as much in pauses as in speech.
SHUT_AFTER_S, PART_BEFORE_S, SHORT_PAUSE_S = -0.04, 0.05, 0.2
_REST_PULL = 3.0
LEAD_S = 0.015  # lips run before the sound; best fit on GRID

# IPA symbol -> lip_gap, jaw_drop, width, pucker, upper_raise, press, tuck, tongue
VISEMES: dict[str, tuple[float, ...]] = {
    "a": (0.056, 0.042, 0.005, 0.00, 0.008, 0, 0, 0.0),
    "\u00e4": (0.056, 0.042, 0.005, 0.00, 0.008, 0, 0, 0.0),
    "\u0251": (0.060, 0.046, -0.006, 0.10, 0.006, 0, 0, 0.0),
    "\u00e6": (0.064, 0.044, 0.008, 0.00, 0.012, 0, 0, 0.0),
    "\u0250": (0.052, 0.032, 0.002, 0.00, 0.011, 0, 0, 0.0),
    "\u028c": (0.054, 0.035, 0.000, 0.05, 0.008, 0, 0, 0.0),
    "\u0259": (0.042, 0.026, -0.004, 0.05, 0.010, 0, 0, 0.1),
    "\u025c": (0.040, 0.026, -0.030, 0.30, 0.008, 0, 0, 0.1),
    "\u025a": (0.038, 0.024, -0.030, 0.30, 0.008, 0, 0, 0.1),
    "\u0254": (0.040, 0.036, -0.075, 0.60, 0.003, 0, 0, 0.0),
    "\u0252": (0.046, 0.040, -0.075, 0.45, 0.002, 0, 0, 0.0),
    "o": (0.034, 0.030, -0.080, 0.75, 0.002, 0, 0, 0.0),
    "\u0264": (0.040, 0.028, -0.010, 0.10, 0.008, 0, 0, 0.0),
    "u": (0.021, 0.020, -0.075, 1.00, 0.000, 0, 0, 0.0),
    "\u028a": (0.028, 0.022, -0.050, 0.65, 0.004, 0, 0, 0.0),
    "\u026f": (0.036, 0.020, 0.004, 0.15, 0.008, 0, 0, 0.0),
    "\u026a": (0.048, 0.030, 0.012, 0.00, 0.012, 0, 0, 0.1),
    "i": (0.044, 0.024, 0.022, 0.00, 0.014, 0, 0, 0.1),
    "\u1d7b": (0.046, 0.028, 0.012, 0.00, 0.012, 0, 0, 0.1),
    "\u0289": (0.024, 0.020, -0.060, 0.85, 0.001, 0, 0, 0.0),
    "\u0275": (0.034, 0.028, -0.055, 0.65, 0.003, 0, 0, 0.0),
    "\u0268": (0.042, 0.024, 0.012, 0.00, 0.012, 0, 0, 0.1),
    "e": (0.054, 0.034, 0.014, 0.00, 0.012, 0, 0, 0.0),
    "\u025b": (0.056, 0.038, 0.002, 0.00, 0.012, 0, 0, 0.0),
    "\u00f8": (0.032, 0.026, -0.055, 0.75, 0.003, 0, 0, 0.0),
    "\u0153": (0.042, 0.034, -0.050, 0.55, 0.004, 0, 0, 0.0),
    "y": (0.021, 0.018, -0.065, 0.95, 0.001, 0, 0, 0.0),
    "\u028f": (0.026, 0.020, -0.050, 0.70, 0.003, 0, 0, 0.0),
    "p": (0.000, 0.012, -0.012, 0.05, -0.006, 0.85, 0, 0.0),
    "b": (0.000, 0.012, -0.012, 0.05, -0.006, 0.80, 0, 0.0),
    "m": (0.000, 0.014, -0.010, 0.05, -0.005, 0.65, 0, 0.0),
    "f": (0.022, 0.010, -0.004, 0.00, 0.010, 0, 1.0, 0.0),
    "v": (0.023, 0.011, -0.006, 0.00, 0.009, 0, 0.9, 0.0),
    "\u028b": (0.012, 0.014, -0.006, 0.00, 0.008, 0, 0.6, 0.0),
    "\u03b2": (0.012, 0.014, -0.010, 0.10, 0.000, 0.1, 0, 0.0),
    "\u0278": (0.012, 0.014, -0.010, 0.20, 0.000, 0.1, 0, 0.0),
    "w": (0.010, 0.018, -0.088, 1.00, -0.006, 0, 0, 0.0),
    "\u028d": (0.010, 0.018, -0.088, 1.00, -0.006, 0, 0, 0.0),
    "\u0265": (0.014, 0.018, -0.070, 0.90, -0.002, 0, 0, 0.0),
    "\u03b8": (0.028, 0.018, 0.008, 0.00, 0.013, 0, 0, 1.0),
    "\u00f0": (0.028, 0.019, 0.004, 0.00, 0.012, 0, 0, 0.9),
    "s": (0.038, 0.012, 0.012, 0.00, 0.016, 0, 0, 0.0),
    "z": (0.036, 0.013, 0.010, 0.00, 0.014, 0, 0, 0.0),
    "\u0283": (0.038, 0.014, -0.045, 0.55, 0.012, 0, 0, 0.0),
    "\u0292": (0.038, 0.015, -0.045, 0.55, 0.012, 0, 0, 0.0),
    "\u0255": (0.036, 0.014, -0.008, 0.15, 0.013, 0, 0, 0.0),
    "\u0291": (0.036, 0.014, -0.008, 0.15, 0.013, 0, 0, 0.0),
    "\u0282": (0.036, 0.016, -0.025, 0.35, 0.011, 0, 0, 0.0),
    "\u0290": (0.036, 0.016, -0.025, 0.35, 0.011, 0, 0, 0.0),
    "t": (0.040, 0.022, 0.008, 0.00, 0.011, 0, 0, 0.25),
    "d": (0.038, 0.021, 0.008, 0.00, 0.011, 0, 0, 0.30),
    "\u0288": (0.040, 0.023, 0.004, 0.00, 0.010, 0, 0, 0.15),
    "\u0256": (0.040, 0.023, 0.004, 0.00, 0.010, 0, 0, 0.15),
    "n": (0.034, 0.024, 0.002, 0.00, 0.007, 0, 0, 0.50),
    "\u0273": (0.036, 0.024, 0.002, 0.00, 0.007, 0, 0, 0.20),
    "l": (0.034, 0.026, -0.004, 0.00, 0.004, 0, 0, 0.75),
    "\u026b": (0.036, 0.026, -0.012, 0.10, 0.004, 0, 0, 0.60),
    "\u026d": (0.036, 0.026, -0.008, 0.00, 0.006, 0, 0, 0.30),
    "\u028e": (0.034, 0.022, 0.010, 0.00, 0.008, 0, 0, 0.30),
    "r": (0.034, 0.024, -0.010, 0.10, 0.006, 0, 0, 0.35),
    "\u027e": (0.038, 0.024, 0.000, 0.00, 0.008, 0, 0, 0.40),
    "\u027d": (0.036, 0.024, -0.010, 0.10, 0.006, 0, 0, 0.20),
    "\u0279": (0.022, 0.020, -0.055, 0.50, -0.004, 0, 0, 0.10),
    "\u027b": (0.022, 0.020, -0.055, 0.50, -0.004, 0, 0, 0.10),
    "\u0281": (0.042, 0.030, -0.010, 0.05, 0.008, 0, 0, 0.0),
    "\u0280": (0.042, 0.030, -0.010, 0.05, 0.008, 0, 0, 0.0),
    "k": (0.048, 0.024, 0.008, 0.00, 0.015, 0, 0, 0.0),
    "\u0261": (0.048, 0.026, 0.006, 0.00, 0.013, 0, 0, 0.0),
    "g": (0.048, 0.026, 0.006, 0.00, 0.013, 0, 0, 0.0),
    "q": (0.048, 0.030, 0.000, 0.00, 0.011, 0, 0, 0.0),
    "\u014b": (0.042, 0.026, 0.004, 0.00, 0.010, 0, 0, 0.0),
    "h": (0.044, 0.028, 0.000, 0.00, 0.010, 0, 0, 0.0),
    "\u0266": (0.044, 0.028, 0.000, 0.00, 0.010, 0, 0, 0.0),
    "\u0127": (0.046, 0.034, 0.000, 0.00, 0.010, 0, 0, 0.0),
    "\u0295": (0.048, 0.036, -0.004, 0.00, 0.008, 0, 0, 0.0),
    "\u0294": (0.042, 0.028, 0.000, 0.00, 0.009, 0, 0, 0.0),
    "x": (0.044, 0.028, 0.000, 0.00, 0.011, 0, 0, 0.0),
    "\u03c7": (0.044, 0.030, 0.000, 0.00, 0.010, 0, 0, 0.0),
    "\u0263": (0.044, 0.028, 0.000, 0.00, 0.010, 0, 0, 0.0),
    "\u00e7": (0.038, 0.020, 0.016, 0.00, 0.013, 0, 0, 0.0),
    "c": (0.040, 0.020, 0.014, 0.00, 0.012, 0, 0, 0.0),
    "\u025f": (0.040, 0.020, 0.014, 0.00, 0.012, 0, 0, 0.0),
    "j": (0.038, 0.020, 0.018, 0.00, 0.011, 0, 0, 0.1),
    "\u029d": (0.038, 0.020, 0.018, 0.00, 0.011, 0, 0, 0.1),
    "\u02b2": (0.038, 0.022, 0.012, 0.00, 0.011, 0, 0, 0.1),
    "\u0274": (0.040, 0.026, 0.000, 0.00, 0.008, 0, 0, 0.0),
    "\u0272": (0.036, 0.020, 0.014, 0.00, 0.010, 0, 0, 0.2),
}
VOWELS = frozenset(
    "a\u00e4\u0251\u00e6\u0250\u028c\u0259\u025c\u025a\u0254\u0252o\u0264u\u028a\u026f\u026ai"
    "\u0268e\u025b\u00f8\u0153y\u028f\u1d7b\u0289\u0275"
)
_CLOSED = frozenset("pbm")
_LABIAL = frozenset("pbmfvw\u028b\u03b2\u0278\u028d\u0265")
_NARROW = frozenset("\u0279\u027b\u0283\u0292uyo\u0254\u00f8\u028a\u0252\u0153")
_REST = np.zeros(8)

# Reach of a segment beyond its ends in seconds, for each mouth number: rounding starts early.
_REACH_S = np.array([0.017, 0.022, 0.025, 0.026, 0.019, 0.011, 0.013, 0.016])

# Least squares draws targets towards their mean. What brings speed and spread back to those of
# GRID's lips, with a better r: opening and jaw to a power round a middle value, upper lip scaled.
_GAP_MIDDLE, _GAP_POWER = 0.05, 2.0
_JAW_MIDDLE, _JAW_POWER = 0.036, 1.6
_UPPER_SCALE = 1.3
_WIDEST_GAP = 0.18  # / H; a shout
# GRID's reader hardly moves his lips. What expressive talkers (149 pieces, 94 people) add: range of
# the opening 0.103 of H for his 0.060, of the inner width 0.096 for his 0.026.
_OPENING_SCALE = 2.2
_NARROW_SCALE, _SPREAD_SCALE = 2.8, 5.0
_OWN_WIDTHS = (-0.28, 0.25)  # of the motion number: what the decoder's fields bear
_SEEN_WIDTHS = (-0.30, 0.24)  # relative to the mouth at rest


def mouth_numbers(
    phones: tuple[Phone, ...] | list[Phone],
    num_frames: int,
    rng: np.random.Generator,
    strength: float = 1.0,
) -> np.ndarray:
    """Return (F, 8) float32: the mouth coefficients at the middle of each of F frames at 25 fps.

    Args:
        strength: scales opening and jaw; closures stay closures. 1 = the median expressive talker.
    """
    num_samples = int(num_frames / FPS * RATE_HZ) + 20
    segments = _segments(phones, num_samples / RATE_HZ)
    if not segments:
        return np.zeros((num_frames, 8), np.float32)
    times_s = np.arange(num_samples) / RATE_HZ
    starts = np.array([segment[1] for segment in segments])
    ends = np.array([segment[2] for segment in segments])
    targets = np.stack([_target(segment, rng, strength) for segment in segments])
    pulls = np.stack([_pull(segment[0]) for segment in segments])
    outside_s = np.maximum(np.maximum(starts - times_s[:, None], times_s[:, None] - ends), 0)
    weights = pulls[None] * np.exp(-outside_s[:, :, None] / _REACH_S)  # (S, segments, 8)
    curves = (weights * targets).sum(1) / (weights.sum(1) + 1e-9)
    curves = gaussian_filter1d(curves, 1.3, axis=0)
    curves = _close(curves, segments, num_samples)
    wander = gaussian_filter1d(rng.standard_normal(num_samples), 40, mode="wrap")
    wander *= 0.10 / (wander.std() + 1e-6)
    curves[:, :2] *= np.exp(wander)[:, None]
    frame_times_s = (np.arange(num_frames) + 0.5) / FPS + LEAD_S
    sampled = np.stack([np.interp(frame_times_s, times_s, column) for column in curves.T], 1)
    sampled[:, [0, 1, 3, 5, 6, 7]] = np.maximum(sampled[:, [0, 1, 3, 5, 6, 7]], 0)
    sampled[:, 3] *= PUCKER_OF_SPEECH
    sampled[:, 2] = own_width(sampled[:, 2], sampled[:, 0], sampled[:, 3])
    return sampled.astype(np.float32)


def own_width(seen: np.ndarray, lip_gap: np.ndarray, pucker: np.ndarray) -> np.ndarray:
    """Return the motion number `width` that shows as a relative mouth width of 1 + `seen`.

    The decoder narrows the mouth by 0.30 pucker and by 0.9 lip_gap on its own.
    """
    seen = np.clip(seen, *_SEEN_WIDTHS)
    return np.clip(seen + 0.30 * pucker + 0.9 * lip_gap, *_OWN_WIDTHS)


def accents(phones: tuple[Phone, ...] | list[Phone], num_frames: int) -> np.ndarray:
    """Return (F, 2) float32: pulses at stressed vowels (0..1), and 1 where someone speaks."""
    stress, active = np.zeros(num_frames), np.zeros(num_frames)
    for phone in phones:
        first, last = int(phone.start_s * FPS), max(int(np.ceil(phone.end_s * FPS)), 1)
        if symbols(phone.ipa):
            active[first:last] = 1
        if "\u02c8" in phone.ipa and first < num_frames:
            stress[first : first + 2] = 1
    return np.stack([gaussian_filter1d(stress, 1.5), active], 1).astype(np.float32)


def symbols(ipa: str) -> list[str]:
    """Return the symbols of one phoneme that the lips know, in order: "aI" gives two."""
    return [symbol for symbol in ipa if symbol in VISEMES]


def _segments(phones, duration_s: float) -> list[tuple[str, float, float, float]]:
    """Return (symbol or "", start, end, stress) for sounds and for longer pauses."""
    segments: list[tuple[str, float, float, float]] = []
    time_s = -0.3
    for phone in sorted(phones, key=lambda phone: phone.start_s):
        found = symbols(phone.ipa)
        if not found:
            continue
        if phone.start_s - time_s > SHORT_PAUSE_S:
            # lips part before the first sound and shut some time after the last
            rest_start = time_s + (SHUT_AFTER_S if segments else 0.0)
            rest_end = max(phone.start_s - PART_BEFORE_S, rest_start)
            segments.append(("", min(rest_start, rest_end), rest_end, 0.0))
        stress = 1.12 if "\u02c8" in phone.ipa else 0.94
        step = (phone.end_s - phone.start_s) / len(found)
        for index, symbol in enumerate(found):
            start_s = phone.start_s + index * step
            segments.append((symbol, start_s, start_s + step, stress))
        time_s = phone.end_s
    if not segments:
        return []
    segments.append(("", time_s + SHUT_AFTER_S, max(duration_s, time_s) + 0.3, 0.0))
    return segments


def _target(segment, rng: np.random.Generator, strength: float) -> np.ndarray:
    symbol, _, _, stress = segment
    if not symbol:
        return _REST
    target = np.array(VISEMES[symbol], dtype=np.float64)
    target[0] = _GAP_MIDDLE * (target[0] / _GAP_MIDDLE) ** _GAP_POWER
    target[1] = _JAW_MIDDLE * (target[1] / _JAW_MIDDLE) ** _JAW_POWER
    target[[0, 1]] *= _OPENING_SCALE * strength * stress * np.exp(rng.normal(0, 0.18))
    target[0] = _WIDEST_GAP * np.tanh(target[0] / _WIDEST_GAP)
    target[2] *= _NARROW_SCALE if target[2] < 0 else _SPREAD_SCALE
    target[2] *= strength * (1 + 0.5 * (stress - 1))
    target[[2, 3]] *= np.exp(rng.normal(0, 0.1))
    target[4] *= _UPPER_SCALE * min(strength, 1.3)
    return target


def _pull(symbol: str) -> np.ndarray:
    """Return (8,) how strongly a segment insists on each mouth number."""
    if not symbol:
        return np.full(8, _REST_PULL)
    pull = np.full(8, 1.0 if symbol in VOWELS else 0.45)
    if symbol in _LABIAL:
        pull[[0, 4]] = 3.5
        pull[[5, 6]] = 6.0
        pull[1] = 0.8
    if symbol in _NARROW or symbol in "w\u0265\u028d":
        pull[[2, 3]] = 2.0
        pull[0] = max(pull[0], 1.3)
    if symbol in "sz\u0283\u0292\u0255\u0291":
        pull[1] = 1.5  # the jaw must rise for a sibilant
    if symbol in "\u03b8\u00f0ln":
        pull[7] = 3.0
    return pull


def _close(curves: np.ndarray, segments, num_samples: int) -> np.ndarray:
    """Make lips meet on p, b, m (and nearly on f, v) for at least one picture."""
    shut, tucked = np.zeros(num_samples), np.zeros(num_samples)
    for symbol, start_s, end_s, _ in segments:
        level = shut if symbol in _CLOSED else tucked if symbol in "fv" and symbol else None
        if level is None:
            continue
        middle_s, half_s = (start_s + end_s) / 2, max((end_s - start_s) / 2, 0.032)
        first, last = int((middle_s - half_s) * RATE_HZ), int((middle_s + half_s) * RATE_HZ) + 1
        level[max(first, 0) : max(last, 0)] = 1
    for level, floor in ((shut, 0.0), (tucked, 0.5)):
        gate = gaussian_filter1d(maximum_filter1d(level, 3), 1.3)
        gate = np.clip(gate * 1.12, 0, 1)
        curves[:, 0] *= 1 - gate * (1 - floor)
    curves[:, 5] = np.maximum(curves[:, 5], 0.6 * gaussian_filter1d(shut, 1.2))
    curves[:, 5] *= curves[:, 0] < 0.02
    return curves
