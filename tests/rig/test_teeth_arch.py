"""Arches of teeth of turned heads."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.rig.geometry import INNER_LOWER, INNER_UPPER
from skyreels_avatar.rig.teeth_arch import (
    ARCH_DEPTH,
    BEHIND_LIPS,
    frontal_columns,
    middle_of_teeth,
    turned_columns,
)


@pytest.mark.parametrize("degrees", [-50.0, -20.0, 15.0, 60.0])
def test_a_turned_arch_is_the_projection_of_the_frontal_one(degrees: float):
    """Teeth of a face seen from the side were those of a frontal one, in the middle of the lips."""
    turn = torch.tensor([degrees]).deg2rad()
    frontal = torch.linspace(-0.15, 0.15, 61)[None]
    seen = frontal * turn.cos() - ARCH_DEPTH * frontal**2 * turn.sin()
    hidden = turn.cos() < 2 * ARCH_DEPTH * frontal * turn.sin()  # the far side turns back
    found = frontal_columns(seen, turn)
    torch.testing.assert_close(found[~hidden], frontal[~hidden], atol=1e-4, rtol=0)
    back = turned_columns(frontal, turn)
    torch.testing.assert_close(back[~hidden], seen[~hidden])
    assert not hidden.any() or float(back[hidden].abs().min()) > 0.3
    beyond = torch.tensor([[0.3 * turn.sign().item()]])
    assert float(frontal_columns(beyond, turn).abs().min()) > 0.3


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_teeth_reach_the_far_end_of_turned_lips(side: float):
    """A dark strip was seen between the first tooth of a side view and the end of its lips."""
    points = torch.zeros(3, 478, 3)
    points[:, INNER_UPPER, 0] = points[:, INNER_LOWER, 0] = torch.linspace(-0.06, 0.06, 11)
    turn = side * torch.tensor([0.0, 0.2, 0.7])
    middle = middle_of_teeth(points, turn)
    torch.testing.assert_close(middle[:2], -BEHIND_LIPS * turn[:2].sin())
    ends = middle[2] + side * turn[2].cos() ** 2 / (4 * ARCH_DEPTH * turn[2].sin().abs())
    assert float(side * ends) == pytest.approx(0.06 - BEHIND_LIPS * abs(float(turn[2].sin())))
