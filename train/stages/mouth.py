"""Fit the numbers of the painted mouth to real smiles.

An auto-decoder: the shape of the teeth and the fall of light are shared by all, style, light and
the height of the teeth belong to each picture. The fitted constants are written to
`skyreels_avatar/rig/constants.json`.
"""

from __future__ import annotations

import logging
import math
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from skyreels_avatar.errors import InputError
from skyreels_avatar.rig.constants import CONSTANTS, CONSTANTS_FILE, store_fitted
from skyreels_avatar.rig.mouth import NUM_STYLES, STYLE_SPREAD, MouthDecoder, MouthLook
from train.config import TrainConfig
from train.data.mouth import RealMouths, real_mouths
from train.data.simulate.portraits import load_portraits
from train.loop import read_checkpoint, write_checkpoint

logger = logging.getLogger(__name__)
GUESSES = 40  # of size, midline and bow, before the fit: teeth are periodic
VALIDATION_STEPS = 120


class Looks(nn.Module):
    """What belongs to each of M pictures alone."""

    def __init__(self, mouths: RealMouths):
        super().__init__()
        self.mouths = mouths
        number = len(mouths.teeth)
        gap = (mouths.lower - mouths.upper).amax(1)
        self.style = nn.Parameter(torch.zeros(number, NUM_STYLES))  # in spreads of the population
        usual = torch.tensor(CONSTANTS.light.mean_teeth)
        self.log_light = nn.Parameter((mouths.teeth / usual).log())
        self.shift = nn.Parameter(torch.zeros(number))
        self.jaw = nn.Parameter((0.8 * (gap - 0.05)).clamp_min(0.004))

    def paint(self, decoder: MouthDecoder, chosen: torch.Tensor) -> torch.Tensor:
        """Return (K, 3, 64, 128) for pictures `chosen` (K,), as blurred as photographs are."""
        mouths = self.mouths
        motion = torch.zeros(len(chosen), 8)
        motion = torch.cat([motion[:, :1], self.jaw[chosen, None], motion[:, 2:]], 1)
        look = MouthLook(
            style=0.5 + STYLE_SPREAD * self.style[chosen],
            light=self.log_light[chosen].exp(),
            half_width=mouths.half_width[chosen],
            teeth_edge=mouths.teeth_edge[chosen] + self.shift[chosen],
            saturation=torch.ones(len(chosen)),
        )
        color = decoder(mouths.upper[chosen], mouths.lower[chosen], motion, look)
        return soften(color)

    def errors(
        self, decoder: MouthDecoder, chosen: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean absolute errors (K,) of colors and of their gradients, where seen."""
        seen = self.mouths.seen[chosen].float()
        light = self.log_light[chosen].detach().exp().mean(1)[:, None, None, None] + 0.05
        error = (self.paint(decoder, chosen) - self.mouths.colors[chosen]) / light
        across = error.diff(dim=3).abs() * seen[..., 1:] * seen[..., :-1]
        down = error.diff(dim=2).abs() * seen[:, :, 1:] * seen[:, :, :-1]
        number = 3 * seen.sum((1, 2, 3))
        gradients = across.sum((1, 2, 3)) + down.sum((1, 2, 3))
        return (error.abs() * seen).sum((1, 2, 3)) / number, gradients / number

    def groups(self, pace: float = 1.0) -> list[dict]:
        """Return the optimizer's groups: every quantity moves in steps of its own size."""
        return [
            {"params": [self.style], "lr": 0.06 * pace},
            {"params": [self.log_light], "lr": 0.004 * pace},
            {"params": [self.shift, self.jaw], "lr": 0.0004 * pace},
        ]

    @torch.no_grad()
    def guess(self, decoder: MouthDecoder, generator: torch.Generator) -> None:
        """Set size, midline and bow of each picture to the best of random guesses."""
        chosen = torch.arange(len(self.style))
        best, kept = torch.full((len(chosen),), math.inf), self.style.clone()
        for _ in range(GUESSES):
            draw = torch.randn(3, generator=generator)
            self.style[:, :3] = draw
            parts = [sum(self.errors(decoder, part)) for part in chosen.split(48)]
            error = torch.cat(parts)
            kept[error < best, :3] = draw
            best = torch.minimum(best, error)
        self.style.copy_(kept)


def run(config: TrainConfig) -> None:
    """Fit on the smiles under `data.portraits`; people kept out are for validation only."""
    if not config.data.portraits:
        raise InputError("give the folder of portraits: data.portraits=FOLDER")
    torch.set_num_threads(config.threads)
    generator = torch.Generator().manual_seed(config.seed)
    cache = Path(config.data.cache) / "portraits.npz"
    mouths = real_mouths(load_portraits(Path(config.data.portraits), cache))
    train, held = (mouths.kept_out == kept for kept in (False, True))
    logger.info("%d mouths, %d of them for validation", len(held), int(held.sum()))
    decoder = MouthDecoder()
    before = validate(decoder, pick(mouths, held), generator)
    looks = Looks(pick(mouths, train))
    looks.guess(decoder, generator)
    fit(decoder, looks, config, generator, Path(config.run))
    after = validate(decoder, pick(mouths, held), generator)
    logger.info("held out, color and gradient error: %s before, %s after", before, after)
    style = looks.style.detach() * decoder.style_spread + decoder.style_mean
    names = ("widths", "rises", "rounds", "lengths")
    teeth = dict(zip(names, decoder.teeth.tolist()))
    teeth |= {"knob_means": style.mean(0).tolist(), "knob_spreads": style.std(0).tolist()}
    shading = dict(zip(asdict(CONSTANTS.shading), decoder.shading.tolist()))
    store_fitted({"teeth": rounded(teeth), "shading": rounded(shading)})
    logger.info("wrote %s", CONSTANTS_FILE)


def rounded(values: dict[str, float | list[float]]) -> dict[str, float | list[float]]:
    """Return constants with four decimals, a tenth of a thousandth of the face height."""
    return {
        name: [round(one, 4) for one in value] if isinstance(value, list) else round(value, 4)
        for name, value in values.items()
    }


def fit(
    decoder: MouthDecoder,
    looks: Looks,
    config: TrainConfig,
    generator: torch.Generator,
    folder: Path | None = None,
) -> None:
    """Take the planned steps on the shared numbers and on each picture's own.

    Args:
        folder: where a checkpoint is kept, from which the fit goes on; None = it keeps none.
    """
    shared = [
        {"params": [decoder.teeth], "lr": 2e-5},
        {"params": [decoder.shading], "lr": 4e-4},
        {"params": decoder.layout.parameters(), "lr": config.lr},
    ]
    optimizer = torch.optim.Adam(shared + looks.groups())
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.num_steps)
    parts = {"decoder": decoder, "looks": looks, "optimizer": optimizer, "schedule": schedule}
    first = resume(folder, parts, generator) if folder else 0
    for step in range(first + 1, config.num_steps + 1):
        chosen = torch.randint(len(looks.style), (config.batch_size,), generator=generator)
        loss = _loss(decoder, looks, chosen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            decoder.teeth.clamp_(min=0.0)
            decoder.shading.clamp_(0.0015, 0.9)
        if step % config.log_every == 0:
            logger.info("step %d of %d, loss %.4f", step, config.num_steps, loss.item())
        if folder and (step % config.save_every == 0 or step == config.num_steps):
            states = {name: part.state_dict() for name, part in parts.items()}
            drawn = generator.get_state()
            write_checkpoint(folder, {"step": step, "generator": drawn, **states})


def resume(folder: Path, parts: dict, generator: torch.Generator) -> int:
    """Load the checkpoint of a folder into the parts of a fit and return the steps taken."""
    folder.mkdir(parents=True, exist_ok=True)
    state = read_checkpoint(folder, "cpu")
    if state is None:
        return 0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    generator.set_state(state["generator"])
    logger.info("continuing %s at step %d", folder, state["step"])
    return state["step"]


def validate(
    decoder: MouthDecoder, mouths: RealMouths, generator: torch.Generator
) -> tuple[float, float]:
    """Return mean errors of color and gradient when only a picture's own numbers are fitted."""
    looks = Looks(mouths)
    looks.guess(decoder, generator)
    optimizer = torch.optim.Adam(looks.groups(1.5))
    chosen = torch.arange(len(mouths.teeth))
    for _ in range(VALIDATION_STEPS):
        optimizer.zero_grad()
        _loss(decoder, looks, chosen).backward()
        optimizer.step()
    with torch.no_grad():
        color, gradient = looks.errors(decoder, chosen)
    return round(color.mean().item(), 4), round(gradient.mean().item(), 4)


def soften(colors: torch.Tensor) -> torch.Tensor:
    """Return (N, 3, R, W) as blurred as photographs are."""
    kernel = torch.tensor([0.25, 0.5, 0.25])
    kernel = (kernel[:, None] * kernel).expand(3, 1, 3, 3)
    return F.conv2d(F.pad(colors, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)


def pick(mouths: RealMouths, chosen: torch.Tensor) -> RealMouths:
    """Return the mouths at a mask or indices."""
    return RealMouths(*(values[chosen] for values in vars(mouths).values()))


def _loss(decoder: MouthDecoder, looks: Looks, chosen: torch.Tensor) -> torch.Tensor:
    color, gradient = looks.errors(decoder, chosen)
    usual = 4e-4 * (looks.style[chosen] ** 2).mean() + 2.0 * (looks.shift[chosen] ** 2).mean()
    return color.mean() + 1.5 * gradient.mean() + usual
