"""Fit how light falls into the painted mouth to mouths that speak.

The lips of a face mesh and those of a picture are pixels apart, and whose teeth look how is not
known: errors pixel by pixel are least for a haze. So tones are compared, frame by frame: the
quantiles of brightness between the lips, what their upper, middle and lower third have of it, and
how steep edges are. Hues are left alone: in footage those of the lips run into the dark between
them. The constants of `inside` are written to `skyreels_avatar/rig/constants.json`.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.components import load_components
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from skyreels_avatar.rig.constants import CONSTANTS, CONSTANTS_FILE, store_fitted
from skyreels_avatar.rig.mouth import NUM_STYLES, STYLE_SPREAD, MouthDecoder
from train.config import TrainConfig
from train.data.spoken_mouths import SpokenMouths, spoken_mouths
from train.loop import write_checkpoint
from train.stages.mouth import resume, rounded, soften

logger = logging.getLogger(__name__)
QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
THIRDS = ((0.0, 0.34), (0.34, 0.67), (0.67, 1.01))
MIN_TONES = 16  # pixels of the halved patch
WEIGHTS = {"quantiles": 1.0, "thirds": 1.0, "edges": 1.0}
NEIGHBORS = 3  # batches are drawn from so many times as many mouths that are open alike
LENGTHS = {"under_length": 0.04, "over_length": 0.04, "slit_height": 0.06, "enters_height": 0.06,
           "lower_edge": 0.05}  # fmt: skip
# A constant moves within its range; lengths are in H.
RANGES = {name: (0.03 * scale, scale) for name, scale in LENGTHS.items()}
RANGES |= {"lower_edge": (-0.02, 0.01), "near": (0.0, 2.0), "lower_drop": (0.6, 1.1),
           "lower_light": (0.3, 1.0)}  # fmt: skip
# Meshes of talkers take a part of the upper lip for teeth: its shadow stays near that of smiles.
RANGES |= {"under_lip": (0.3, 0.45), "under_length": (0.003, 0.006)}


def run(config: TrainConfig) -> None:
    """Fit on `data.talkers`; people kept out and GRID talkers are for validation only."""
    if not config.data.talkers:
        raise InputError("give the folder of talkers: data.talkers=FOLDER")
    torch.set_num_threads(config.threads)
    mouths = spoken_mouths(Path(config.data.talkers), load_components(config.tier).vae)
    back, control = mouths.kept_out & ~mouths.control, mouths.control
    counts = len(back), int(back.sum()), int(control.sum())
    logger.info("%d mouths, %d kept out, %d of GRID", *counts)
    decoder = MouthDecoder().requires_grad_(False)
    judged = {"kept out": mouths.pick(back), "GRID": mouths.pick(control)}
    for name, some in judged.items():
        logger.info("%s, before: %s", name, validate(decoder, some, config.seed))
    fit(decoder, mouths.pick(~mouths.kept_out), config, Path(config.run))
    for name, some in judged.items():
        logger.info("%s, after: %s", name, validate(decoder, some, config.seed))
    store_fitted({"inside": rounded({k: v.item() for k, v in decoder.inside.items()})})
    logger.info("wrote %s", CONSTANTS_FILE)


def fit(
    decoder: MouthDecoder, mouths: SpokenMouths, config: TrainConfig, folder: Path | None = None
) -> None:
    """Take the planned steps on `decoder.inside`.

    Args:
        folder: where a checkpoint is kept, from which the fit goes on; None = it keeps none.
    """
    inside = decoder.inside.requires_grad_(True)
    ranges = {name: RANGES.get(name, (0.0, 1.0)) for name in inside}
    groups = [
        {"params": [value], "lr": config.lr * (ranges[name][1] - ranges[name][0])}
        for name, value in inside.items()
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.97))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.num_steps)
    parts = {"inside": inside, "optimizer": optimizer, "schedule": schedule}
    generator = torch.Generator().manual_seed(config.seed)
    first = resume(folder, parts, generator) if folder else 0
    order = _lowest(mouths).argsort()  # rows that none of a batch shows are not painted
    near = min(NEIGHBORS * config.batch_size, len(order))
    for step in range(first + 1, config.num_steps + 1):
        start = int(torch.randint(len(order) - near + 1, (1,), generator=generator))
        drawn = torch.randperm(near, generator=generator)[: config.batch_size]
        batch = mouths.pick(order[start + drawn])
        loss = distances(decoder, batch, generator).mean(0) @ torch.tensor([*WEIGHTS.values()])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for name, value in inside.items():
                value.clamp_(*ranges[name])
        if step % config.log_every == 0:
            logger.info("step %d of %d, loss %.4f", step, config.num_steps, loss.item())
        if folder and (step % config.save_every == 0 or step == config.num_steps):
            states = {name: part.state_dict() for name, part in parts.items()}
            drawn = generator.get_state()
            write_checkpoint(folder, {"step": step, "generator": drawn, **states})
    inside.requires_grad_(False)


@torch.no_grad()
def validate(decoder: MouthDecoder, mouths: SpokenMouths, seed: int) -> dict[str, float]:
    """Return the mean distance of each kind of tone, teeth drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    order = _lowest(mouths).argsort()
    found = [distances(decoder, mouths.pick(part), generator) for part in order.split(32)]
    mean = torch.cat(found).mean(0)
    return {name: round(float(value), 4) for name, value in zip(WEIGHTS, mean)}


def distances(
    decoder: MouthDecoder, mouths: SpokenMouths, generator: torch.Generator
) -> torch.Tensor:
    """Return (M, 3) how far the tones of painted mouths are from those of the pictures.

    Args:
        generator: draws the teeth.
    """
    style = 0.5 + STYLE_SPREAD * torch.randn(len(mouths.seen), NUM_STYLES, generator=generator)
    look = replace(mouths.look, style=style.clamp(0.05, 0.95))
    rounded_lips = mouths.motion[:, MOTION_INDEX["pucker"]].clamp(0.0, 1.0)
    behind = CONSTANTS.mouth.teeth_behind_round * rounded_lips
    look = replace(look, teeth_edge=look.teeth_edge - behind)
    painted = decoder(mouths.upper, mouths.lower, mouths.motion, look)
    colors = mouths.colors.float() / 255
    painted = torch.lerp(colors, painted, mouths.seen)
    pictures = [F.avg_pool2d(some, 2) for some in (soften(painted), colors)]
    seen = F.avg_pool2d(mouths.seen, 2)[:, 0] > 0.5
    light = look.light.mean(1)
    rows = [
        torch.stack([
            (one - other).abs().mean() for one, other in zip(*(tones(p, where) for p in pair))
        ])
        for *pair, where in zip(*(some / light[:, None, None, None] for some in pictures), seen)
        if int(where.sum()) >= MIN_TONES
    ]  # fmt: skip
    return torch.stack(rows)


def tones(picture: torch.Tensor, seen: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return brightness at quantiles and in thirds, and steepness: a tensor for each weight.

    Args:
        picture: (3, R, W), 1 = the light on the teeth.
        seen: (R, W) bool, of at least `MIN_TONES` pixels.
    """
    grey = picture.mean(0)
    depth = seen.cumsum(0) / (seen.sum(0) + 1e-3)  # 0 at the upper lip, 1 at the lower
    thirds = [seen & (depth >= low) & (depth < high) for low, high in THIRDS]
    steps = [grey.diff(dim=dim).abs() for dim in (0, 1)]
    both = [seen[1:] & seen[:-1], seen[:, 1:] & seen[:, :-1]]
    return (
        torch.quantile(grey[seen], torch.tensor(QUANTILES)),
        torch.stack([grey[some].mean() if some.any() else 0 * grey.sum() for some in thirds]),
        torch.stack([
            torch.quantile(step[where], 0.9) if where.any() else 0 * grey.sum()
            for step, where in zip(steps, both)
        ]),
    )  # fmt: skip


def _lowest(mouths: SpokenMouths) -> torch.Tensor:
    """Return (M,) the lowest row that is seen of each mouth."""
    return (mouths.seen.amax((1, 3)) * torch.arange(mouths.seen.shape[2])).amax(1)
