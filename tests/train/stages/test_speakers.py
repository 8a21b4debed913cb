"""The table of speakers: made from a folder, people count alike, nobody's own numbers in it."""

import csv
import json

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.evaluation.motion_statistics import READINGS, motion_windows
from skyreels_avatar.faces.template import template
from train.config import load_config
from train.stages import speakers


def _landmarks(swing: float, num_frames: int = 75) -> np.ndarray:
    """Return (F, 478, 3) px: the average face, which rolls to and fro."""
    angle = swing * np.sin(np.arange(num_frames) / 5)
    turn = np.zeros((num_frames, 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
    turn[:, 0, 1], turn[:, 1, 0], turn[:, 2, 2] = -np.sin(angle), np.sin(angle), 1
    return 160 + 150 * template() @ turn.transpose(0, 2, 1)


@pytest.fixture
def talkers(tmp_path):
    """Four filmed people and four generated ones, who roll ten times as far."""
    (tmp_path / "landmarks").mkdir()
    rows = []
    for index in range(8):
        steps = np.round(_landmarks(0.01 if index < 4 else 0.1) * 16).astype(np.int32)
        np.savez(
            tmp_path / "landmarks" / f"{index}.npz",
            dq=np.diff(steps, axis=0, prepend=0).astype(np.int16), scale=1 / 16,
        )  # fmt: skip
        rows.append(
            {"id": str(index), "person": f"p{index}",
             "origin": "real" if index < 4 else "generated"}
        )  # fmt: skip
    with open(tmp_path / "MANIFEST.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def test_a_folder_becomes_a_table_of_quantiles(talkers, tmp_path):
    asked = [f"data.talkers={talkers}", f"run={tmp_path / 'run'}"]
    speakers.run(load_config("speakers", asked))
    table = json.loads((tmp_path / "run" / "export" / speakers.NAME).read_text())
    assert (table["filmed"], table["lively"], table["windows"]) == (4, 4, 16)
    assert set(table["readings"]) == set(READINGS)
    roll = np.exp(table["readings"]["roll_deg"]["quantiles"])
    assert roll[15] < 1.5 and roll[25] > 8  # halves: 1.1 and 11 degrees
    low, middle, high = (table["real"]["head_distance"][i] for i in (1, 0, 2))
    assert 0 < low <= middle <= high < 1


def test_a_person_with_many_clips_counts_as_one():
    calm, lively = (motion_windows(_landmarks(swing), 25.0) for swing in (0.01, 0.1))
    often = {name: np.tile(values, 50) for name, values in calm.items()}
    once = speakers.speaker_table([calm] * 4, [lively] * 4)
    more = speakers.speaker_table([often, *[calm] * 3], [lively] * 4)
    for name, reading in once["readings"].items():
        found = more["readings"][name]
        np.testing.assert_allclose(found["quantiles"], reading["quantiles"], atol=0.02)
        assert found["spread"] == pytest.approx(reading["spread"], abs=1e-4)


def test_too_few_people_are_refused():
    windows = motion_windows(_landmarks(0.1), 25.0)
    with pytest.raises(InputError, match=r"needs 4 filmed .* got 3 and 5"):
        speakers.speaker_table([windows] * 3, [windows] * 5)
