"""Skin that is stretched over a shut eye shows no streaks, and nothing else is softened."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.reference_clip import STREAKS, soften_streaks, stretched_rows

HEIGHT, WIDTH = 60, 80


def places(stretch: float, rows: slice) -> torch.Tensor:
    """Return (1, 2, 60, 80) x, y looked at where some rows are stretched."""
    steps = torch.ones(HEIGHT)
    steps[rows] = 1 / stretch
    y, x = torch.meshgrid(steps.cumsum(0), torch.arange(WIDTH) + 0.5, indexing="ij")
    return torch.stack([x, y])[None]


def test_stretched_rows_are_found_and_others_are_not() -> None:
    found = stretched_rows(places(1.0, slice(0)), places(1.2 * STREAKS[1], slice(20, 40)))[0, 0]
    assert (found[20:38] == 1).all()
    assert (found[:18] == 0).all() and (found[41:] == 0).all()
    assert stretched_rows(places(1.0, slice(0)), places(0.5, slice(20, 40))).max() == 0


def test_streaks_are_softened_where_rows_are_stretched_only() -> None:
    frames = 255 * torch.rand(1, 4, 1, WIDTH, generator=torch.Generator().manual_seed(0))
    frames = frames.expand(-1, -1, HEIGHT, -1).contiguous()
    stretched = torch.zeros(1, 1, HEIGHT, WIDTH)
    stretched[:, :, 20:40, 10:70] = 1
    soft = soften_streaks(frames, stretched)
    inside = soft[..., 20:40, 14:66]
    assert inside.diff(dim=-1).abs().mean() < 0.3 * frames.diff(dim=-1).abs().mean()
    torch.testing.assert_close(inside.mean(), frames[..., 14:66].mean(), rtol=0.05, atol=0)
    kept = stretched.expand_as(frames) == 0
    assert torch.equal(soft[kept], frames[kept])


def test_what_lies_beside_the_stretched_does_not_bleed_in() -> None:
    frames = torch.zeros(1, 4, HEIGHT, WIDTH)
    frames[..., 40:] = 200.0
    stretched = torch.zeros(1, 1, HEIGHT, WIDTH)
    stretched[..., :40] = 1
    assert float(soften_streaks(frames, stretched)[..., :40].max()) < 1e-3
