"""Breathing while it is heard: how far the shoulders of a stream are raised.

As in a shot, people breathe in before they speak and out while they speak, and in silence about 15
times a minute; but what comes is known for less than half a second. Levels and paces are those of
`pipeline.shoulders`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from skyreels_avatar.pipeline.noise import segment_generator
from skyreels_avatar.pipeline.shoulders import REST_HZ, RISE

_STREAM = -2  # of the random numbers, as in a shot
_REST_DEPTH, _REST_LOW, _IN_SHARE = 0.6, 0.1, 0.4
_FULL, _PHRASE_S, _LEFT = 0.8, 6.0, 0.02  # before a phrase; for how long it lasts; what is left
_PAUSE_S = 0.24  # a shorter one holds no breath
_SMOOTH_S = 0.12
_FASTEST_S = 0.35  # in which empty lungs fill
_LISTEN_S = 1.6  # from the end of a phrase until they breathe as at rest
_SPREAD_HZ, _SPREAD_RISE = 0.035, 0.15  # by which people differ


@dataclass(frozen=True)
class Breath:
    """How somebody breathes, at a frame; `after` is the same a frame later.

    Attributes:
        raised: how far the shoulders are, / H.
        level: in 0..1, how full the lungs are; of it `raised` is the smooth course.
        phase: in 0..1 of a breath at rest.
        silent_s: since somebody spoke.
    """

    rest_hz: float
    rise: float
    level: float = 0.1
    raised: float = 0.0
    phase: float = 0.0
    silent_s: float = 60.0

    @classmethod
    def of(cls, seed: int, key: int) -> Breath:
        """Return how the person of a stream breathes when it begins."""
        generator = segment_generator(seed, _STREAM, key)
        pace, depth = torch.randn(2, generator=generator).clamp(-2, 2).tolist()
        return cls(REST_HZ + _SPREAD_HZ * pace, RISE * (1 + _SPREAD_RISE * depth))

    def after(self, speaks: bool, comes_s: float | None, fps: float) -> Breath:
        """Return it a frame later.

        Args:
            speaks: whether something is said then.
            comes_s: after how long something will be said; None: it is not known yet.
            fps: of the motion.
        """
        silent_s = 0.0 if speaks else self.silent_s + 1 / fps
        phase, level = self.phase, self.level
        if speaks:
            level, phase = max(_LEFT, level - 1 / (_PHRASE_S * fps)), 0.0
        elif comes_s is not None and self.silent_s + comes_s > _PAUSE_S:
            level += max(0.0, _FULL - level) / max(1.0, comes_s * fps, _FASTEST_S * fps)
            phase = _IN_SHARE
        elif silent_s > _LISTEN_S:
            phase = (phase + self.rest_hz / fps) % 1.0
            level = self._towards_rest(phase, level, fps)
        share = 1 - math.exp(-1 / (_SMOOTH_S * fps))
        raised = self.raised + share * (self.rise * level - self.raised)
        return replace(self, level=level, raised=raised, phase=phase, silent_s=silent_s)

    def _towards_rest(self, phase: float, level: float, fps: float) -> float:
        """Return the level of a breath at rest: in for 0.4 of the cycle, out, and a pause."""
        wanted = _REST_DEPTH if phase < _IN_SHARE else _REST_LOW
        left = (_IN_SHARE - phase if phase < _IN_SHARE else 0.9 - phase) / self.rest_hz
        return level + (wanted - level) / max(1.0, left * fps)


def breathe(breath: Breath, voiced: Sequence[bool], count: int, fps: float) -> list[Breath]:
    """Return some frames of breath after one.

    Args:
        voiced: of the frames that follow, those of which it is known whether somebody speaks.
        count: of the frames that are wanted; nothing is known of those beyond `voiced`.
    """
    made = []
    for index in range(count):
        speaks = index < len(voiced) and voiced[index]
        coming = next((i for i in range(index, len(voiced)) if voiced[i]), None)
        breath = breath.after(speaks, None if coming is None else (coming - index) / fps, fps)
        made.append(breath)
    return made
