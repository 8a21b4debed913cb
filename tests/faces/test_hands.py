"""Hands become masks; faces without hands have none."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.faces.hands import find_hands, hand_mask


@pytest.fixture
def points() -> np.ndarray:
    """An upright open hand, 160 pixels long, its wrist at (100, 220)."""
    roots = [(70, 190), (75, 140), (92, 133), (110, 136), (126, 145)]
    lengths = [(-14, -16), (-4, -20), (0, -23), (4, -20), (8, -15)]
    tracks = [np.array(root) + np.outer(range(4), step) for root, step in zip(roots, lengths)]
    return np.concatenate([[(100, 220)], *tracks]).astype(np.float64)


def test_a_hand_covers_its_points_and_the_arm_below_but_no_more(points):
    mask = hand_mask(points, (300, 200))
    x, y = points.astype(int).T
    assert mask.shape == (300, 200) and (mask[y, x] == 1).all()
    assert mask[240, 104] == 1  # the arm
    assert mask[:40].max() == 0 and mask[200:, :40].max() == 0
    assert 0.08 < mask.mean() < 0.3


def test_a_hand_may_lie_partly_outside(points):
    assert hand_mask(points + np.array([-90, 200]), (300, 200)).any()
    assert not hand_mask(points + np.array([900, 0]), (300, 200)).any()


def test_a_drawn_person_has_no_hands(person):
    assert find_hands(np.ascontiguousarray(person[0][:, 16:496])) == []
