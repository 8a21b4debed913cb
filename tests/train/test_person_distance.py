"""Distances of motion to a person: zero for the same, larger the further, in one unit."""

from __future__ import annotations

import numpy as np
import pytest

from train.data.person import (
    PersonPiece,
    amounts,
    blink_frames,
    blinks_a_minute,
    draw_windows,
    load_person,
)
from train.person_distance import READINGS, distances, readings, table

NAMES = {"lip_gap": 0, "brow_r": 12, "yaw": 16}


def moving(amount: float, frames: int = 150) -> np.ndarray:
    motion = np.zeros((frames, 32))
    for name, index in NAMES.items():
        motion[:, index] = amount * (1 + np.sin(np.arange(frames) / 5 + len(name)))
    return motion


def piece(amount: float) -> PersonPiece:
    motion = moving(amount)
    mel = np.zeros((4 * len(motion), 80), np.float32)
    return PersonPiece(motion, np.zeros(96000), mel, np.ones(len(motion)), "a person is talking")


def test_the_same_motion_has_no_distance_and_more_motion_has_more():
    person, usual = readings([moving(0.02)]), readings([moving(0.05)])
    near, far = (
        distances(readings([moving(amount)]), person, usual)["all"] for amount in (0.03, 0.05)
    )
    assert distances(person, person, usual)["all"] == 0
    assert 0 < near < far


def test_blinks_are_counted_over_what_is_usual():
    motion = np.zeros((150, 32))
    motion[:, 8:10] = 0.3  # lids that hang
    motion[40:44, 8:10] = motion[90:95, 8:10] = 0.95
    motion[120:124, 8] = 1.0  # a wink is none
    assert blink_frames(motion).tolist() == [40, 90]
    blinking = PersonPiece(motion, np.zeros(1), np.zeros((600, 80)), np.ones(150), "")
    assert blinks_a_minute([blinking]) == pytest.approx(20)


def test_amounts_follow_the_motion():
    calm, lively = amounts([moving(0.01)]), amounts([moving(0.03)])
    assert all(lively[name] == pytest.approx(3 * calm[name]) for name in ("mouth", "head", "face"))


def test_windows_of_a_person_hold_their_motion_and_blink_with_the_noise():
    batch = draw_windows([piece(0.02)] * 2, 6, 49, np.ones(5), np.random.default_rng(0))
    assert batch.motion.shape == (6, 49, 32) and batch.mel.shape == (6, 4 * (49 + 32), 80)
    known = batch.known.sum(1)
    assert set(known.tolist()) <= {1.0, 3.0} and (batch.style == 1).all()
    photos = batch.motion[known == 1]
    assert (photos[:, 0, 16] == 0).all()  # a photo is at rest
    again = draw_windows([piece(0.02)] * 2, 6, 49, np.ones(5), np.random.default_rng(0))
    assert (again.motion == batch.motion).all() and again.captions == batch.captions


def test_one_piece_in_four_is_kept_back(tmp_path):
    from tests.train.stages.test_resume import write_footage

    write_footage(tmp_path)
    learnt, back = load_person(tmp_path, "p1", 49)
    assert (len(learnt), len(back)) == (2, 1)
    assert abs(np.median(learnt[0].motion[:, 16])) < 1e-9
    with pytest.raises(ValueError, match="must be one of p1 or all"):
        load_person(tmp_path, "p2", 49)
    with pytest.raises(ValueError, match="has 0"):
        load_person(tmp_path, "all", 200)
    with pytest.raises(ValueError, match="train data"):
        load_person(tmp_path / "none", "p1", 49)


def test_the_table_has_a_row_for_every_reading():
    values = {name: 1.0 for name in READINGS}
    apart = {**values, "all": 0.5, "closures": 0.9}
    rows = {"person": values, "default median": values, "style median": values, "floor": apart}
    lines = table({**rows, "default": apart, "style": apart}).splitlines()
    assert len(lines) == 2 + len(READINGS) + 2 and "0.90 | 0.90" in lines[-1]
