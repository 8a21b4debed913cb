"""Print what fewer steps cost: 2, 4 and 8 against 40, and how motion answers guidance scales.

The student that ships is its own teacher here: told that its steps are short, it gives the guided
velocity that it was distilled from, so that 40 steps of it stand for the teacher's.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.components import Components, load_components
from skyreels_avatar.rig.coefficients import MOTION_INDEX, MOTION_SCALE
from train.acting import HEAD, blink_starts, column, seen_width, spread
from train.config import TrainConfig
from train.data.cache import Tracks, real_track, synthetic_track
from train.data.clips import load_grid
from train.data.simulate.speech import HELD_OUT_VOICES
from train.data.windows import WindowBatch
from train.loop import with_weights
from train.objective import LATENT_STD
from train.validate import Sampling, photo_batch, sample_motion

logger = logging.getLogger(__name__)

STEPS = (40, 8, 4, 2)
NUM_SEEDS = 5
NUM_WINDOWS = 50  # of each kind of voice
NUM_ANSWERING = 40  # windows of which guidance is asked
SCALES = (1.0, 1.5, 2.0, 2.5, 3.0)  # of text; those of audio go half as far from 1
_NUM_TRACKS = 20
_BATCH = 30
_DRAWS = 1000  # of the bootstrap
_FIRST = 4  # frames that are left out: they ease away from the photo
_SHUT, _OPEN = 0.004, 0.010  # gaps / H of a mouth that ought to be shut, and of one that is

Reading = Callable[[np.ndarray], float]
READINGS: dict[str, Reading] = {
    "opening / H": lambda m: spread(column(m, "lip_gap")),
    "width / eye distance": lambda m: spread(seen_width(m)),
    "brows / H": lambda m: spread((column(m, "brow_r") + column(m, "brow_l")) / 2),
    "yaw, degrees": lambda m: float(np.degrees(spread(column(m, "yaw")))),
    "pitch, degrees": lambda m: float(np.degrees(spread(column(m, "pitch")))),
    "roll, degrees": lambda m: float(np.degrees(spread(column(m, "roll")))),
    "head speed, degrees a frame": lambda m: float(np.degrees(_head_speed(m))),
    "gaze x / eye width": lambda m: spread(column(m, "gaze_x")),
    "blinks a minute": lambda m: len(blink_starts(m)) / len(m) * 25 * 60,
}
# prompt -> what its scale of guidance strengthens; the last is asked for by the sound alone
ANSWERS: dict[str, tuple[str, Reading]] = {
    "smile": ("a woman smiles and talks", lambda m: _late(m, "smile")),
    "nods, degrees": ("a man nods", lambda m: float(np.degrees(spread(column(m, "pitch"))))),
    "frown": ("she is very sad", lambda m: _late(m, "frown")),
}  # fmt: skip
OPENING = "opening / H, by the scale of audio"


def run(config: TrainConfig) -> None:
    """Measure `start_from` (the rest is as it ships); write steps.json into `run`."""
    torch.set_num_threads(config.threads)
    parts = load_components(config.tier)
    if config.start_from:
        parts = with_weights(parts, Path(config.start_from))
    if not parts.transformer.config.distilled:
        raise InputError("the transformer is not distilled and not meant for few steps")
    batch = held_out_windows(config)
    tier = parts.tier
    usual = Sampling(
        guidance=(tier.guidance_scale, tier.audio_guidance_scale), one_pass=True, shift=tier.shift
    )
    taken = {number: sample(parts, batch, replace(usual, num_steps=number)) for number in STEPS}
    figures = {
        "windows": len(batch.captions),
        "seeds": NUM_SEEDS,
        "steps": {str(number): step_rows(taken, number, batch) for number in STEPS},
        "guidance": guidance_rows(parts, spaced(batch, NUM_ANSWERING), usual),
    }
    print(step_table(figures))
    print("\n" + guidance_table(figures["guidance"]))
    path = Path(config.run) / "steps.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=1))


def held_out_windows(config: TrainConfig, count: int = NUM_WINDOWS) -> WindowBatch:
    """Return windows that start from a photo: voices kept back, and GRID clips kept back."""
    rng = np.random.default_rng([config.seed, 91])
    sources = [lambda: synthetic_track(rng, HELD_OUT_VOICES)]
    if config.data.grid:
        clips = load_grid(Path(config.data.grid), 900, 1000)
        sources.append(lambda: real_track(clips, rng, degrade=False))
    batches = []
    for make in sources:
        made = [make() for _ in range(min(count, _NUM_TRACKS))]
        tracks = Tracks(**{key: np.stack([track[key] for track in made]) for key in made[0]})
        batches.append(photo_batch(tracks, count, config.data.num_frames, rng))
    return concatenated(batches)


def concatenated(batches: list[WindowBatch]) -> WindowBatch:
    """Return the windows of some batches as one."""
    values = {
        name: torch.cat([getattr(batch, name) for batch in batches])
        for name in vars(batches[0])
        if name != "captions"
    }
    return WindowBatch(captions=[said for batch in batches for said in batch.captions], **values)


def spaced(batch: WindowBatch, count: int) -> WindowBatch:
    """Return about so many windows of a batch, evenly spaced."""
    return _rows(batch, slice(None, None, max(1, len(batch.captions) // count)))


def sample(
    parts: Components, batch: WindowBatch, sampling: Sampling, seeds: int = NUM_SEEDS
) -> np.ndarray:
    """Return motion (S, B, F, 32) of S seeds; a seed is the same noise for all samplers."""
    motions = []
    for seed in range(seeds):
        pieces = []
        for first in range(0, len(batch.captions), _BATCH):
            generator = torch.Generator().manual_seed(1000 * seed + first)
            some = _rows(batch, slice(first, first + _BATCH))
            pieces.append(sample_motion(parts, some, sampling, generator).numpy())
        motions.append(np.concatenate(pieces))
        logger.info("%d steps, scales %s, seed %d", sampling.num_steps, sampling.guidance, seed)
    return np.stack(motions)


def step_rows(
    taken: dict[int, np.ndarray], number: int, batch: WindowBatch
) -> dict[str, list[float]]:
    """Return rows of [value, low, high], with 95 % intervals over windows.

    Args:
        taken: of `sample`, by the number of steps; the first stands for the truth.
    """
    motion, teacher = taken[number][:, :, _FIRST:], next(iter(taken.values()))[:, :, _FIRST:]
    rows = {}
    for name, read in READINGS.items():
        rows[name] = interval(np.array([[read(m) for m in some] for some in motion]).mean(0))
    shut, held = closures(motion, batch)
    rows["lips shut on closures"] = interval(shut, held)
    unit = LATENT_STD * np.array(MOTION_SCALE)
    missed = np.square((motion - teacher)[..., :8] / unit[:8]).mean((0, 2, 3))
    low, middle, high = (np.sqrt(max(value, 0)) for value in _ends(missed))
    rows["mouth from 40 steps, rms of its spread"] = [middle, low, high]
    # What differs between seeds of one voice: their spread in each frame, in usual spreads.
    rows["spread over seeds"] = interval((motion.std(0)[..., 8:24] / unit[8:24]).mean((1, 2)))
    return rows


def closures(motion: np.ndarray, batch: WindowBatch) -> tuple[np.ndarray, np.ndarray]:
    """Return (B,) how many frames are shut, of (B,) in which lips ought to be, over all seeds."""
    true = batch.motion[:, _FIRST:, 0].numpy()
    wanted = (true < _SHUT) & (batch.active[:, _FIRST:].numpy() > 0.5)
    shut = (motion[..., 0] < _OPEN) & wanted
    return shut.sum((0, 2)), len(motion) * wanted.sum(1)


def guidance_rows(
    parts: Components, batch: WindowBatch, usual: Sampling
) -> dict[str, dict[str, list[float]]]:
    """Return what each of `ANSWERS` gives by the scale of its guidance, of one seed."""
    rows: dict[str, dict[str, list[float]]] = {}
    usual = replace(usual, num_steps=parts.tier.num_inference_steps)
    for name, (prompt, read) in ANSWERS.items():
        asked = replace(batch, captions=[prompt] * len(batch.captions))
        rows[name] = {}
        for scale in SCALES:
            sampling = replace(usual, guidance=(scale, usual.guidance[1]))
            motion = sample(parts, asked, sampling, seeds=1)[0]
            rows[name][f"{scale:g}"] = interval(np.array([read(m) for m in motion]))
    rows[OPENING] = {}
    for scale in SCALES:
        audio = 1 + (scale - 1) / 2
        motion = sample(parts, batch, replace(usual, guidance=(usual.guidance[0], audio)), 1)[0]
        found = np.array([READINGS["opening / H"](m) for m in motion[:, _FIRST:]])
        rows[OPENING][f"{audio:g}"] = interval(found)
    return rows


def interval(values: np.ndarray, of: np.ndarray | None = None) -> list[float]:
    """Return [mean, low, high]: of (B,) values, or of their sum's share of the sum of `of`."""
    low, middle, high = _ends(values, of)
    return [middle, low, high]


def is_monotone(row: dict[str, list[float]]) -> bool:
    """Return whether values rise with the scale."""
    values = [one[0] for one in row.values()]
    return all(after > before for before, after in itertools.pairwise(values))


def step_table(figures: dict) -> str:
    """Return the rows as a table in Markdown, a column for each number of steps."""
    columns = figures["steps"]
    first = next(iter(columns))
    lines = [
        f"n = {figures['windows']} windows of 49 frames x {figures['seeds']} seeds; in brackets "
        f"95 % intervals over windows, behind them the share of {first} steps",
        "",
        "| | " + " | ".join(f"{number} steps" for number in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name in columns[first]:
        base = columns[first][name][0]
        cells = [
            _cell(rows[name]) + (f", {rows[name][0] / base:.3f}" if base and steps != first else "")
            for steps, rows in columns.items()
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def guidance_table(rows: dict[str, dict[str, list[float]]]) -> str:
    """Return the answers to guidance as a table in Markdown."""
    lines = ["| rises with its scale | values at the scales | monotone |", "|---|---|---|"]
    for name, row in rows.items():
        values = ", ".join(f"{scale}: {one[0]:.3f}" for scale, one in row.items())
        lines.append(f"| {name} | {values} | {'yes' if is_monotone(row) else 'no'} |")
    return "\n".join(lines)


def _cell(row: list[float]) -> str:
    return f"{row[0]:.3g} ({row[1]:.3g} to {row[2]:.3g})"


def _ends(values: np.ndarray, of: np.ndarray | None = None) -> tuple[float, float, float]:
    """Return low, mean and high by a bootstrap over windows with a fixed seed."""
    picks = np.random.default_rng(0).integers(len(values), size=(_DRAWS, len(values)))
    if of is None:
        drawn, middle = values[picks].mean(1), values.mean()
    else:
        drawn = values[picks].sum(1) / np.maximum(of[picks].sum(1), 1)
        middle = values.sum() / max(of.sum(), 1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(middle), float(high)


def _late(motion: np.ndarray, name: str) -> float:
    """Return the mean of a coefficient over the later half."""
    return float(column(motion, name)[len(motion) // 2 :].mean())


def _head_speed(motion: np.ndarray) -> float:
    turns = motion[:, [MOTION_INDEX[name] for name in HEAD]]
    return float(np.linalg.norm(np.diff(turns, axis=0), axis=1).mean())


def _rows(batch: WindowBatch, rows: slice) -> WindowBatch:
    return WindowBatch(**{name: value[rows] for name, value in vars(batch).items()})
