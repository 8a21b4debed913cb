"""Fitting the painted mouth to mouths that were painted with other numbers."""

from __future__ import annotations

import contextlib

import pytest
import torch

from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.mouth import MouthDecoder, MouthLook, patch_axes
from train.config import TrainConfig
from train.data.mouth import RealMouths
from train.stages import mouth
from train.stages.mouth import Looks, fit


def painted_mouths(number: int) -> RealMouths:
    """Return mouths of a decoder whose light falls off far more than the usual one's."""
    decoder = MouthDecoder().requires_grad_(False)
    decoder.shading[0], decoder.shading[1] = 0.5, 0.9
    x, y = patch_axes()
    across = (x / 0.16).clamp(-1, 1).expand(number, -1)
    upper, lower = 0 * across, 0.03 * (1 - across**2)
    look = MouthLook(
        torch.full((number, 8), 0.5),
        torch.ones(number, 3),
        torch.full((number,), 0.17),
        torch.full((number,), 0.03),
        torch.ones(number),
    )
    colors = decoder(upper, lower, torch.zeros(number, 8), look)
    seen = (y[:, None] > upper[:, None]) & (y[:, None] < lower[:, None])
    teeth = torch.tensor(CONSTANTS.light.mean_teeth).expand(number, 3)
    kept_out = torch.zeros(number, dtype=torch.bool)
    return RealMouths(
        colors, seen[:, None], upper, lower, teeth, look.half_width, look.teeth_edge, kept_out
    )


def test_the_fit_finds_how_light_falls_off():
    looks, decoder = Looks(painted_mouths(3)), MouthDecoder()
    everything = torch.arange(3)
    before = sum(looks.errors(decoder, everything)).mean()
    generator = torch.Generator().manual_seed(0)
    fit(decoder, looks, TrainConfig(num_steps=30, batch_size=3, lr=2e-3), generator)
    after = sum(looks.errors(decoder, everything)).mean()
    assert after < 0.8 * before
    assert decoder.shading[1] > MouthDecoder().shading[1]


def test_a_fit_that_was_stopped_ends_where_a_whole_one_ends(tmp_path):
    config = TrainConfig(num_steps=4, batch_size=2, lr=2e-3, save_every=2)
    ends = []
    for name, stops in (("whole", (4,)), ("cut", (2, 4))):
        for stop in stops:
            # The rate falls as a cosine over the whole plan, so a stop is an interruption here.
            looks, decoder = Looks(painted_mouths(3)), MouthDecoder()
            generator = torch.Generator().manual_seed(0)
            interrupt = stop < config.num_steps
            try:
                with _stopped_after(stop if interrupt else None):
                    fit(decoder, looks, config, generator, tmp_path / name)
            except KeyboardInterrupt:
                assert interrupt
        ends.append(torch.cat([p.detach().flatten() for p in [*looks.parameters()]]))
    assert torch.equal(*ends)


@contextlib.contextmanager
def _stopped_after(steps: int | None):
    """Raise KeyboardInterrupt in the step after so many."""
    taken, loss = 0, mouth._loss

    def counted(*arguments):
        nonlocal taken
        taken += 1
        if steps is not None and taken > steps:
            raise KeyboardInterrupt
        return loss(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mouth, "_loss", counted)
        yield
