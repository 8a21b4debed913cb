"""Sync network: which sound these lips say. From real and generated people, puppets as enemies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from skyreels_avatar.evaluation.lip_sync import MAX_OFFSET, lip_sync, offset_distances, puppet
from skyreels_avatar.loading.checkpoints.load import save_module
from skyreels_avatar.models.sync_network import SyncNetwork
from train.config import TrainConfig
from train.data.mel_variation import vary_mel
from train.data.talking import TalkingClip, load_talking
from train.loop import Run

NAME = "sync.safetensors"
WINDOW = 50  # frames, two seconds
SHIFT = 5  # frames that held-out windows are shifted by
_ANCHORS = 8  # frames of a window that are looked up
_SPANS = (1, 5, 11)  # frames whose embeddings are averaged
_NOISE = 0.03  # of points, about what the landmarks themselves tremble


def run(config: TrainConfig) -> None:
    """Train on windows of two seconds; the weights go to `export/sync.safetensors`."""
    clips = load_talking(config.data.grid, config.data.talkers)
    known = [clip for clip in clips if not clip.held_out]
    groups = [some for some in _by_group(known).values() if some]
    torch.manual_seed(config.seed)
    network = SyncNetwork()
    if config.start_from:
        from skyreels_avatar.loading.checkpoints.load import load_module

        start = load_module(SyncNetwork, Path(config.start_from) / NAME)
        network.load_state_dict(start.state_dict())
    config.train = []
    learning = Run(config, heads={"sync": network})
    network.train().requires_grad_(True)

    def step_loss(_, step: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([config.seed, 83, step])
        return contrast(network, *draw(groups, rng, config.batch_size), rng)

    def validate(_) -> dict[str, float]:
        network.eval()
        figures = judge(network, [clip for clip in clips if clip.held_out])
        save_module(network, learning.folder / "export" / NAME)
        network.train()
        return figures

    learning.train(step_loss, validate)


def draw(
    groups: list[list[TalkingClip]], rng: np.random.Generator, count: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return windows: points (B, F, 94), sound (B, 4 F, 80), points of puppets (B, F, 94)."""
    windows = []
    for _ in range(count):
        some = groups[rng.integers(len(groups))]
        clip = some[rng.integers(len(some))]
        length = len(clip.points)
        first = rng.integers(max(1, length - WINDOW + 1))
        frames = np.arange(first, first + WINDOW)
        seen = clip.points[np.clip(frames + clip.late, 0, length - 1)]
        heard = clip.sound.reshape(length, 4, -1)[np.clip(frames, 0, length - 1)]
        doll = clip.doll[np.clip(frames, 0, length - 1)]
        tremble = rng.normal(0, _NOISE * rng.uniform(0, 1.5), (2, *seen.shape))
        size = rng.uniform(0.6, 1.6)
        windows.append((size * seen + tremble[0], heard.reshape(-1, 80), size * doll + tremble[1]))
    points, sound, dolls = (
        torch.from_numpy(np.stack(part).astype(np.float32)) for part in zip(*windows)
    )
    return points, vary_mel(sound, torch.Generator().manual_seed(int(rng.integers(2**31)))), dolls


def contrast(
    network: SyncNetwork,
    points: torch.Tensor,
    sound: torch.Tensor,
    dolls: torch.Tensor,
    rng: np.random.Generator,
) -> dict[str, torch.Tensor]:
    """Return InfoNCE of lips among sounds and of sounds among lips.

    Wrong answers: the same clip up to 15 frames off, other people at the same frame, and for a
    sound its puppet.
    """
    span = int(rng.choice(_SPANS))
    lips, heard, doll = (
        F.avg_pool1d(embedded.transpose(1, 2), span, 1).transpose(1, 2)
        for embedded in (
            network.embed_lips(points), network.embed_sound(sound), network.embed_lips(dolls)
        )
    )  # fmt: skip
    scale = network.logit_scale.exp().clamp(max=50.0)
    num_windows, length = lips.shape[:2]
    anchors = torch.from_numpy(rng.choice(length, _ANCHORS, replace=False))
    apart = (torch.arange(length)[:, None] - torch.arange(length)).abs()
    left_out = (apart > MAX_OFFSET) | (apart == 1)  # a neighbor is nearly right
    within = (scale * lips @ heard.transpose(1, 2)).masked_fill(left_out, -1e4)
    others = scale * torch.einsum("bad,cad->bac", lips[:, anchors], heard[:, anchors])
    others = others.masked_fill(torch.eye(num_windows, dtype=torch.bool)[:, None], -1e4)
    dolls_too = scale * (doll * heard).sum(-1, keepdim=True)
    answers = anchors.repeat(num_windows)
    to_sound = torch.cat([within[:, anchors], others], -1).flatten(0, 1)
    to_lips = torch.cat([within.transpose(1, 2), dolls_too], -1)[:, anchors].flatten(0, 1)
    losses = {
        "sounds": F.cross_entropy(to_sound, answers),
        "lips": F.cross_entropy(to_lips, answers),
    }
    return {"loss": losses["sounds"] + losses["lips"], **losses}


@torch.no_grad()
def judge(network: SyncNetwork, clips: list[TalkingClip]) -> dict[str, float]:
    """Return shares of windows of two seconds that are told rightly, for each group of people.

    `shift`: the true window is nearer than the same lips 5 frames off. `place`: the nearest of 31
    offsets is within a frame of the true one. `puppet`: people are nearer than their puppets.
    """
    figures = {}
    for group, some in _by_group(clips).items():
        shift, place, doll = [], [], []
        for clip in some:
            for first in range(0, len(clip.points) - WINDOW + 1, WINDOW // 2):
                points = clip.points[first : first + WINDOW]
                sound = clip.sound[4 * first : 4 * (first + WINDOW)]
                distance = offset_distances(network, points, sound)
                true = MAX_OFFSET - clip.late
                shift += [distance[true] < distance[true + by] for by in (-SHIFT, SHIFT)]
                place.append(abs(int(distance.argmin()) - true) <= 1)
                toy = lip_sync(puppet(points, sound), sound, network)
                doll.append(distance.min() < toy.sync_d)
        if place:
            name = group.replace(" ", "_")
            figures[f"{name}_shift"] = float(np.mean(shift))
            figures[f"{name}_place"] = float(np.mean(place))
            figures[f"{name}_puppet"] = float(np.mean(doll))
    return figures


def _by_group(clips: list[TalkingClip]) -> dict[str, list[TalkingClip]]:
    groups: dict[str, list[TalkingClip]] = {}
    for clip in clips:
        groups.setdefault(clip.group, []).append(clip)
    return groups
