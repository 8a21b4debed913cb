"""The inside of a mouth: shapes, light, what moves and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from skyreels_avatar.rig.mouth import (
    MOUTH_PATCH,
    NUM_STYLES,
    MouthDecoder,
    MouthLook,
    find_tooth,
    make_look,
    mouth_interior,
    patch_axes,
)
from skyreels_avatar.rig.teeth_arch import frontal_columns


def look(light: float = 1.0, saturation: float = 1.0, style: float = 0.5) -> MouthLook:
    return MouthLook(
        style=torch.full((1, NUM_STYLES), style),
        light=torch.full((1, 3), light),
        half_width=torch.tensor([0.165]),
        teeth_edge=torch.tensor([0.02]),
        saturation=torch.tensor([saturation]),
    )


def opening(gap: float, shut_beyond: float = 0.15) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inner lip edges (1, 128) of a mouth that is `gap` high in the middle."""
    x, _ = patch_axes()
    across = (x[None] / shut_beyond).clamp(-1, 1)
    upper = 0.006 * (1 - across**2)
    return upper, upper + gap * (1 - across.abs() ** 2.5)


def paint_one(gap: float, jaw: float = 0.0, tongue: float = 0.0, **kwargs) -> torch.Tensor:
    motion = torch.tensor([[gap, jaw, 0, 0, 0, 0, 0, tongue]])
    return mouth_interior(*opening(gap), motion, look(**kwargs))[0]


def at(color: torch.Tensor, x: float, y: float) -> torch.Tensor:
    """Return the color (3,) of a patch (3, 64, 128) at face coordinates."""
    columns, rows = patch_axes()
    return color[:, (rows - y).abs().argmin(), (columns - x).abs().argmin()]


def seen_share_changed(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().mean())


def test_a_patch_has_colors_between_black_and_white_everywhere():
    for gap in (0.0, 0.004, 0.03, 0.12):
        color = paint_one(gap, jaw=0.8 * gap, tongue=1.0)
        assert color.shape == (3, *MOUTH_PATCH)
        assert torch.isfinite(color).all()
        assert color.min() >= 0 and color.max() <= 1


def test_frames_are_painted_as_if_alone():
    """Rows are cut to what the whole batch shows, which must not change a visible pixel."""
    gaps = (0.0, 0.02, 0.1)
    edges = [opening(gap) for gap in gaps]
    motion = torch.zeros(3, 8)
    upper, lower = (torch.cat(side) for side in zip(*edges))
    together = mouth_interior(upper, lower, motion, look().expand(3))
    _, y = patch_axes()
    for index in range(3):
        alone = mouth_interior(*edges[index], motion[:1], look())[0]
        shown = (y[:, None] > upper[index]) & (y[:, None] < lower[index])
        torch.testing.assert_close(together[index][:, shown], alone[:, shown], atol=1e-5, rtol=0)


def test_upper_teeth_are_fixed_to_the_head_and_brighter_than_the_cavity():
    small, wide = paint_one(0.06, jaw=0.03), paint_one(0.06, jaw=0.06)
    tooth = [at(patch, 0.018, 0.014) for patch in (small, wide)]
    torch.testing.assert_close(tooth[0], tooth[1], atol=1e-4, rtol=0)
    assert tooth[0].mean() > 2 * at(wide, 0.02, 0.033).mean()


def test_teeth_are_ivory_not_white():
    tooth = at(paint_one(0.06), 0.018, 0.014)
    assert 0.4 < tooth[0] < 0.85
    assert tooth[0] > tooth[1] > tooth[2]


def test_a_slit_is_darker_than_an_open_mouth():
    slit, wide = paint_one(0.01, jaw=0.005), paint_one(0.06, jaw=0.05)
    assert at(slit, 0.018, 0.010).mean() < 0.8 * at(wide, 0.018, 0.012).mean()


def test_light_scales_colors_and_a_grey_picture_gets_a_grey_mouth():
    bright, dark = paint_one(0.06), paint_one(0.06, light=0.4)
    torch.testing.assert_close(dark, 0.4 * bright, atol=1e-6, rtol=0)
    grey = paint_one(0.06, saturation=0.0)
    assert (grey.amax(0) - grey.amin(0)).max() < 1e-5


def test_a_raised_tongue_hides_the_dark_behind_the_teeth():
    low, raised = paint_one(0.05, jaw=0.04), paint_one(0.05, jaw=0.04, tongue=1.0)
    assert at(raised, 0.0, 0.032)[0] > at(low, 0.0, 0.032)[0] + 0.1


def test_styles_give_different_teeth_and_the_same_seed_the_same():
    assert seen_share_changed(paint_one(0.06, style=0.3), paint_one(0.06, style=0.7)) > 1e-3
    assert torch.equal(MouthDecoder().layout[0].weight, MouthDecoder().layout[0].weight)


def test_teeth_fill_the_arch_from_the_midline_outwards():
    width = torch.full((1, 14), 0.02)
    tooth, across, half = find_tooth(torch.tensor([[-0.03, -0.01, 0.005, 0.039]]), width)
    assert tooth.tolist() == [[1, 0, 7, 8]]
    assert across[0].tolist() == pytest.approx([0.0, 0.0, -0.5, 0.9], abs=1e-5)
    assert torch.allclose(half, torch.tensor(0.01))


def test_the_decoder_learns_through_every_weight():
    decoder = MouthDecoder(hidden=4)
    style = torch.full((1, NUM_STYLES), 0.4, requires_grad=True)
    person = MouthLook(style, *(getattr(look(), n) for n in ("light", "half_width")),
                       *(getattr(look(), n) for n in ("teeth_edge", "saturation")))  # fmt: skip
    decoder(*opening(0.06), torch.zeros(1, 8), person).square().mean().backward()
    for name, weight in decoder.named_parameters():
        assert weight.grad is not None and torch.isfinite(weight.grad).all(), name
    assert style.grad.abs().sum() > 0


def flat_face(color: tuple[float, float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a picture of one color, and landmarks spread over it with a shut mouth."""
    generator = torch.Generator().manual_seed(3)
    landmarks = torch.rand(478, 3, generator=generator) * 60 + 20
    for index, spot in {10: (50, 10), 152: (50, 90), 61: (35, 70), 291: (65, 70)}.items():
        landmarks[index, :2] = torch.tensor(spot, dtype=torch.float32)
    landmarks[13], landmarks[14] = torch.tensor([50.0, 70, 0]), torch.tensor([50.0, 70, 0])
    frame = torch.tensor(color)[:, None, None].expand(3, 100, 100)
    return frame.contiguous(), landmarks


def test_a_dark_face_gets_a_dark_mouth_and_a_grey_one_no_color():
    bright = make_look(*flat_face((0.8, 0.6, 0.5)), seed=1)
    dark = make_look(*flat_face((0.25, 0.17, 0.14)), seed=1)
    assert dark.light.mean() < 0.6 * bright.light.mean()
    assert torch.equal(dark.style, bright.style)
    grey = make_look(*flat_face((0.5, 0.5, 0.5)))
    assert grey.saturation.item() == 0
    assert float(grey.light.max() - grey.light.min()) < 1e-5


def test_teeth_that_were_seen_before_the_mouth_was_shut_tell_the_light_on_it():
    face = flat_face((0.8, 0.6, 0.5))
    guessed, told = (
        make_look(*face, enamel=seen) for seen in (None, torch.tensor([0.4, 0.35, 0.25]))
    )
    assert told.light.mean() < 0.7 * guessed.light.mean()
    assert told.teeth is None


def test_the_floor_of_the_mouth_goes_on_beyond_the_far_side_of_a_turned_arch():
    """It ended there in an upright line, beside a slab of lower teeth as tall as the mouth."""
    turned = replace(look(), turn=torch.tensor([0.7]), middle=torch.zeros(1), slant=torch.zeros(1))
    x, y = patch_axes()
    upper, lower = torch.full((1, 128), -0.06), torch.full((1, 128), 0.12)
    motion = torch.zeros(1, 8)
    motion[:, 1] = 0.15  # of the jaw: lower teeth lie deep
    color = mouth_interior(upper, lower, motion, turned)[0]
    far = (x > 0.0) & (x < 0.15)
    assert 0 < int((frontal_columns(x[None], turned.turn)[0, far] < 0.3).sum()) < int(far.sum())
    floor = color[:, (y > 0.04) & (y < 0.11)][..., far]
    # The soft edge of the tongue has 0.011; that line had 0.21.
    assert float(floor.diff(n=2, dim=-1).abs().max()) < 0.015


def test_a_look_follows_the_turn_of_the_head():
    points = torch.zeros(2, 478, 3)
    points[:, 454, 0], points[:, 234, 0] = 0.4, -0.4
    points[1, 454, 2], points[1, [13, 14], 0] = 0.8, 0.05
    held = look().expand(2).anchored(points)
    torch.testing.assert_close(held.turn, torch.tensor([0.0, torch.pi / 4]))
    assert float(held.middle[0]) == 0 and 0.03 < float(held.middle[1]) < 0.05
