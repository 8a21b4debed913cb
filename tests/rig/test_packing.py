"""Packing coefficients into latents loses nothing."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.packing import pack, shifted, unpack
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
