"""The rig coefficients: names, ranges and the limit beyond which fields fold."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.coefficients import (
    GROUP_SIZE,
    LIMIT,
    MOTION_INDEX,
    MOTION_NAMES,
    MOTION_RANGE,
    MOTION_SCALE,
    NUM_MOTION,
    clamp_coefficients,
)


def test_a_coefficient_has_one_place_a_range_and_a_scale():
    assert len(set(MOTION_NAMES)) == NUM_MOTION == len(MOTION_SCALE) == 32
    assert [MOTION_INDEX[name] for name in ("lip_gap", "blink_r", "yaw", "smile")] == [
        GROUP_SIZE * group for group in range(4)
    ]  # weights that are trained depend on this order
    for name, scale in zip(MOTION_NAMES, MOTION_SCALE):
        low, high = MOTION_RANGE[name]
        assert low <= 0 < high and max(-low, high) == 2 * scale


def test_usual_coefficients_pass_and_wild_ones_are_held():
    low, high = (torch.tensor([MOTION_RANGE[n][i] for n in MOTION_NAMES]) for i in (0, 1))
    usual = torch.stack([low, high, torch.zeros(NUM_MOTION)])
    assert torch.equal(clamp_coefficients(usual), usual)
    held = clamp_coefficients(torch.stack([1e3 * high, -1e3 * high]))
    torch.testing.assert_close(held[0], LIMIT * torch.tensor(MOTION_SCALE))
    assert torch.equal(held[0], -held[1])
