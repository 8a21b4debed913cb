"""Colors of a long video are held at those of a reference, in CIE Lab."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.spaces.colour import match_colour, to_lab, to_rgb


def test_known_colors_have_their_lab_values():
    """White, mid gray and the three primaries, of any table of sRGB under D65."""
    rgb = torch.tensor([[1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).float()
    expected = [[100, 0, 0], [53.39, 0, 0], [53.24, 80.09, 67.20], [87.74, -86.18, 83.18],
                [32.30, 79.19, -107.86]]  # fmt: skip
    lab = to_lab(rgb.T[:, :, None])[..., 0].T
    torch.testing.assert_close(lab, torch.tensor(expected), atol=0.1, rtol=0)


def test_lab_and_back_is_the_same_picture():
    rgb = torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(to_rgb(to_lab(rgb)), rgb, atol=1e-4, rtol=0)


def test_frames_get_the_mean_and_spread_of_the_reference():
    generator = torch.Generator().manual_seed(1)
    reference = 0.3 * torch.rand(3, 20, 20, generator=generator) - 0.2
    frames = 0.1 * torch.rand(2, 3, 16, 16, generator=generator) + 0.4
    matched = match_colour(frames, reference)
    wanted, found = to_lab((reference + 1) / 2), to_lab((matched + 1) / 2)
    torch.testing.assert_close(
        found.mean((2, 3)), wanted.mean((1, 2)).expand(2, -1), atol=0.05, rtol=0
    )
    torch.testing.assert_close(
        found.std((2, 3)), wanted.std((1, 2)).expand(2, -1), atol=0.1, rtol=0.05
    )
    assert match_colour(frames, reference, 0) is frames
    half = match_colour(frames, reference, 0.5)
    torch.testing.assert_close(half, (frames + matched) / 2)


def test_frames_of_one_color_stay_finite():
    frames = torch.full((1, 3, 8, 8), 0.25)
    matched = match_colour(frames, torch.zeros(3, 8, 8))
    assert torch.isfinite(matched).all() and float(matched.mean()) == pytest.approx(0.0, abs=0.01)


def test_each_frame_may_have_a_reference_of_its_own():
    """They were matched one by one on one thread of the CPU: 0.2 to 0.4 s a frame."""
    generator = torch.Generator().manual_seed(4)
    frames, references = (2 * torch.rand(3, 3, 8, 10, generator=generator) - 1 for _ in range(2))
    alone = [match_colour(one[None], reference)[0] for one, reference in zip(frames, references)]
    assert torch.allclose(match_colour(frames, references), torch.stack(alone), atol=1e-6)


def test_colours_are_matched_where_the_frames_are():
    frames = torch.empty(2, 3, 8, 10, device="meta")
    assert match_colour(frames, torch.zeros(2, 3, 8, 10, device="meta")).device.type == "meta"
