"""Breathing and shrugs: how far a talker's shoulders are raised beside what the networks say.

People breathe in through the pauses of their speech, the deeper the longer the phrase that comes,
and out while they speak; in silence they breathe about 15 times a minute. The networks raise
shoulders on stressed words, but do not know when the next pause comes.

Source: D. H. McFarland, "Respiratory markers of conversational interaction" (2001): speech breaths
are in for 0.5 to 0.8 s and out for the length of the phrase, resting ones in for 0.4 of the cycle.
"""

from __future__ import annotations

import re

import numpy as np
import torch

from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.pipeline.noise import segment_generator
from skyreels_avatar.planning.segments import ShotPlan

RISE = 0.016  # of the face height, by a full breath
SHRUG_RISE = 0.11
REST_HZ = 0.25
_SPREAD_HZ, _SPREAD_RISE = 0.035, 0.15  # by which people differ
_REST_DEPTH, _IN_SHARE = 0.6, 0.4
_FLOOR_DB, _SILENCE_DB = 30.0, -65.0  # under the loudest twentieth; of full scale
_NOISE_DB = 8.0  # over the softest twentieth, where there is noise in pauses
_GAP_S, _BLIP_S = 0.24, 0.12  # shorter pauses hold no breath, shorter sounds are not speech
_IN_S = (0.25, 0.75)
_PHRASE_S = 6.0  # for which people breathe in fully
_LISTEN_S = 1.6  # from the end of a phrase, until they breathe as at rest
_SHRUG_S = (0.28, 0.42, 0.45)  # up, held, down
_SHRUG_EVERY_S = 2.6
_SHRUG_AFTER_S = 0.25  # the beginning of a phrase
_STREAM = -2  # of the random numbers, beside those of the windows and of the talker
_ASKED = re.compile(r"\b(shrug\w*)|(rais|lift)\w* (the |her |his |their |both )*shoulders|\u8038")
_REFUSED = re.compile(r"\b(not|never|without|no|don't|doesn't|stops?)\s+(any\s+)?$")
_AT_END = re.compile(r"\b(at the end|finally|in the end|at last)\b")


def raised_shoulders(
    voice: AudioTrack, plan: ShotPlan, prompt: str = "", key: tuple[int, int] = (0, 0)
) -> torch.Tensor:
    """Return (F,) how far shoulders are raised / H, at the motion frames of a shot.

    The first frame is 0: it shows the picture.

    Args:
        voice: that moves the mouth.
        key: seed and noise key of the shot: people breathe at paces of their own.
    """
    count, fps = plan.num_motion_frames, plan.motion_fps
    phrases = spoken_phrases(voice, count, fps)
    drawn = torch.randn(2, generator=segment_generator(key[0], _STREAM, key[1])).clamp(-2, 2)
    pace, depth = (1 + torch.tensor([_SPREAD_HZ / REST_HZ, _SPREAD_RISE]) * drawn).tolist()
    raised = RISE * depth * breathing(phrases, count, fps, REST_HZ * pace)
    if asks_for_shrug(prompt):
        raised = raised + SHRUG_RISE * shrugs(phrases, count, fps, bool(_AT_END.search(prompt)))
    return torch.from_numpy(raised - raised[0]).float()


def spoken_phrases(voice: AudioTrack, count: int, fps: float) -> list[tuple[int, int]]:
    """Return first and last + 1 of the frames of each phrase, between pauses of 0.24 s or more."""
    mono = voice.mono()
    edges = np.linspace(0, count / fps * mono.sample_rate, count + 1).astype(int)
    edges = edges.clip(max=max(len(mono.samples) - 1, 0))
    power = np.add.reduceat(np.square(mono.samples, dtype=np.float64), edges[:-1])
    power = power / np.diff(edges).clip(min=1) * (np.diff(edges) > 0)
    level = 10 * np.log10(power + 1e-12)
    soft, loud = np.percentile(level, [5, 95])
    spoken = level > max(loud - _FLOOR_DB, min(soft + _NOISE_DB, loud - _NOISE_DB), _SILENCE_DB)
    spoken = ~_longer(~spoken, _GAP_S * fps)
    return _runs(_longer(spoken, _BLIP_S * fps))


def breathing(
    phrases: list[tuple[int, int]], count: int, fps: float, rest_hz: float = REST_HZ
) -> np.ndarray:
    """Return (F,) in 0..1: how full the lungs are.

    Args:
        phrases: of `spoken_phrases`.
        rest_hz: breaths a second where nobody speaks.
    """
    times, levels = [0.0], [0.35]  # of the corners of the curve
    last_s = count / fps
    for first, stop in [*((a / fps, b / fps) for a, b in phrases), (last_s, None)]:
        pause_s = first - times[-1]
        if pause_s > _LISTEN_S:
            rest_s = pause_s - (0.0 if stop is None else _IN_S[1])
            num_breaths = max(1, round(rest_s * rest_hz))
            cycle_s, start = rest_s / num_breaths, times[-1]
            for index in range(num_breaths):
                begins = start + index * cycle_s + 0.1
                times += [begins, begins + _IN_SHARE * cycle_s]
                levels += [levels[-1] if index == 0 else 0.1, _REST_DEPTH]
            times.append(times[-1] + 0.5 * cycle_s)
            levels.append(0.1)
            pause_s = first - times[-1]
        if stop is None:
            break
        if times[-1] > 0 or pause_s > _IN_S[0]:
            in_s = min(max(0.8 * pause_s, _IN_S[0]), _IN_S[1], pause_s)
            depth = 0.4 + 0.6 * min(1.0, (stop - first) / _PHRASE_S)
            times += [first - in_s, first]
            levels += [levels[-1], max(depth, levels[-1])]
        times.append(stop)
        levels.append(max(0.0, levels[-1] - 0.3 - 0.7 * (stop - first) / _PHRASE_S))
    curve = np.interp(np.arange(count) / fps, times, levels)
    return _smoothed(curve, 0.12 * fps)


def shrugs(
    phrases: list[tuple[int, int]], count: int, fps: float, at_end: bool = False
) -> np.ndarray:
    """Return (F,) in 0..1: shoulders that are shrugged in phrases, every few seconds.

    Args:
        at_end: one shrug, as late as it fits in.
    """
    up, held, down = (part * fps for part in _SHRUG_S)
    length = up + held + down
    latest = max(0.0, count - 1 - length)
    starts = []
    for first, stop in phrases or [(0, count)]:  # a long phrase has several
        start = min(first + _SHRUG_AFTER_S * fps, latest)
        starts += [start, *np.arange(start + _SHRUG_EVERY_S * fps, stop, _SHRUG_EVERY_S * fps)]
    curve, free = np.zeros(count), -np.inf
    for start in [latest] if at_end else sorted(start for start in starts if start <= latest):
        if start >= free:
            corners = start + np.cumsum([0, up, held, down])
            share = np.interp(np.arange(count), corners, [0.0, 1.0, 1.0, 0.0])
            curve = np.maximum(curve, share * share * (3 - 2 * share))
            free = start + _SHRUG_EVERY_S * fps
    return curve


def asks_for_shrug(prompt: str) -> bool:
    """Return whether a prompt asks for shrugs: "she shrugs", and not "without shrugging"."""
    prompt = prompt.lower()
    return any(not _REFUSED.search(prompt[: one.start()]) for one in _ASKED.finditer(prompt))


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [(int(first), int(stop)) for first, stop in edges.reshape(-1, 2)]


def _longer(flags: np.ndarray, least: float) -> np.ndarray:
    """Return flags without those runs of true that are shorter."""
    kept = flags.copy()
    for first, stop in _runs(flags):
        if stop - first < least:
            kept[first:stop] = False
    return kept


def _smoothed(curve: np.ndarray, sigma: float) -> np.ndarray:
    reach = round(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(curve, reach, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")
