"""What ends left and right of a person goes on behind it, where both sides fit."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.camera.across import continue_across
from skyreels_avatar.camera.fill import interpolate_behind

HEIGHT, WIDTH = 160, 200
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
# A head whose top lies in the middle of what is behind, and shoulders that reach the lower side.
HIDDEN = ((COLUMNS - 100) / 40) ** 2 + ((ROWS - 90) / 45) ** 2 < 1
HIDDEN |= (ROWS > 125) & (abs(COLUMNS - 100) < 70)


def room(slope: float = 0.0) -> np.ndarray:
    """Return a wall (H, W, 3), a dark shelf that falls by `slope`, and a floor."""
    level = ROWS - slope * (COLUMNS - WIDTH / 2)
    light = np.where(level < 60, 0.8, np.where(level < 72, 0.2, 0.6))
    return np.repeat(light[..., None], 3, 2).astype(np.float32)


def off(filled: np.ndarray, truth: np.ndarray) -> float:
    """Return how much of the hidden head's upper half is of another color."""
    where = HIDDEN & (ROWS < 100)
    return float((np.abs(filled - truth).mean(-1)[where] > 0.15).mean())


@pytest.mark.parametrize("slope", [0.0, 0.05, -0.1])
def test_a_shelf_goes_on_behind_a_head(slope):
    """Mirrored at the outline of the head it was bent round it."""
    truth = room(slope)
    picture = np.where(HIDDEN[..., None], np.float32(0), truth)
    filled = interpolate_behind(picture, ~HIDDEN)
    assert off(filled, truth) < 0.08
    assert np.array_equal(filled[~HIDDEN], picture[~HIDDEN])


def test_sides_that_differ_are_not_joined():
    picture = np.where((COLUMNS < 100)[..., None], np.float32(0.2), np.float32(0.8))
    picture = np.broadcast_to(picture, (HEIGHT, WIDTH, 3)).copy()
    assert continue_across(picture, ~HIDDEN)[1].max() < 0.05


def test_a_door_that_stands_behind_a_head_is_not_cut_off_below_it_at_once():
    picture = room() * 0 + np.float32(0.8)
    picture[:, 90:110] = 0.2
    trust = continue_across(picture, ~HIDDEN)[1]
    assert trust[60, 92:108].max() < 0.3 and trust[80, 66:72].min() > 0.7


@pytest.mark.parametrize("known", [np.ones((40, 50), bool), np.zeros((40, 50), bool)])
def test_all_or_nothing_known_is_returned_as_it_is(known):
    picture = np.full((40, 50, 3), 0.5, np.float32)
    filled, trust = continue_across(picture, known)
    assert filled.shape == picture.shape and not trust.any()
