"""What is painted inside a mouth: layers over each other, in neutral light."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch

from skyreels_avatar.rig.constants import CONSTANTS
from skyreels_avatar.rig.mouth_paint import (
    LUMINANCE,
    Mouth,
    lip_shadow,
    luminance,
    mix,
    paint,
    paint_lower_teeth,
    paint_tip,
    paint_upper_teeth,
)

SHADING = {
    "arch": 0.5, "gap_width": 0.002, "tooth_side": 0.1, "cutting_edge": 0.1,
    "cutting_length": 0.005, "neck": 0.1, "gap": 0.3,
}  # fmt: skip
INSIDE = asdict(CONSTANTS.inside) | {
    "slit": 0.3, "slit_height": 0.01,
    "under_lip": 0.3, "under_length": 0.02, "over_lip": 0.3, "over_length": 0.02,
}  # fmt: skip
ROWS, COLUMNS = 41, 31


@pytest.fixture
def mouth() -> Mouth:
    """An open mouth, 0.1 H high: upper teeth from 0.015 to 0.045, lower ones from 0.08 on."""
    flat = torch.zeros(1, 1, COLUMNS)
    one = torch.zeros(1, 1, 1)
    columns = torch.linspace(-0.15, 0.15, COLUMNS)[None, None]
    return Mouth(
        x=columns, floor_x=columns,
        y=torch.linspace(0.0, 0.1, ROWS)[None, :, None],
        upper=flat, lower=flat + 0.1, raised=one, size=one + 1,
        edge=flat + 0.045, gum=flat + 0.015, across=flat, gap=flat + 0.05, shade=flat + 1,
        low_edge=flat + 0.08, low_across=flat, low_gap=flat + 0.05, yellow=one + 0.2,
        bared=one,
        shading={name: torch.tensor(value) for name, value in SHADING.items()},
        inside={name: torch.tensor(value) for name, value in INSIDE.items()},
    )  # fmt: skip


def row(color: torch.Tensor, y: float) -> torch.Tensor:
    """Return the color (3,) in the middle column at a height."""
    return color[0, :, round(y / 0.1 * (ROWS - 1)), COLUMNS // 2]


def test_from_top_to_bottom_lie_gum_teeth_the_dark_and_lower_teeth(mouth):
    color = paint(mouth)
    assert color.shape == (1, 3, ROWS, COLUMNS)
    gum, teeth, low = (row(color, y) for y in (0.005, 0.03, 0.09))
    dark = row(color, 0.06)
    assert gum[0] / gum[1] > 1.3 and teeth[0] / teeth[1] < 1.15  # red, ivory
    # The tongue, 0.56 of the teeth in 82 frames of talkers whose mouths are as wide open.
    assert dark.sum() < 0.6 * teeth.sum() and dark.sum() < low.sum() < teeth.sum()


def test_teeth_cover_what_lies_behind_them_and_nothing_else(mouth):
    behind, along = torch.rand(1, 3, ROWS, COLUMNS), (mouth.x.abs() / 0.15)
    for painted, rows in (
        (paint_upper_teeth(behind, mouth, along), slice(0, 16)),
        (paint_lower_teeth(behind, mouth, along, torch.ones(1, 1, 1)), slice(35, ROWS)),
    ):
        changed = (painted - behind).abs().amax(1)[0, :, COLUMNS // 2] > 1e-6
        assert changed[rows].all() and not changed[20:30].any()


def test_spaces_between_teeth_and_their_backs_are_darker(mouth):
    space = replace(mouth, gap=torch.zeros_like(mouth.gap))
    assert row(paint(space), 0.03).sum() < row(paint(mouth), 0.03).sum()


def test_the_tip_of_the_tongue_shows_only_when_it_is_raised(mouth):
    behind = torch.zeros(1, 3, ROWS, COLUMNS)
    assert torch.equal(paint_tip(behind, mouth), behind)
    raised = paint_tip(behind, replace(mouth, raised=torch.ones(1, 1, 1)))
    tip = row(raised, 0.045)
    assert tip[0] > 1.3 * tip[1] and tip[0] > 0.3


def test_little_light_comes_into_a_slit_and_to_the_lips(mouth):
    wide = lip_shadow(mouth)[0, :, 0]
    assert wide[ROWS // 2] > wide[0] and wide[ROWS // 2] > wide[-1]
    slit = lip_shadow(replace(mouth, lower=mouth.upper + 0.002))
    assert slit[0, 0, 0] < 0.6 * wide[0]


def test_a_smile_draws_the_lips_off_the_teeth(mouth):
    """Grins of painted teeth were as dark as the slits of speech."""
    narrow = replace(mouth, lower=mouth.upper + 0.02)
    light = [
        lip_shadow(replace(narrow, bared=torch.full((1, 1, 1), one)))[0, 5, 0] for one in (0.0, 1.0)
    ]
    assert light[1] > 1.1 * light[0]
    red = (paint(narrow) / paint(mouth))[0, :, 5, COLUMNS // 2]
    assert red[0] > 1.05 * red[1]  # what little light there is comes through lips


def test_luminance_weighs_the_channels_and_mixing_has_its_ends():
    color = torch.eye(3)[None, :, :, None]
    assert luminance(color, 1)[0, 0, :, 0].tolist() == pytest.approx(LUMINANCE)
    below, above = torch.rand(2, 4)
    assert torch.equal(mix(below, above, torch.zeros(4)), below)
    torch.testing.assert_close(mix(below, above, torch.ones(4)), above)


def test_the_shadow_of_the_lips_is_red_not_grey(mouth: Mouth) -> None:
    """The strip of teeth over the lip of an f was grey, under a moustache most of all."""
    slit = replace(mouth, lower=mouth.upper + 0.008)
    lit, dim = (paint(one)[0, :, 1, COLUMNS // 2] for one in (mouth, slit))
    assert float(dim.max()) < float(lit.max())
    assert float(dim[0] / dim.sum()) > float(lit[0] / lit.sum()) + 0.01


def test_beyond_the_arch_there_are_no_lower_teeth(mouth):
    """A grey slab stood between the teeth of a turned face and the far end of its lips.

    There columns are out of sight, and the edge of the lower teeth was above all rows.
    """
    x = mouth.x.clone()
    x[..., -5:] = 1.0
    low_edge = mouth.low_edge.clone()
    low_edge[..., -5:] = -1.0
    turned = replace(mouth, x=x, low_edge=low_edge)
    floor = torch.zeros(1, 3, ROWS, COLUMNS)
    along = (x.abs() / 0.15).clamp_max(1.25)
    found = paint_lower_teeth(floor, turned, along, torch.ones(1, 1, 1))
    assert float(found[..., -5:].abs().max()) == 0.0
    assert float(found[..., 12:18].max()) > 0.1
