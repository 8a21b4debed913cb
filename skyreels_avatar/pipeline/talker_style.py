"""What kind of talker performs a shot: five numbers that a text encoder takes beside the prompt.

People differ in how wide they open the mouth, how much they move the head and the face, how often
they look away and blink. Each of the five is a factor round the median of expressive talkers.
Networks are told its logarithm in units of its spread over talkers (`SPREADS`); of blinks and of
how often eyes look away the noise that they start from is told, too (`FaceRig.lean_noise`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from skyreels_avatar.pipeline.noise import segment_generator

FACTORS = ("mouth", "head", "face", "gaze", "blink")
SPREADS = (0.25, 0.40, 0.40, 0.40, 0.40)
"""Standard deviation of the logarithm of each factor over the talkers of the training."""
FURTHEST = (2.2, 2.2, 2.2, 5.0, 2.2)
"""Spreads: as far as in training; of gazes, which noise alone tells, as far as eyes stay eyes."""

STYLE_FACTORS: dict[str, tuple[float, ...]] = {
    "calm": (0.90, 0.60, 0.70, 0.80, 0.70),
    "natural": (1.0, 1.0, 1.0, 1.0, 1.0),
    "lively": (1.10, 1.50, 1.40, 1.30, 1.40),
}
"""The factors of the styles that `request.shot.STYLES` names."""

# What networks are told for the median talker: they open mouths to 0.08 of the face height by
# themselves, move heads less than they are told, show less of brows, and blink more often.
_MEDIAN = (1.2, 1.0, 2.0, 0.9, 0.95)
_EXPRESSED = (0.6, 1.0, 1.0, 0.5, 0.0)  # shares of expressiveness; blinks are not expression
# Shares of what more than 100 percent of it lips, brows and yaw gain beside that: of the first two,
# networks know no talker who does much more than the default one, and of heads that are told to
# move more, nods and tilts cost likeness and are wide enough.
_GAINED = (0.15, 1.3, 0.35)
_DRAWN = (0.3, 0.5, 0.5, 0.5, 0.5)  # of a spread, by which talkers of one style differ
_SHARED = 0.6  # of what is drawn for mouth, head and face: lively people are lively all over
_LEAST = 5.0  # percent; the logarithm of 0 is further than networks have seen anyway
_STREAM = -1  # of the random numbers, beside those of the windows


def gains(expressiveness: float) -> tuple[float, float, float]:
    """Return by what lips, brows and yaw exceed what networks can be told: 1 up to 100 %.

    Args:
        expressiveness: percent.
    """
    more = max(expressiveness, 100.0) / 100
    lips, brows, yaw = (more**share for share in _GAINED)
    return lips, brows, yaw


def person_numbers(numbers: Sequence[float], expressiveness: float) -> torch.Tensor:
    """Return (1, 5) of one person, of whom nothing is drawn.

    Args:
        numbers: of a `PersonStyle`.
        expressiveness: as in `style_numbers`.
    """
    percent = math.log(max(expressiveness, _LEAST) / 100)
    moved = torch.tensor(_EXPRESSED) * percent / torch.tensor(SPREADS)
    return _limited(torch.tensor(numbers) + moved)[None]


def style_numbers(style: str, expressiveness: float, seed: int, noise_key: int) -> torch.Tensor:
    """Return (1, 5), the talker of a shot; `seed` and `noise_key` draw one of the style.

    Args:
        style: a name of `STYLE_FACTORS`.
        expressiveness: percent; 100 is the style as it is.
    """
    drawn = torch.randn(len(FACTORS) + 1, generator=segment_generator(seed, _STREAM, noise_key))
    drawn, common = drawn[:-1], drawn[-1]
    drawn[:3] = _SHARED * common + math.sqrt(1 - _SHARED**2) * drawn[:3]
    percent = math.log(max(expressiveness, _LEAST) / 100)
    spreads, shares = torch.tensor(SPREADS), torch.tensor(_EXPRESSED)
    factors = torch.tensor(STYLE_FACTORS[style]) * torch.tensor(_MEDIAN)
    numbers = (factors.log() + shares * percent) / spreads + torch.tensor(_DRAWN) * drawn
    return _limited(numbers)[None]


def _limited(numbers: torch.Tensor) -> torch.Tensor:
    furthest = torch.tensor(FURTHEST)
    return numbers.clamp(-furthest, furthest)
