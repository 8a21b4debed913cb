"""Teach the audio encoder alone to hear mouths: tracks in, the eight mouth coefficients out.

A sixth of the cost of a step of `pretrain`, so new kinds of voices are learnt here first. On
simulated voices the tokens are held where they were: the transformer that reads them is not here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.components import Components, build_components
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.rig.coefficients import MOTION_SCALE
from train.closures import SHUT_GAP
from train.config import TrainConfig
from train.data.cache import Tracks, read_shards
from train.data.mel_variation import record_mel, vary_mel
from train.loop import Run, start_from
from train.objective import MOUTH_WEIGHTS, SHUT_BELOW, shut_weights

_ANCHOR_WEIGHT = 0.3
_NUM_HELD_OUT = 48
_HELD_OUT = ("out", "natural", "recorded")  # espeak voices, Kokoro's, people


def run(config: TrainConfig) -> None:
    """Train on whole tracks, a share `data.natural_share` of them of natural voices."""
    data, folder = config.data, Path(config.data.cache)
    if not config.start_from:
        raise InputError("listen goes on from an encoder: give start_from=FOLDER")
    kinds = {"synthetic": 1 - data.real_share - data.natural_share}
    kinds |= {"real": data.real_share, "natural": data.natural_share}
    tracks = {kind: read_shards(folder, kind) for kind, share in kinds.items() if share > 0}
    counts = {kind: round(kinds[kind] * config.batch_size) for kind in tracks}
    kept = [kind for kind in _HELD_OUT if any(folder.glob(f"held-{kind}-*.npz"))]
    held_out = {kind: read_shards(folder, f"held-{kind}") for kind in kept}
    held_out = {kind: pick(some, np.arange(_NUM_HELD_OUT)) for kind, some in held_out.items()}
    learning = Run(config)
    start = build_components(load_tier(config.tier), config.device)
    start_from(start, Path(config.start_from))
    before = start.audio_encoder

    def step_loss(parts: Components, step: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([config.seed, 79, step])
        losses = {}
        for kind, some in tracks.items():
            batch = pick(some, rng.integers(len(some), size=max(counts[kind], 1)))
            generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
            batch["mel"] = record_mel(vary_mel(batch["mel"], generator), generator)
            tokens = parts.audio_encoder(batch["mel"])
            losses[kind] = mouth_error(parts.audio_encoder.viseme_head(tokens), batch)
            if kind == "synthetic":
                losses["anchor"] = F.mse_loss(tokens, before(batch["mel"]).detach())
        total = sum(kinds[kind] * losses[kind] for kind in tracks)
        return {"loss": total + _ANCHOR_WEIGHT * losses.get("anchor", 0.0), **losses}

    def validate(parts: Components) -> dict[str, float]:
        return {
            f"{kind}_{name}": value
            for kind, batch in held_out.items()
            for name, value in heard(parts, batch).items()
        }

    learning.train(step_loss, validate)


def pick(tracks: Tracks, chosen: np.ndarray) -> dict[str, torch.Tensor]:
    """Return tracks as tensors: mel, mouth, active."""
    chosen = chosen % len(tracks)
    arrays = {name: getattr(tracks, name)[chosen] for name in ("mel", "mouth", "active")}
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}


def mouth_error(heard_mouth: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return smooth L1 of what is heard (B, F, 8), in scales, heavier where lips are shut."""
    true = batch["mouth"] / torch.tensor(MOTION_SCALE)[:8]
    error = F.smooth_l1_loss(heard_mouth.float(), true, reduction="none", beta=0.2)
    weights = MOUTH_WEIGHTS.repeat(*error.shape[:2], 1)
    weights[..., 0] *= shut_weights(batch["mouth"][..., 0], batch["active"])
    return (error * weights).mean()


@torch.no_grad()
def heard(parts: Components, batch: dict[str, torch.Tensor]) -> dict[str, float]:
    """Return r of the lip gap that is heard, and shares of shut lips found and made up."""
    encoder = parts.audio_encoder
    gap = (encoder.viseme_head(encoder(batch["mel"]))[..., 0] * MOTION_SCALE[0]).numpy()
    true, active = batch["mouth"][..., 0].numpy(), batch["active"].numpy() > 0.5
    shut, wide = active & (true < SHUT_BELOW), true > 0.03
    return {
        "r": float(np.corrcoef(gap[active], true[active])[0, 1]),
        "shut": float((gap[shut] <= SHUT_GAP).mean()),
        "false": float((gap[wide] <= SHUT_GAP).mean()),
    }
