"""What lips do on the sounds that need them: shut on p b m, round on w o u, tucked on f v.

Beside every figure stand moments of the same clip that are as loud and say something else: a mouth
that is always nearly shut, or that shuts whenever it is soft, must not win. Lips are measured on
the average face, head motion taken out, in face heights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skyreels_avatar.evaluation.lip_sync import FPS, POINTS
from skyreels_avatar.faces.opening import LIP_PAIRS
from skyreels_avatar.media.spoken_text import Phone

CLOSED, ROUND, TUCKED = "pbm", "wuo\u0254\u028a", "fv"
SHUT_GAP = 0.010
_STRESS = "\u02c8\u02cc\u02d0"
_REACH = 2  # frames round a sound that count as it
_MOMENTS = 3  # for each sound
_PLACE = {point: index for index, point in enumerate(POINTS)}
_INNER_CORNERS = (78, 308)
_LIP_TO_CHIN = (17, 200)  # under the lower lip, middle of the chin


@dataclass(frozen=True)
class SpokenLips:
    """Lips on the sounds that need them; None where a clip has too few of them.

    Attributes:
        closures: share of p, b and m with shut lips: a gap of at most 0.010 within a frame.
        closures_chance: the same of moments as loud. closures_gain: how much more closures are,
            which ranks: a mouth that is always shut has closures of 1, too.
        rounding: by how much narrower the mouth is on w, o, u than in moments as loud, in standard
            deviations of its width in speech.
        tuck: by how much the lower lip is raised from the chin on f, v, in the same unit.
        num_closures, num_rounded, num_tucked: sounds.
    """

    closures: float | None
    closures_chance: float | None
    closures_gain: float | None
    rounding: float | None
    tuck: float | None
    num_closures: int
    num_rounded: int
    num_tucked: int


def spoken_lips(places: np.ndarray, sound: np.ndarray, phones: Sequence[Phone]) -> SpokenLips:
    """Return what lips do on the sounds that need them.

    Args:
        places: (F, 47, 2) of `lip_places`, 25 frames a second.
        sound: (4 F, 80) of `sound_picture`.
        phones: what is said.
    """
    loudness = sound.reshape(len(places), -1).mean(1)
    times = (np.arange(len(places)) + 0.5) / FPS
    start_s = min((phone.start_s for phone in phones), default=0.0)
    end_s = max((phone.end_s for phone in phones), default=0.0)
    spoken = (times > start_s) & (times < end_s)
    gap = np.mean([_distance(places, *pair) for pair in LIP_PAIRS], axis=0)
    shut = _least_of_three(gap) <= SHUT_GAP
    closed, pairs = _pairs(phones, CLOSED, loudness, spoken)
    width, lift = _distance(places, *_INNER_CORNERS), _distance(places, *_LIP_TO_CHIN)
    rounded, round_pairs = _pairs(phones, ROUND, loudness, spoken)
    tucked, tuck_pairs = _pairs(phones, TUCKED, loudness, spoken)
    share = float(shut[pairs[:, 0]].mean()) if len(pairs) else None
    chance = float(shut[pairs[:, 1:]].mean()) if len(pairs) else None
    return SpokenLips(
        closures=share,
        closures_chance=chance,
        closures_gain=None if share is None else share - chance,
        rounding=_contrast(-width, round_pairs, spoken),
        tuck=_contrast(lift, tuck_pairs, spoken),
        num_closures=closed,
        num_rounded=rounded,
        num_tucked=tucked,
    )


def _pairs(
    phones: Sequence[Phone], group: str, loudness: np.ndarray, spoken: np.ndarray
) -> tuple[int, np.ndarray]:
    """Return how many sounds of a group there are, and (N, 4) frames: the sound's and moments'."""
    frames = [
        int((phone.start_s + phone.end_s) / 2 * FPS)
        for phone in phones
        if phone.ipa.strip(_STRESS)[:1] in tuple(group)
    ]
    frames = [frame for frame in frames if 0 <= frame < len(loudness)]
    free = spoken.copy()
    for frame in frames:
        free[max(0, frame - _REACH) : frame + _REACH + 1] = False
    others = np.flatnonzero(free)
    if len(others) < _MOMENTS:
        return 0, np.zeros((0, 1 + _MOMENTS), int)
    rows = [
        [frame, *others[np.argsort(np.abs(loudness[others] - loudness[frame]))[:_MOMENTS]]]
        for frame in frames
    ]
    return len(rows), np.array(rows, int).reshape(-1, 1 + _MOMENTS)


def _contrast(curve: np.ndarray, pairs: np.ndarray, spoken: np.ndarray) -> float | None:
    """Return how much more of a curve the sounds have than the moments, in its spread."""
    if not len(pairs):
        return None
    spread = max(float(curve[spoken].std()), 1e-6)
    return float((curve[pairs[:, 0]] - curve[pairs[:, 1:]].mean(1)).mean() / spread)


def _distance(places: np.ndarray, first: int, second: int) -> np.ndarray:
    return np.linalg.norm(places[:, _PLACE[first]] - places[:, _PLACE[second]], axis=-1)


def _least_of_three(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, 1, mode="edge")
    return np.min([padded[:-2], padded[1:-1], padded[2:]], axis=0)
