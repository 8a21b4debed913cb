"""Pictures are looked up anywhere, at their own or a finer resolution, and streaks are softened."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.rig import reference_clip
from skyreels_avatar.rig.reference_clip import (
    STREAKS,
    PictureDetail,
    ReferenceClip,
    as_pixels,
    enlarge,
    follows_head,
    half_as_fine,
    sample_clip,
    sample_frames,
    soften_streaks,
    streaks,
    stretched_rows,
    unfolded,
)

HEIGHT, WIDTH = 60, 80


def places(stretch: float, rows: slice) -> torch.Tensor:
    """Return (1, 2, 60, 80) x, y looked at where some rows are stretched."""
    steps = torch.ones(HEIGHT)
    steps[rows] = 1 / stretch
    y, x = torch.meshgrid(steps.cumsum(0), torch.arange(WIDTH) + 0.5, indexing="ij")
    return torch.stack([x, y])[None]


def test_stretched_rows_are_found_and_others_are_not() -> None:
    stretch = stretched_rows(places(1.0, slice(0)), places(1.2 * STREAKS[1], slice(20, 40)))
    found = streaks(stretch)[0, 0]
    assert (found[20:38] == 1).all()
    assert (found[:18] == 0).all() and (found[41:] == 0).all()
    assert streaks(stretched_rows(places(1.0, slice(0)), places(0.5, slice(20, 40)))).max() == 0


def test_skin_that_unfolds_is_found_with_a_soft_border() -> None:
    found = unfolded(stretched_rows(places(1.0, slice(0)), places(1.5, slice(20, 40))), 110.0)[0, 0]
    assert found.shape == (HEIGHT // 2, WIDTH // 2)
    assert (found[12:17] == 1).all()
    assert (found[:7] == 0).all() and (found[23:] == 0).all()
    assert 0 < found[10, 20] < 1


def test_opencv_halves_and_unfolds_as_pytorch_does(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    maps = 255 * torch.rand(2, 4, HEIGHT, WIDTH, generator=generator)
    stretch = 1 + torch.rand(2, 1, HEIGHT, WIDTH, generator=generator)
    quick = half_as_fine(maps), unfolded(stretch, 110.0)
    monkeypatch.setattr(reference_clip, "_with_opencv", lambda *_: False)
    plain = half_as_fine(maps), unfolded(stretch, 110.0)
    torch.testing.assert_close(quick, plain, rtol=1e-5, atol=1e-5)


def test_streaks_are_softened_where_rows_are_stretched_only() -> None:
    frames = 255 * torch.rand(1, 4, 1, WIDTH, generator=torch.Generator().manual_seed(0))
    frames = frames.expand(-1, -1, HEIGHT, -1).contiguous()
    stretched = torch.zeros(1, 1, HEIGHT, WIDTH)
    stretched[:, :, 20:40, 10:70] = 1
    soft = soften_streaks(frames, stretched, 120.0)
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
    assert float(soften_streaks(frames, stretched, 120.0)[..., :40].max()) < 1e-3


def grid(height: int, width: int) -> torch.Tensor:
    """Return (1, 2, h, w) x, y of pixel centers."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y])[None]


def test_pixels_of_bytes_and_of_floats_are_the_same(rng: np.random.Generator) -> None:
    pictures = rng.integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    pixels = as_pixels(pictures)
    floats = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    assert pixels.shape == (2, 4, 5, 7) and torch.equal(as_pixels(floats), pixels)
    assert np.array_equal(pixels[:, :3].permute(0, 2, 3, 1).numpy(), pictures)


@pytest.mark.parametrize("cubic", [False, True])
def test_opencv_and_pytorch_look_up_the_same(cubic: bool, monkeypatch) -> None:
    frames = as_pixels(torch.nn.functional.interpolate(
        torch.rand(2, 3, 6, 8, generator=torch.Generator().manual_seed(0)), (HEIGHT, WIDTH),
        mode="bicubic",
    ).clamp(0, 1))  # fmt: skip
    where = grid(HEIGHT, WIDTH).expand(2, -1, -1, -1) + torch.tensor([0.25, -0.5])[:, None, None]
    fast = sample_frames(frames, where, cubic)
    monkeypatch.setattr(reference_clip, "_with_opencv", lambda *_: False)
    exact = sample_frames(frames, where, cubic)
    inside = np.s_[:, :, 2:-2, 2:-2]
    assert (fast[inside].int() - exact[inside].int()).abs().max() <= 2


def test_detail_replaces_frames_and_follows_the_head_where_the_person_is() -> None:
    frames = torch.full((1, 4, 20, 20), 50, dtype=torch.uint8)
    texture = torch.full((1, 4, 40, 40), 200, dtype=torch.uint8)
    texture[..., 20:] = 100
    half = torch.zeros(1, 1, 20, 20)
    half[..., :10] = 1
    nodes = torch.tensor([[[-1.0, 1.0], [-1.0, 1.0]], [[-1.0, -1.0], [1.0, 1.0]]])[None]
    detail = PictureDetail(texture, half, nodes, (0.0, 0.0, 20.0, 20.0))
    clip = ReferenceClip(frames, torch.zeros(1, 478, 3), torch.zeros(1), None, detail)
    found = sample_clip(clip, grid(20, 20))
    assert found[0, 0, 10, 4] == 200 and found[0, 0, 10, 15] == 100
    follows = follows_head(detail, grid(20, 20))[0, 0]
    assert follows[10, 4] == 1 and follows[10, 15] == 0


def test_maps_are_enlarged_alike_by_opencv_and_pytorch(monkeypatch) -> None:
    maps = torch.rand(2, 3, 5, 6)
    fast = enlarge(maps, 4)
    monkeypatch.setattr(reference_clip, "_with_opencv", lambda *_: False)
    torch.testing.assert_close(fast, enlarge(maps, 4), atol=1e-5, rtol=0)
