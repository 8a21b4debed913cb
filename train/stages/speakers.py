"""How speakers move head, gaze, brows and lids: the table that `evaluate` compares with.

Of each reading only the quantiles over all windows of all people are kept. Half of the weight is
that of filmed people, half that of generated ones, who are livelier; within a half every person
counts alike. What a filmed person gets beside all others stands with it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.evaluation.motion_statistics import (
    GROUPS,
    READINGS,
    motion_distance,
    motion_windows,
    quantiles,
    scaled,
)
from train.config import TrainConfig
from train.data.talking import talker_landmarks

logger = logging.getLogger(__name__)

NAME = "real_motion.json"
_LEAST_PEOPLE = 4
_Windows = Mapping[str, np.ndarray]


def run(config: TrainConfig) -> None:
    """Read the people of `data.talkers`; the table goes to `export/real_motion.json`.

    Raises:
        InputError: fewer than four people on a side.
    """
    folder = Path(config.data.talkers)
    table = speaker_table(_people(folder, "real"), _people(folder, "generated"))
    path = Path(config.run) / "export" / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    logger.info("%d windows; of filmed people: %s", table["windows"], table["real"])
    print(f"table: {path}")


def speaker_table(filmed: Sequence[_Windows], lively: Sequence[_Windows]) -> dict:
    """Return the table of the windows of some people, `motion_statistics.shipped_table`.

    Raises:
        InputError: fewer than four people on a side.
    """
    if min(len(filmed), len(lively)) < _LEAST_PEOPLE:
        raise InputError(
            f"a table of speakers needs {_LEAST_PEOPLE} filmed and as many generated people, "
            f"got {len(filmed)} and {len(lively)}"
        )
    left_out = []
    for index, windows in enumerate(filmed):
        rest = [one for other, one in enumerate(filmed) if other != index]
        table = {"readings": _readings(rest, lively)}
        left_out.append(vars(motion_distance(windows, table)))
    levels = (50, 10, 90)
    return {
        "filmed": len(filmed),
        "lively": len(lively),
        "windows": sum(len(one["yaw_deg"]) for one in (*filmed, *lively)),
        "real": {
            key: np.percentile([one[key] for one in left_out], levels).round(3).tolist()
            for key in (f"{group}_distance" for group in GROUPS)
        },
        "readings": _readings(filmed, lively),
    }


def _readings(filmed: Sequence[_Windows], lively: Sequence[_Windows]) -> dict:
    found = {}
    people = [(one, len(some)) for some in (filmed, lively) for one in some]
    for name in READINGS:
        values = np.concatenate([scaled(name, one[name]) for one, _ in people])
        weights = np.concatenate(
            [np.full(len(one[name]), 1 / (count * len(one[name]))) for one, count in people]
        )
        middle = np.average(values, weights=weights)
        spread = np.sqrt(np.average((values - middle) ** 2, weights=weights))
        found[name] = {
            "quantiles": quantiles(values, weights).round(5).tolist(),
            "spread": round(float(max(spread, 1e-3)), 5),
        }
    return found


def _people(folder: Path, origin: str) -> list[_Windows]:
    """Return the windows of each person of a folder of talkers."""
    found: dict[str, list[_Windows]] = {}
    for person, landmarks in talker_landmarks(folder, origin):
        windows = motion_windows(landmarks, 25.0)
        if len(windows["yaw_deg"]):
            found.setdefault(person, []).append(windows)
    return [
        {name: np.concatenate([one[name] for one in some]) for name in READINGS}
        for some in found.values()
    ]
