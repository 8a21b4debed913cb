"""Distances of motion from real speakers, and the table that ships."""

import numpy as np
import pytest

from skyreels_avatar.evaluation.motion_statistics import (
    READINGS,
    motion_distance,
    motion_windows,
    quantiles,
    shipped_table,
)
from skyreels_avatar.faces.template import template


def turning_face(angles_deg: np.ndarray) -> np.ndarray:
    """Return (F, 478, 3) px: the average face, turned to the side."""
    angle = np.radians(angles_deg)
    turn = np.zeros((len(angle), 3, 3))
    turn[:, 0, 0] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 0, 2], turn[:, 2, 0], turn[:, 1, 1] = np.sin(angle), -np.sin(angle), 1
    return (200 * template() @ turn.transpose(0, 2, 1)).astype(np.float32)


def test_windows_tell_how_far_a_head_turns_at_any_rate():
    for fps in (25.0, 50.0):
        times = np.arange(round(4 * fps)) / fps
        windows = motion_windows(turning_face(5 * np.sin(2 * np.pi * times)), fps)
        assert {len(values) for values in windows.values()} == {3}
        assert windows["yaw_deg"] == pytest.approx(10, rel=0.06)
        assert windows["head_deg_per_s"] == pytest.approx(20, rel=0.06)
        assert windows["roll_deg"].max() < 0.5 and windows["shut_share"].max() == 0


def test_a_clip_below_two_seconds_has_no_windows_and_no_distance():
    windows = motion_windows(turning_face(np.zeros(40)), 25.0)
    assert all(len(values) == 0 for values in windows.values())
    assert motion_distance(windows).head_distance is None


def test_the_table_that_ships_is_of_many_people_and_complete():
    table = shipped_table()
    assert table["filmed"] >= 8 and table["lively"] >= 50 and table["windows"] >= 500
    assert set(table["readings"]) == set(READINGS)
    for reading in table["readings"].values():
        assert (np.diff(reading["quantiles"]) >= 0).all() and reading["spread"] > 0
    assert all(0 < middle < 1.5 for middle, *_ in table["real"].values())


def test_windows_drawn_from_the_table_are_near_and_a_frozen_head_is_far():
    table = shipped_table()["readings"]
    drawn = {name: np.exp(reading["quantiles"]) for name, reading in table.items()}
    drawn["shut_share"] = table["shut_share"]["quantiles"]
    near = motion_distance(drawn)
    assert max(near.head_distance, near.gaze_distance, near.brow_distance) < 0.01
    frozen = motion_distance(motion_windows(turning_face(np.zeros(75)), 25.0))
    real = shipped_table()["real"]
    assert frozen.head_distance > real["head_distance"][2]
    assert frozen.gaze_distance > real["gaze_distance"][2]


def test_quantiles_of_values_count_by_their_weights():
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 8.0])
    found = quantiles(values, weights)
    assert np.median(found) == pytest.approx(2.0, abs=0.05) and found[0] >= 1 and found[-1] <= 3
