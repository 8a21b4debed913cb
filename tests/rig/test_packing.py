"""Packing coefficients into latents loses nothing."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.packing import pack, shifted, unpack, with_scaled_mean
from tests.rig.faces import random_motion


def test_packing_motion_into_latents_is_undone_exactly() -> None:
    motion = random_motion(2 * 13, seed=3).reshape(2, 13, NUM_MOTION)
    latents = pack(motion)
    assert latents.shape == (2, 32, 4, 1, 4)
    torch.testing.assert_close(unpack(latents), motion, atol=1e-6, rtol=1e-5)


def test_a_clip_that_is_not_one_plus_four_k_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="1 \\+ 4k"):
        pack(torch.zeros(1, 12, NUM_MOTION))


def test_some_coefficients_can_be_shifted_in_latents_and_the_others_stay() -> None:
    motion = random_motion(2 * 13, seed=3).reshape(2, 13, NUM_MOTION)
    latents = pack(motion)
    lids = slice(MOTION_INDEX["blink_r"], MOTION_INDEX["blink_l"] + 1)
    kept = latents.clone()
    moved = unpack(shifted(latents, lids, 0.25))
    motion[..., lids] += 0.25
    torch.testing.assert_close(moved, motion, atol=1e-6, rtol=1e-5)
    assert torch.equal(latents, kept)


def test_the_mean_of_four_frames_can_be_scaled_and_all_else_stays() -> None:
    latents = torch.randn(2, 32, 4, 1, 4, generator=torch.Generator().manual_seed(0))
    gaze = MOTION_INDEX["gaze_x"]
    before, scaled = unpack(latents), unpack(with_scaled_mean(latents, gaze, 1.5))
    others = [index for index in range(NUM_MOTION) if index != gaze]
    assert torch.equal(scaled[..., others], before[..., others])
    first, later = before[:, :1, gaze], before[:, 1:, gaze].unflatten(1, (-1, 4))
    torch.testing.assert_close(scaled[:, :1, gaze], 1.5 * first)
    expected = (later + 0.5 * later.mean(2, keepdim=True)).flatten(1)
    torch.testing.assert_close(scaled[:, 1:, gaze], expected)
    assert torch.allclose(with_scaled_mean(latents, gaze, 1.0), latents)
