"""What each sample of a group is worth: the penalties of `reward.py`, and some without gradients.

Events count as such: a closure is missed or not. Heads, gazes and brows are held in a band of what
speakers do (`evaluation/real_motion.json`): inside of it more is not better. A critic that learns
along tells samples from the windows' own motion.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from skyreels_avatar.evaluation.motion_statistics import (
    GROUPS,
    scaled,
    shipped_table,
    window_readings,
)
from skyreels_avatar.rig.coefficients import MOTION_INDEX, MOTION_SCALE, NUM_MOTION
from train.closures import SHUT_GAP
from train.config import RewardConfig
from train.data.windows import WindowBatch
from train.reward import closures, least_gap, loudness_db, new_frames, pearson, penalties

_APART = 0.02  # / H: lips that come no nearer in three frames are not about to meet
_ALIKE = 0.05
_WORST = 1.0  # of one window alone: its own motion may be so little that ratios are anything
_BAND = (3, 36)  # of the 40 quantiles of speakers: the 9th to the 91st in a hundred
_SHUT_LIDS = 0.4
_NOD_WINDOW, _NODS_R = 9, 0.30  # frames; what stressed syllables give in the windows themselves
_CRITIC_PACE = 20.0  # its weights are kept as small, so that a step of the stage moves them further
_CRITIC_SHARE = 1e-3  # of its loss: steps are of one size anyway, but norms are clipped together
_HEAD = [MOTION_INDEX[name] for name in ("yaw", "pitch", "roll")]
_SEEN = [MOTION_INDEX[name] for name in ("gaze_x", "gaze_y", "brow_r", "brow_l", "blink_r")]


class Critic(torch.nn.Module):
    """Tell (N, F, 32) motion of windows from what was sampled: (N,) logits, high = of windows."""

    def __init__(self, dim: int = 32, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)

        def weights(*shape: int) -> torch.nn.Parameter:
            drawn = torch.randn(shape, generator=generator) / np.prod(shape[1:]) ** 0.5
            return torch.nn.Parameter(drawn / _CRITIC_PACE)

        self.first, self.second = weights(dim, NUM_MOTION, 5), weights(dim, dim, 5)
        self.last = weights(1, dim, 1)

    def forward(self, motion: torch.Tensor) -> torch.Tensor:
        """Return logits, means over frames."""
        hidden = (motion / torch.tensor(MOTION_SCALE, device=motion.device)).transpose(1, 2)
        hidden = F.silu(F.conv1d(hidden, _CRITIC_PACE * self.first, stride=2))
        hidden = F.silu(F.conv1d(hidden, _CRITIC_PACE * self.second, stride=2))
        return F.conv1d(hidden, _CRITIC_PACE * self.last).mean((1, 2))


def critic_loss(critic: Critic, motion: torch.Tensor, batch: WindowBatch) -> torch.Tensor:
    """Return a small loss: how the critic errs on samples (B, G, F, 32) and on their windows."""
    sampled = critic(motion.detach().flatten(0, 1))
    own = critic(batch.motion)
    return _CRITIC_SHARE * (F.softplus(sampled).mean() + F.softplus(-own).mean())


@torch.no_grad()
def judge_samples(
    motion: torch.Tensor, batch: WindowBatch, critic: Critic, opening_factor: float = 1.0
) -> dict[str, torch.Tensor]:
    """Return the named penalties (B, G) of (B, G, F, 32) motion, 0 = as good as it gets.

    Those of `reward.penalties`, of each sample alone, those of `event_penalties`, "alike", by how
    much the head goes with those of the other windows, and "critic", its belief in a sample.
    """
    count, size = motion.shape[:2]
    rows = []
    for window in range(count):
        one = batch.rows([window])
        rows += [penalties(sample[None], one, opening_factor) for sample in motion[window]]
    found = {
        name: torch.stack([row[name] for row in rows]).view(count, size).clamp_max(_WORST)
        for name in rows[0]
    }
    every = batch.rows(torch.arange(count).repeat_interleave(size).tolist())
    flat = motion.flatten(0, 1)
    per_sample = {**event_penalties(flat, every), "critic": F.softplus(-critic(flat))}
    found |= {name: values.view(count, size) for name, values in per_sample.items()}
    return {**found, "alike": _alike(motion)}


@torch.no_grad()
def event_penalties(motion: torch.Tensor, batch: WindowBatch) -> dict[str, torch.Tensor]:
    """Return named penalties (N,) of (N, F, 32) motion that no gradient leads to.

    Returns:
        missed: share of closures at which lips are not shut within a frame.
        untimely: share of frames of speech in which they are shut but not by far in the window.
        nods: how much less the head's speed goes with the loudness than in the window, whose r
            counts up to 0.30.
        unnatural: how far readings of head, gaze and brows are outside of the band of speakers, or
            of the window itself where it does more, in spreads of speakers.
    """
    return {
        **_closures(motion, batch),
        "nods": _nods(motion, batch),
        "unnatural": _unnatural(motion, batch),
    }


def weighed(found: dict[str, torch.Tensor], reward: RewardConfig) -> torch.Tensor:
    """Return (B, G) rewards: less the weighed penalties; weights of groups come before others."""
    own = vars(reward.group)
    total = sum(
        (own[name] if name in own else getattr(reward, name)) * value
        for name, value in found.items()
    )
    return -total


def _closures(motion: torch.Tensor, batch: WindowBatch) -> dict[str, torch.Tensor]:
    """Return (N,) shares of closures that are missed, and of frames that are shut untimely."""
    spoken = new_frames(batch) * (batch.active > 0.5)
    shut = (least_gap(motion) <= SHUT_GAP).float()
    middle = closures(batch) * spoken
    apart = spoken * (least_gap(batch.motion) > _APART)
    return {"missed": _share(1 - shut, middle), "untimely": _share(shut, apart)}


def _nods(motion: torch.Tensor, batch: WindowBatch) -> torch.Tensor:
    """Return (N,) by how much less the speed of heads goes with the loudness than it should."""
    loudness = loudness_db(batch.mel, motion.shape[1])
    top = loudness.quantile(0.95, 1, keepdim=True)
    sound = _slow(torch.maximum(loudness, top - 30.0))[:, 1:]
    weights = new_frames(batch)[:, 1:] * (batch.active[:, 1:] > 0.5)
    made, asked = (
        pearson(_slow(some[..., _HEAD].diff(dim=1).norm(dim=-1)), sound, weights)
        for some in (motion, batch.motion)
    )
    return (asked.clamp_max(_NODS_R) - made).relu()


def _unnatural(motion: torch.Tensor, batch: WindowBatch) -> torch.Tensor:
    """Return (N,) distances of readings from the band of speakers, in their spreads, means."""
    table = shipped_table()["readings"]
    names = [name for group in GROUPS.values() for name in group]
    rows = []
    for made, own in zip(motion, batch.motion):
        readings, asked = _readings(made), _readings(own)
        outside = []
        for name in names:
            low, high = table[name]["quantiles"][list(_BAND)]
            value, usual = (float(scaled(name, some[name])) for some in (readings, asked))
            beyond = max(min(low, usual) - value, value - max(high, usual), 0.0)
            outside.append(beyond / table[name]["spread"])
        rows.append(np.mean(outside))
    return torch.tensor(np.array(rows), dtype=motion.dtype, device=motion.device)


def _readings(motion: torch.Tensor) -> dict[str, float]:
    """Return the readings of speakers for one window (F, 32) of coefficients."""
    curves = motion.cpu().double().numpy()
    gaze_x, gaze_y, brow_r, brow_l, blink = (curves[:, number] for number in _SEEN)
    seen = np.stack([gaze_x, gaze_y, (brow_r + brow_l) / 2], 1)
    return window_readings(
        np.concatenate([np.degrees(curves[:, _HEAD]), seen], 1), blink > _SHUT_LIDS
    )


def _alike(motion: torch.Tensor) -> torch.Tensor:
    """Return (B, G) mean r of a head with those of the other windows' samples of its number."""
    paths = motion[..., _HEAD]
    paths = F.normalize(paths - paths.mean(2, keepdim=True), dim=2)
    together = torch.einsum("agft,bgft->gabt", paths, paths)
    others = 1 - torch.eye(len(motion), device=motion.device)
    mean = (together * others[None, ..., None]).sum(2) / others.sum(1)[None, :, None].clamp_min(1)
    return (mean - _ALIKE).relu().mean(-1).T


def _slow(curve: torch.Tensor) -> torch.Tensor:
    padded = F.pad(curve[:, None], (_NOD_WINDOW // 2,) * 2, mode="replicate")
    return F.avg_pool1d(padded, _NOD_WINDOW, 1)[:, 0]


def _share(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values * weights).sum(1) / weights.sum(1).clamp_min(1.0)
