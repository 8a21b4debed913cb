"""The banks of utterances that `corpus` makes tracks of: natural voices, and people who spoke."""

from __future__ import annotations

from pathlib import Path

from skyreels_avatar.errors import InputError
from train.config import TrainConfig
from train.data.recorded import make_recorded
from train.data.spoken import make_banks


def run(config: TrainConfig) -> None:
    """Write the banks that are missing; the voices that are kept back get one of their own."""
    data, folder = config.data, Path(config.data.cache)
    if not data.kokoro and not data.recordings:
        raise InputError(
            "give the folder of the voices, data.kokoro=FOLDER, or one of recordings of people, "
            "data.recordings=FOLDER; see train/README.md"
        )
    if data.recordings:
        make_recorded(folder, Path(data.recordings))
    if not data.kokoro:
        return
    make_banks(folder, "spoken-held", 1, 1, Path(data.kokoro))
    make_banks(folder, "spoken", data.num_banks, config.seed, Path(data.kokoro))
