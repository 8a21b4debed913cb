"""Fitting the light in a painted mouth to mouths that were painted in another light."""

from __future__ import annotations

import torch

from skyreels_avatar.rig.mouth import MouthDecoder, MouthLook, patch_axes
from train.config import TrainConfig
from train.data.spoken_mouths import SpokenMouths
from train.stages.mouth_tones import WEIGHTS, distances, fit, tones


def dark_mouths(number: int) -> SpokenMouths:
    """Return mouths of a decoder that lets little light in between the lips."""
    decoder = MouthDecoder().requires_grad_(False)
    decoder.inside["slit"].fill_(0.05)
    decoder.inside["slit_height"].fill_(0.05)
    x, y = patch_axes()
    across = (x / 0.16).clamp(-1, 1)
    gaps = torch.linspace(0.02, 0.05, number)[:, None]
    upper, lower = torch.zeros(number, 128), gaps * (1 - across**2)
    look = MouthLook(
        torch.full((number, 8), 0.5), torch.ones(number, 3), torch.full((number,), 0.17),
        torch.full((number,), 0.03), torch.ones(number),
    )  # fmt: skip
    motion = torch.zeros(number, 8)
    colors = (255 * decoder(upper, lower, motion, look)).byte()
    seen = (y[:, None] > upper[:, None]) & (y[:, None] < lower[:, None])
    nobody = [torch.zeros(number, dtype=torch.bool) for _ in range(2)]
    return SpokenMouths(colors, seen[:, None].float(), upper, lower, motion, look, *nobody)


def test_the_fit_finds_how_little_light_enters_a_slit():
    mouths, decoder = dark_mouths(4), MouthDecoder().requires_grad_(False)
    decoder.inside["slit"].fill_(0.5)
    decoder.inside["slit_height"].fill_(0.012)

    def error() -> float:
        with torch.no_grad():
            return float(distances(decoder, mouths, torch.Generator().manual_seed(1)).mean())

    before, slit = error(), float(decoder.inside["slit"])
    fit(decoder, mouths, TrainConfig(num_steps=25, batch_size=4, lr=2e-2))
    assert error() < 0.7 * before
    assert float(decoder.inside["slit"]) < slit


def test_tones_do_not_depend_on_where_in_a_third_they_lie():
    """Errors pixel by pixel did, and were least for a haze."""
    picture = torch.rand(3, 6, 12, generator=torch.Generator().manual_seed(0))
    seen = torch.ones(6, 12, dtype=torch.bool)
    found, mirrored = tones(picture, seen), tones(picture.flip(2), seen)
    assert len(found) == len(WEIGHTS)
    for one, other in zip(found, mirrored):
        torch.testing.assert_close(one, other)
    haze = picture.mean((1, 2), keepdim=True).expand_as(picture)
    assert float((tones(haze, seen)[0] - found[0]).abs().mean()) > 0.1
