"""What kind of talker someone is: a few factors round the median of expressive talkers."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from skyreels_avatar.pipeline.talker_style import SPREADS

_SHARED = 0.6  # of what is common to mouth, head and face: lively people are lively all over


@dataclass(frozen=True)
class Style:
    """What kind of talker someone is: every number is a factor, 1 = the median expressive talker.

    Attributes:
        mouth: of opening, rounding and spreading. head: of turns, tilts and nods.
        face: of brows, smiles and the rest of the face while speaking.
        gaze: how often the eyes leave the camera. blink: blinks a minute over 17.
    """

    mouth: float = 1.0
    head: float = 1.0
    face: float = 1.0
    gaze: float = 1.0
    blink: float = 1.0

    def numbers(self) -> np.ndarray:
        """Return (5,) in about unit variance: how networks are told."""
        values = np.array([getattr(self, item.name) for item in fields(self)])
        return np.log(values) / np.array(SPREADS)


def draw_style(rng: np.random.Generator) -> Style:
    """Return a random talker."""
    own = rng.standard_normal(5)
    own[:3] = _SHARED * rng.standard_normal() + np.sqrt(1 - _SHARED**2) * own[:3]
    return Style(*np.exp(np.array(SPREADS) * own.clip(-2.2, 2.2)))
