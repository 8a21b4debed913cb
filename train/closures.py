"""The closure gate: whether lips meet on p, b and m of voices that were never trained on.

Lips count as shut where the gap of the sampled motion is at most 0.010 of the face height within
one frame of the middle of the sound. All voiced moments stand beside it, judged alike: a mouth that
is always nearly shut must not win. Lips that are shut for just as long as these sounds last would
be so at the share of moments that is called due. (Six moments a second drawn at random gave 0.30 to
0.37 with other draws, where all of them give 0.34.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from skyreels_avatar.evaluation.sync import loudness_db
from skyreels_avatar.loading.components import Components
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.data.spoken import Utterance
from train.rollout import roll_out

SHUT_GAP = 0.010
CLOSURES, ROUND, SPREAD, TUCKED = "pbm", "wuo\u0254\u028a", "ie\u026a\u025b", "fv"
_VOICED_DB = 20.0  # under the loudest twentieth
_STRESS = "\u02c8\u02cc\u02d0"


@dataclass(frozen=True)
class Closures:
    """What a voice's lips did; counts, so that voices add up.

    Attributes:
        shut, sounds: p, b, m with shut lips, of all.
        shut_anyway, moments: the same of voiced frames. due: how many lie within a frame of such.
        pucker: means of the motion number on rounded and on spread sounds.
        tuck: means on f and v, and on rounded sounds.
        width: 5th and 95th percentile of `width` less what pucker takes, as seen.
        opening: of the lip gap.
        sync: r of the lip gap with the loudness, mean over utterances.
    """

    shut: int
    sounds: int
    shut_anyway: int
    moments: int
    due: int
    pucker: tuple[float, float]
    tuck: tuple[float, float]
    width: tuple[float, float]
    opening: tuple[float, float]
    sync: float


def judge_voice(
    parts: Components,
    said: list[Utterance],
    seeds: int = 1,
    style: torch.Tensor | None = None,
) -> Closures:
    """Return how a model's lips close on the utterances of a voice.

    Args:
        style: (1, 5) of the talker; None = the median one.
    """
    shut, anyway, due, sync = [], [], [], []
    numbers: dict[str, list[float]] = {"round": [], "spread": [], "tucked": [], "untucked": []}
    motions = []
    for index, utterance in enumerate(said):
        samples = utterance.samples.astype(np.float32) / 32768
        audio = AudioTrack(samples, 16000)
        for seed in range(seeds):
            made = roll_out(parts, audio, seed=100 * index + seed, style=style)
            motion, sync_r0 = made.motion, made.sync.sync_r0
            sync.append(sync_r0)
            motions.append(motion)
            gap = motion[:, MOTION_INDEX["lip_gap"]]
            for phone in utterance.phones:
                name = phone.ipa.strip(_STRESS)[:1]
                frame = int((phone.start_s + phone.end_s) / 2 * 25)
                if not 0 <= frame < len(gap):
                    continue
                if name in CLOSURES and len(name):
                    shut.append(_is_shut(gap, frame))
                for kind, number, group in (
                    ("round", "pucker", ROUND), ("spread", "pucker", SPREAD),
                    ("tucked", "tuck", TUCKED), ("untucked", "tuck", SPREAD),
                ):  # fmt: skip
                    if name and name in group:
                        numbers[kind].append(float(motion[frame, MOTION_INDEX[number]]))
            voiced = _voiced_frames(samples, len(gap))
            anyway += [_is_shut(gap, int(frame)) for frame in voiced]
            due += [_is_due(utterance, int(frame)) for frame in voiced]
    whole = np.concatenate(motions)
    pucker, gap = whole[:, MOTION_INDEX["pucker"]], whole[:, MOTION_INDEX["lip_gap"]]
    width = whole[:, MOTION_INDEX["width"]] - 0.30 * pucker - 0.9 * gap
    mean = {
        kind: float(np.mean(values)) if values else float("nan") for kind, values in numbers.items()
    }
    return Closures(
        sum(shut), len(shut), sum(anyway), len(anyway), sum(due),
        (mean["round"], mean["spread"]), (mean["tucked"], mean["untucked"]),
        _range(width), _range(gap), float(np.mean(sync)),
    )  # fmt: skip


def table(judged: dict[str, Closures]) -> str:
    """Return the rows of voices, and a last row of all of them, as a table in Markdown."""
    rows = [
        "| voice | p b m | shut | at random | due | gap range | width range | pucker w u o / i e "
        "| tuck f v / else | sync r0 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    everything = list(judged.values())
    for name, one in [*judged.items(), ("all", None)]:
        some = [one] if one else everything
        sounds, moments = (sum(getattr(c, key) for c in some) for key in ("sounds", "moments"))
        shut = sum(c.shut for c in some) / max(sounds, 1)
        anyway = sum(c.shut_anyway for c in some) / max(moments, 1)
        due = sum(c.due for c in some) / max(moments, 1)

        def mean(read) -> float:
            return float(np.nanmean([read(c) for c in some]))  # noqa: B023

        rows.append(
            f"| {name} | {sounds} | {shut:.2f} | {anyway:.2f} | {due:.2f} "
            f"| {mean(lambda c: c.opening[1] - c.opening[0]):.3f} "
            f"| {mean(lambda c: c.width[1] - c.width[0]):.3f} "
            f"| {mean(lambda c: c.pucker[0]):.2f} / {mean(lambda c: c.pucker[1]):.2f} "
            f"| {mean(lambda c: c.tuck[0]):.2f} / {mean(lambda c: c.tuck[1]):.2f} "
            f"| {mean(lambda c: c.sync):.2f} |"
        )
    return "\n".join(rows)


def _is_shut(gap: np.ndarray, frame: int) -> bool:
    return bool(gap[max(frame - 1, 0) : frame + 2].min() <= SHUT_GAP)


def _is_due(utterance: Utterance, frame: int) -> bool:
    start_s, end_s = (frame - 1) / 25, (frame + 2) / 25
    return any(
        phone.start_s < end_s and start_s < phone.end_s
        for phone in utterance.phones
        if (name := phone.ipa.strip(_STRESS)[:1]) and name in CLOSURES
    )


def _voiced_frames(samples: np.ndarray, num_frames: int) -> np.ndarray:
    loudness = loudness_db(samples, 16000, num_frames, 25.0)
    return np.flatnonzero(loudness > np.percentile(loudness, 95) - _VOICED_DB)


def _range(values: np.ndarray) -> tuple[float, float]:
    return float(np.percentile(values, 5)), float(np.percentile(values, 95))
