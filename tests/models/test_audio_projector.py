"""Which frames a latent frame hears, and the tokens that come of them."""

from __future__ import annotations

import torch

from skyreels_avatar.models.audio_projector import AudioProjector, first_rows, later_rows


def projector(**sizes) -> AudioProjector:
    torch.manual_seed(0)
    return AudioProjector(2, 3, 8, 6, num_tokens=4, **sizes).eval()


def test_a_latent_frame_hears_its_own_frames_and_two_on_either_side():
    assert first_rows(8).tolist() == [[6, 7, 8, 9, 10]]
    rows = later_rows(8, 3)
    assert rows.tolist() == [[*range(7, 15)], [*range(11, 19)]]  # frames 9 to 12, 13 to 16


def test_tokens_depend_on_the_frames_that_are_heard_and_on_no_other():
    made, features = projector(), torch.randn(40, 2, 3)
    tokens = made.tokens(features, 8, 3)
    assert tokens.shape == (1, 3, 4, 6)
    changed = features.clone()
    changed[19:] += 1
    changed[:6] += 1
    assert torch.equal(made.tokens(changed, 8, 3), tokens)
    changed[18] += 1
    again = made.tokens(changed, 8, 3)
    assert torch.equal(again[:, :2], tokens[:, :2]) and not torch.equal(again[:, 2], tokens[:, 2])


def test_beyond_the_ends_the_outermost_frame_is_heard_on():
    made, features = projector(), torch.randn(9, 2, 3)
    longer = torch.cat([features[:1].expand(2, -1, -1), features, features[-1:].expand(8, -1, -1)])
    assert torch.equal(made.tokens(features, 0, 3), made.tokens(longer, 2, 3))


def test_tokens_are_normalised_only_where_the_checkpoint_says_so():
    features = 100 * torch.randn(9, 2, 3)
    spread = [projector(output_norm=norm).tokens(features, 0, 2).std(-1) for norm in (True, False)]
    assert spread[0].max() < 1.2 and spread[1].max() > 5
