"""How far the videos of one folder are from those of another: a distance of distributions.

What Frechet video distance (FVD) is for, without a video network and with few videos. Three kinds
of features, none of which tells who somebody is or what they look like: lips in the embedding of
the sync network (its visual tower), the motion of head, gaze, brows and lids in windows of two
seconds, and how the face embedding moves round its mean in the clip, which sees expressions, poses
and faults of the picture. Each gives an energy coefficient, 0 = one distribution, 1 = no overlap:

    (2 E|x - y| - E|x - x'| - E|y - y'|) / 2 E|x - y|

with pairs of different videos alone, so that it is unbiased with few of them. Frechet distance,
which needs the covariance of all features, is not.

Source: Szekely and Rizzo, "Energy statistics", 2013.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.evaluation.lip_sync import shipped_network
from skyreels_avatar.evaluation.motion_statistics import scaled, shipped_table

KINDS = ("lips", "motion", "face")
LEAST_VIDEOS = 5
NUM_DRAWS, NUM_SPLITS = 500, 100
_LIP_STEP = 5  # frames between embeddings of lips
_MOST = 60  # samples of a video


@dataclass(frozen=True)
class VideoFeatures:
    """What is compared of one video, a row a sample.

    Attributes:
        lips: (N, 128) embeddings. motion: (W, 10) readings in spreads of speakers.
        face: (M, 128) face embeddings less their mean.
        puppet: (N, 128) as `lips`, of the same mouth opened by loudness alone; None without sound.
    """

    lips: np.ndarray
    motion: np.ndarray
    face: np.ndarray
    puppet: np.ndarray | None = None


@dataclass(frozen=True)
class VideoDistance:
    """The distance of two sets of videos; each value with the ends of its 95 % interval.

    Attributes:
        distance: mean of the three kinds. lips, motion, face: of one kind.
        floor: `distance` between random halves of the set that is compared with, None if that has
            fewer than ten videos.
        puppet: `lips` of the puppets of the first set, None where a video has no sound.
        num_videos, num_against: of both sets.
    """

    distance: tuple[float, float, float]
    lips: tuple[float, float, float]
    motion: tuple[float, float, float]
    face: tuple[float, float, float]
    floor: tuple[float, float, float] | None
    puppet: tuple[float, float, float] | None
    num_videos: int
    num_against: int


@torch.no_grad()
def video_features(
    points: np.ndarray,
    windows: dict[str, np.ndarray],
    embeddings: np.ndarray,
    doll: np.ndarray | None = None,
) -> VideoFeatures:
    """Return the features of one video.

    Args:
        points: (F, 94) of `lip_points`. windows: of `motion_windows`.
        embeddings: (M, 128) of the face in some frames.
        doll: (F, 94) of `lip_sync.puppet`.
    """
    lips, puppet = (
        None if some is None
        else shipped_network().embed_lips(torch.from_numpy(some)[None])[0, ::_LIP_STEP].numpy()
        for some in (points, doll)
    )  # fmt: skip
    table = shipped_table()["readings"]
    motion = np.stack(
        [
            (scaled(name, windows[name]) - reading["quantiles"].mean()) / reading["spread"]
            for name, reading in table.items()
        ],
        -1,
    )
    face = embeddings - embeddings.mean(0) if len(embeddings) else embeddings
    return VideoFeatures(lips, motion, face, puppet)


def video_distance(
    videos: Sequence[VideoFeatures],
    against: Sequence[VideoFeatures],
    names: tuple[Sequence[str], Sequence[str]] | None = None,
) -> VideoDistance:
    """Return how far some videos are from others.

    Args:
        names: of both; videos of one name, as of one voice or person, are not compared with each
            other.

    Raises:
        InputError: fewer than five videos on a side.
    """
    for some in (videos, against):
        if len(some) < LEAST_VIDEOS:
            raise InputError(
                f"a distance of distributions needs {LEAST_VIDEOS} videos on each side, of two "
                f"seconds and more with a face; got {len(videos)} against {len(against)}"
            )
    every = [*videos, *against]
    called = [*names[0], *names[1]] if names else [str(index) for index in range(len(every))]
    kinds = [[getattr(one, kind) for one in every] for kind in KINDS]
    if has_puppets := all(one.puppet is not None for one in videos):
        kinds.append([*(one.puppet for one in videos), *(one.lips for one in against)])
    apart = np.stack([_pairwise(samples) for samples in kinds])
    same = np.array([[a == b for b in called] for a in called])
    apart[:, same] = np.nan
    first, second = np.arange(len(videos)), np.arange(len(videos), len(every))
    rng = np.random.default_rng(0)
    whole = _coefficients(apart, first, second)
    drawn = np.array(
        [
            _coefficients(apart, rng.choice(first, len(first)), rng.choice(second, len(second)))
            for _ in range(NUM_DRAWS)
        ]
    )
    count = len(KINDS)
    together = _with_interval(float(np.nanmean(whole[:count])), np.nanmean(drawn[:, :count], 1))
    values = [_with_interval(float(one), of_one) for one, of_one in zip(whole, drawn.T)]
    return VideoDistance(
        together,
        *values[:count],
        floor=_floor(apart[:count], second, rng),
        puppet=values[-1] if has_puppets else None,
        num_videos=len(videos),
        num_against=len(against),
    )


def _pairwise(samples: Sequence[np.ndarray]) -> np.ndarray:
    """Return (V, V): the mean distance of the samples of two videos."""
    few = [one[np.linspace(0, len(one) - 1, min(_MOST, len(one))).astype(int)] for one in samples]
    means = np.full((len(few), len(few)), np.nan)
    for a, one in enumerate(few):
        for b, other in enumerate(few[: a + 1]):
            if len(one) and len(other):
                between = np.linalg.norm(one[:, None] - other[None], axis=-1)
                means[a, b] = means[b, a] = between.mean()
    return means


def _coefficients(apart: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return (K,): the energy coefficient of each kind between two sets of videos."""

    def mean(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        block = apart[:, rows[:, None], columns].reshape(len(apart), -1)
        known = ~np.isnan(block)
        return np.where(known, block, 0).sum(1) / np.maximum(known.sum(1), 1)

    between = mean(first, second)
    within = mean(first, first) + mean(second, second)
    return (2 * between - within) / np.maximum(2 * between, 1e-9)


def _floor(
    apart: np.ndarray, videos: np.ndarray, rng: np.random.Generator
) -> tuple[float, float, float] | None:
    if len(videos) < 2 * LEAST_VIDEOS:
        return None
    halves = []
    for _ in range(NUM_SPLITS):
        mixed = rng.permutation(videos)
        halves.append(_coefficients(apart, mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]))
    found = np.nanmean(halves, axis=1)
    return _with_interval(float(np.mean(found)), found)


def _with_interval(value: float, drawn: np.ndarray) -> tuple[float, float, float]:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return value, float(low), float(high)
