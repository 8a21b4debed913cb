"""Learn how mouth coefficients move lips and skin, from a head with ARKit expressions.

Writes `skyreels_avatar/rig/mouth_shapes.json`. The amounts of each expression are chosen so that a
coefficient of 1 is the whole of what it names: a full pout, a mouth 100 % wider, a broad smile.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.rig.mouth_shapes import SHAPES_FILE
from train.config import TrainConfig
from train.data.head import COLUMNS, ROWS, STEP_U, STEP_V, Head

logger = logging.getLogger(__name__)
CORNER, LIP = round(1 / STEP_U), round(1 / STEP_V)  # nodes of the corner and of the outer edge
PUCKER, PUCKER_STRETCH = 1.5, -0.15  # rounding to 69 % of the width
PUCKER_LIFT = 0.25  # a pout of the head lifts corners, which in speech stay
SMILE = 0.7  # of the head's, which is a laugh
PRESS, TUCK = 0.5, 0.6  # of lips that roll in until no red is seen
HIDDEN = 0.6  # how much of a step of rolled lip is still seen: the rest goes behind the line
EVEN = 0.75  # how evenly mouths narrow: the head's lips bunch in the middle, an o gets a v
CHEEK, SILHOUETTE = 1.2, 2.6  # of u: sideways moves fade, so that no background comes along


def run(config: TrainConfig) -> None:
    """Write the shapes of the head in `data.head`."""
    if not config.data.head:
        raise InputError("give the folder of a head with expressions: data.head=FOLDER")
    table = mouth_shapes(Head.load(Path(config.data.head)))
    SHAPES_FILE.write_text(json.dumps(table, separators=(",", ":")) + "\n", encoding="utf-8")
    logger.info("wrote %s", SHAPES_FILE)


def mouth_shapes(head: Head) -> dict:
    """Return what `MouthShapes` reads: tables in thousandths."""
    stretch = head.shape("mouthStretch")
    roll = (
        _roll(head.shape("mouthRollUpper"), 0, head),
        _roll(head.shape("mouthRollLower"), 1, head),
    )
    shapes = {
        "pucker": _apart(PUCKER * head.shape("mouthPucker") + PUCKER_STRETCH * stretch),
        "width": _apart(stretch / stretch[0, 0, CORNER, 0]),
        "smile": _apart(SMILE * head.shape("mouthSmile")),
        "frown": _apart(head.shape("mouthFrown")),
        "press": (np.zeros(COLUMNS), PRESS * np.stack(roll)),
        "tuck": (np.zeros(COLUMNS), TUCK * np.stack([0 * roll[0], roll[1]])),
    }
    shapes["pucker"] = (PUCKER_LIFT * shapes["pucker"][0], shapes["pucker"][1])
    for name in ("pucker", "width", "smile"):
        _make_even(shapes[name][1])
    u = np.arange(COLUMNS) * STEP_U
    share = ((SILHOUETTE - u) / (SILHOUETTE - CHEEK)).clip(0, 1)
    for _, moves in shapes.values():
        moves[..., 0] *= share**2 * (3 - 2 * share)
    return {
        "source": "python -m train shapes, of ICT FaceKit (MIT)",
        "unit": "thousandths: lift and away of H, across of the half width",
        "step": [STEP_U, round(STEP_V, 4)],
        "half_width": round(head.half_width, 4),
        "thickness": [round(float(value), 4) for value in head.thickness],
        "reach": [round(float(value), 4) for value in head.reach],
        "lift": {name: _thousandths(lift) for name, (lift, _) in shapes.items()},
        "across": {name: _thousandths(moves[..., 0]) for name, (_, moves) in shapes.items()},
        "away": {name: _thousandths(moves[..., 1]) for name, (_, moves) in shapes.items()},
    }


def _thousandths(values: np.ndarray) -> list:
    return np.round(1000 * values).astype(int).tolist()


def _apart(moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take from (2, V, U, 2) what both lips do together: (U,) upwards at the lip line.

    What is left leaves the lip line where it is: how far lips part is for the lip gap to say.
    """
    moves = moves.copy()
    lift = (moves[0, 0, :, 1] - moves[1, 0, :, 1]) / 2
    fall = ((ROWS - 1 - np.arange(ROWS)) / (ROWS - 1 - LIP)).clip(0, 1)[:, None]
    moves[0, ..., 1] -= lift * fall
    moves[1, ..., 1] += lift * fall
    moves[..., 1] -= moves[:, :1, :, 1] * (1 - np.arange(ROWS) / 4).clip(0, 1)[:, None]
    moves[:, 0, :, 0] = moves[:, 0, :, 0].mean(0)
    return lift, moves


def _roll(moves: np.ndarray, layer: int, head: Head) -> np.ndarray:
    """Return (V, U, 2) of a lip that rolls in: its inner part goes behind the lip line."""
    moves, step = moves[layer].copy(), head.thickness[layer] * STEP_V
    rows = np.arange(ROWS)[:, None] * step
    moved = moves[..., 1] + rows
    for row in range(LIP - 1, -1, -1):
        moved[row] = np.minimum(moved[row], moved[row + 1] - HIDDEN * step)
    inner = ((1.15 - np.arange(COLUMNS) * STEP_U) / 0.3).clip(0, 1)
    moves[..., 1] = inner * (moved - rows) + (1 - inner) * moves[..., 1]
    moves[0, CORNER:, 1] = 0
    moves[0, :, 0] = 0
    return moves


def _make_even(moves: np.ndarray) -> None:
    """Let (2, V, U, 2) narrow or widen all parts of the mouth alike, in place."""
    u = np.arange(CORNER) * STEP_U
    even = moves[..., CORNER : CORNER + 1, 0] * u
    moves[..., :CORNER, 0] = EVEN * even + (1 - EVEN) * moves[..., :CORNER, 0]
