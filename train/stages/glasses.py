"""Learn to tell who wears glasses: a logistic regression on where edges run round the eyes.

What it misses is counted by cross-validation; what it writes is taught by all pictures.
Writes `skyreels_avatar/rig/glasses.npz`.
"""

from __future__ import annotations

import logging
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from skyreels_avatar.errors import InputError
from skyreels_avatar.rig.glasses import WEIGHTS_FILE, both_ways, edge_histograms, eye_band
from train.config import TrainConfig
from train.data.glasses import jitter, put_glasses_on
from train.data.simulate.portraits import load_portraits

logger = logging.getLogger(__name__)
BARE, DRAWN, REAL = 5, 5, 15  # samples of a face: bare, the same with glasses, one that wears them
REAL_WEIGHT, DECAY, STEPS = 2.0, 2e-4, 120
LEAST = 2.6  # logit from which on a face wears glasses: most faces do not
FOLDS = 4


def run(config: TrainConfig) -> None:
    """Learn from `data.portraits`; `data.wearers` names those who wear glasses."""
    if not (config.data.portraits and config.data.wearers):
        raise InputError("give data.portraits=FOLDER and data.wearers=FILE, a name on each line")
    torch.set_num_threads(config.threads)
    worn = set(Path(config.data.wearers).read_text(encoding="utf-8").split())
    faces = load_portraits(Path(config.data.portraits), Path(config.data.cache) / "portraits.npz")
    bands = {face.path.name: eye_band(face.pixels(), face.landmarks[:, :2]) for face in faces}
    rng = np.random.default_rng(config.seed)
    missed, alarms = [], []
    for fold in range(FOLDS):  # each picture is judged by what the other folds teach
        aside = {name for name in bands if fold_of(name) == fold}
        taught = {name: band for name, band in bands.items() if name not in aside}
        if not aside or not worn & taught.keys():
            continue
        weights, bias = fit(*draw_samples(taught, worn, rng))
        for name in sorted(aside):
            found = both_ways(bands[name]) @ weights > LEAST - bias
            if found != (name in worn):
                (missed if name in worn else alarms).append(name)
    wearers = len(worn & bands.keys())
    logger.info("%d of %d wearers missed: %s", len(missed), wearers, missed)
    bare = len(bands) - wearers
    logger.info("%d of %d bare faces taken for wearers: %s", len(alarms), bare, alarms)
    weights, bias = fit(*draw_samples(bands, worn, rng))
    least = np.float32(LEAST - bias)
    np.savez_compressed(WEIGHTS_FILE, weights=weights.astype(np.float16), least=least)
    logger.info("wrote %s", WEIGHTS_FILE)


def fold_of(name: str) -> int:
    """Return which of `FOLDS` parts a picture is in, by its name alone."""
    return zlib.crc32(name.encode()) % FOLDS


def draw_samples(
    bands: dict[str, np.ndarray], worn: set[str], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return histograms (N, 1024), labels (N,) and weights (N,) of bands by name."""
    rows, labels, weights = [], [], []
    for name, band in bands.items():
        real = name in worn
        drawn = [band] * REAL if real else [band] * BARE
        if not real:
            drawn += [put_glasses_on(band, rng) for _ in range(DRAWN)]
        rows += [edge_histograms(jitter(one, rng)) for one in drawn]
        labels += [1.0] * REAL if real else [0.0] * BARE + [1.0] * DRAWN
        weights += [REAL_WEIGHT if real else 1.0] * len(drawn)
    return np.stack(rows), np.float32(labels), np.float32(weights)


def fit(rows: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Return (1024,) weights and the bias of the regression of `draw_samples`."""
    inputs, wanted, counted = map(torch.from_numpy, (rows, labels, weights))
    weight = torch.zeros(inputs.shape[1], requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=STEPS, history_size=20, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scores = inputs @ weight + bias
        errors = F.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
        total = (counted * errors).mean() + DECAY * weight.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    return weight.detach().numpy(), bias.item()
