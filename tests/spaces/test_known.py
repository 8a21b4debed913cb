"""Masks of what is known of a window, frame by frame of a latent frame."""

from __future__ import annotations

import torch

from skyreels_avatar.spaces.known import control_latents, known_frames_mask, known_mask


def test_a_mask_of_latent_frames_has_a_channel_for_each_frame() -> None:
    mask = known_mask(3, 2, 4, 5)
    assert mask.shape == (1, 4, 3, 4, 5)
    assert mask[:, :, :2].all() and not mask[:, :, 2].any()


def test_frames_at_both_ends_are_known_in_their_own_channels() -> None:
    """Of nine frames the first and the last five: all four of the last latent frame, and one."""
    known = torch.zeros(1, 9, dtype=torch.bool)
    known[:, :1] = known[:, -5:] = True
    mask = known_frames_mask(known)[0, :, :, 0, 0]
    assert mask.T.tolist() == [[1, 1, 1, 1], [0, 0, 0, 1], [1, 1, 1, 1]]


def test_control_latents_carry_what_share_is_seen() -> None:
    latents, seen = torch.randn(1, 2, 2, 3, 3), torch.linspace(0, 1, 5)
    control = control_latents(latents, seen)
    assert torch.equal(control[:, :2], latents)
    assert torch.equal(control[0, 2:, 1, 0, 0], seen[1:]) and not control[0, 2:, 0].any()
