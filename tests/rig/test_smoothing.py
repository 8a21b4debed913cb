"""Windows join without a jerk, tremor goes, lids and the shape of lips are left alone."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.rig.coefficients import MOTION_INDEX, NUM_MOTION
from skyreels_avatar.rig.smoothing import (
    BROWS_HELD_UP,
    BROWS_LOST,
    FURTHEST,
    LIPS_LOST,
    blend_at_joins,
    complete_blinks,
    smooth,
)


def test_slow_movements_go_on_from_what_is_known_and_lips_are_left_alone() -> None:
    motion = 0.1 * torch.randn(1, 49, NUM_MOTION, generator=torch.Generator().manual_seed(2))
    joined = blend_at_joins(motion, 9)
    torch.testing.assert_close(joined[:, :9], motion[:, :9])
    torch.testing.assert_close(joined[:, 33:], motion[:, 33:])
    torch.testing.assert_close(joined[..., :10], motion[..., :10])
    heading = 2 * motion[:, 8, 10:] - motion[:, 7, 10:]
    torch.testing.assert_close(joined[:, 9, 10:], heading)
    alone = blend_at_joins(motion, 1)
    torch.testing.assert_close(alone[:, 1, 10:], motion[:, 0, 10:])


def test_slow_movements_run_into_what_is_known_at_the_end() -> None:
    motion = 0.1 * torch.randn(1, 65, NUM_MOTION, generator=torch.Generator().manual_seed(2))
    joined = blend_at_joins(motion, 9, 4)
    torch.testing.assert_close(joined[:, 61:], motion[:, 61:])
    torch.testing.assert_close(joined[:, 60, 10:], 2 * motion[:, 61, 10:] - motion[:, 62, 10:])
    torch.testing.assert_close(joined[:, 9, 10:], 2 * motion[:, 8, 10:] - motion[:, 7, 10:])
    torch.testing.assert_close(joined[..., :10], motion[..., :10])
    torch.testing.assert_close(joined[:, 34:36], motion[:, 34:36])


def test_tremor_is_taken_out_and_nods_stay() -> None:
    generator = torch.Generator().manual_seed(2)
    time_s = torch.arange(49) / 25
    nod = 0.1 * torch.sin(2 * torch.pi * 2 * time_s)[None, :, None].expand(1, -1, NUM_MOTION)
    noise = 0.01 * torch.randn(1, 49, NUM_MOTION, generator=generator)
    steady = smooth(nod + noise, 9)
    torch.testing.assert_close(steady[:, :9], (nod + noise)[:, :9])
    left_alone = [2, *range(5, 10)]
    torch.testing.assert_close(steady[..., left_alone], (nod + noise)[..., left_alone])
    left = (steady - nod)[:, 9:, 14:].diff(dim=1).diff(dim=1)
    was = noise[:, 9:, 14:].diff(dim=1).diff(dim=1)
    assert left.std() < 0.35 * was.std()
    assert steady[:, 9:, 19:].amax() > 0.09
    brows, heads = steady[0, 9:, 12:14], steady[0, 9:, 19:21]
    assert 0.9 < brows.std() / heads.std() / BROWS_LOST < 1.1


def test_jaws_drop_no_further_than_those_of_lively_talkers() -> None:
    """Lively talkers at 150 percent opened lips to 0.26 and drew out their chins as far."""
    asked = torch.linspace(0, 0.3, 49)
    motion = torch.zeros(1, 49, NUM_MOTION)
    motion[..., [0, 1]] = asked[:, None]
    held = smooth(motion, 9)[0]
    gap, jaw = held[:, MOTION_INDEX["lip_gap"]], held[:, MOTION_INDEX["jaw_drop"]]
    assert 0.13 < gap[-1] < 0.14 and 0.10 < jaw[-1] < 0.11
    assert (gap[9:].diff() > 0).all()  # and never stop on the way
    usual = (asked < 0.065) & (torch.arange(49) >= 9)
    torch.testing.assert_close(held[usual][:, :2], LIPS_LOST * motion[0, usual][:, :2])
    known = smooth(motion.flip(1), 9)[0]
    torch.testing.assert_close(known[:9, :2], motion[0].flip(0)[:9, :2])


def test_heads_turn_further_than_few_steps_show_and_never_too_far() -> None:
    """One man in thirty nodded by 23 degrees and leaned by 22, and looked unlike himself."""
    motion = torch.zeros(1, 49, NUM_MOTION)
    motion[..., 16:19] = torch.linspace(-0.6, 0.6, 49)[:, None]
    turned = smooth(motion, 1)[0, 1:48, 16:19]
    assert (turned.diff(dim=0) > 0).all()
    assert (turned.abs().amax(0) < torch.tensor(FURTHEST)).all()
    yaw, pitch, roll = (turned[24] / motion[0, 25, 16:19]).tolist()  # of 1.4 degrees
    assert 1.1 < yaw < 1.2 and 0.95 < pitch < 1 and 0.95 < roll < 1
    further = smooth(motion, 1, gains=(1.0, 1.0, 1.2))[0, 1:48, 16:19]
    assert further[24, 0] > 1.15 * turned[24, 0] and (further[:, 0].abs() < FURTHEST[0]).all()
    torch.testing.assert_close(further[:, 1:], turned[:, 1:])


def test_brows_come_down_to_where_the_picture_has_them() -> None:
    """Brows that were held up all the time had no skin left to unfold: a raise did not show."""
    motion = torch.zeros(1, 49, NUM_MOTION)
    motion[..., 12:14] = torch.linspace(0.0, 0.05, 49)[:, None]
    brows, more = (smooth(motion, 9, gains=gains)[0, 9:, 12] for gains in ((1, 1, 1), (1, 1.4, 1)))
    assert brows[0] < 0 and brows[-1] > 0.035
    inner = motion[0, 10:48, 12]  # of which the mean with their neighbors is the same
    torch.testing.assert_close(brows[1:-1], BROWS_LOST * inner - BROWS_HELD_UP)
    assert more[0] < 1.4 * brows[0] and more[-1] > brows[-1]
    torch.testing.assert_close(more[1:-1].diff(), 1.4 * brows[1:-1].diff())
    torch.testing.assert_close(smooth(motion, 9)[:, :9], motion[:, :9])
    motion[..., 14] = 1.0
    grief = smooth(motion, 9)[0, 9:, 12]
    assert grief[-1] == pytest.approx(BROWS_LOST * 0.05, rel=0.02)
    angry = smooth(motion - 0.05, 9)[0, 9:, 12]
    torch.testing.assert_close(angry[1:-1], BROWS_LOST * (inner - 0.05) - BROWS_HELD_UP)


def test_fear_stretches_lips_and_surprise_does_not() -> None:
    """Both raise brows over wide eyes; on a still face nothing else told one from the other."""

    def width(brows: float, furrow: float, squint: float) -> float:
        motion = torch.zeros(1, 49, NUM_MOTION)
        motion[..., 12:16] = torch.tensor([brows, brows, furrow, squint])
        return float(smooth(motion, 9)[0, 20, MOTION_INDEX["width"]])

    assert width(0.045, 1.3, -0.9) > 0.14
    assert width(0.045, 0.0, -0.9) == width(0.02, 1.0, 0.1) == width(-0.01, 1.6, 0.5) == 0


def test_full_smiles_are_broader_and_small_ones_as_they_are() -> None:
    motion = torch.zeros(1, 49, NUM_MOTION)
    motion[..., 24] = torch.linspace(-0.5, 1.0, 49)
    asked, broader = motion[0, 1:48, 24], smooth(motion, 1)[0, 1:48]
    assert (broader[:, 24].diff() > 0).all() and broader[-1, 24] > 1.4
    small = asked < 0.3
    torch.testing.assert_close(broader[small, 24], asked[small])
    assert (broader[small, 29:31] == 0).all() and (broader[-1, 29:31] > 0.01).all()


def test_lips_are_round_or_they_are_not() -> None:
    """A little of a pucker was left on i and e, 0.20 in the mean, and rounded sounds had 0.72."""
    motion = torch.zeros(1, 49, NUM_MOTION)
    motion[..., 3] = torch.linspace(0, 1, 49)
    pucker = smooth(motion, 1)[0, 1:, 3]
    asked = motion[0, 1:, 3]
    assert (pucker.diff() > 0).all()
    assert (pucker[asked < 0.1] < 0.26 * asked[asked < 0.1]).all()
    torch.testing.assert_close(pucker[asked > 0.3], asked[asked > 0.3])


def test_lips_that_are_shut_stay_shut_however_wide_others_open() -> None:
    motion = torch.zeros(1, 49, NUM_MOTION)
    motion[:, 20:, :2] = 0.05
    wide = smooth(motion, 9, gains=(1.2, 1.0, 1.0))[0]
    assert (wide[:20, :2] == 0).all()
    torch.testing.assert_close(wide[20:, :2], 1.2 * LIPS_LOST * motion[0, 20:, :2])


def test_blinks_close_and_lowered_lids_stay_lowered() -> None:
    """A blink that a sampler leaves half done shuts the eye; a tired look is not a blink."""
    motion = 0.1 * torch.randn(1, 49, NUM_MOTION, generator=torch.Generator().manual_seed(0))
    lids = motion[..., 8:10] = torch.zeros(1, 49, 2)
    lids[0, 9:14, 0] = torch.tensor([0.2, 0.5, 0.8, 0.5, 0.2])
    lids[0, 30:35, 0] = torch.tensor([0.1, 0.3, 0.45, 0.3, 0.1])
    lids[0, :, 1] = 0.4
    motion[..., 8:10] = lids
    shut = complete_blinks(motion)
    assert shut[0, 11, 8] == 1 and shut[0, 32, 8] > 0.98
    assert shut[0, [0, 20, 48], 8].max() == 0
    assert (shut[0, :, 9] - 0.52).abs().max() < 0.05
    others = [i for i in range(NUM_MOTION) if i not in (8, 9)]
    torch.testing.assert_close(shut[..., others], motion[..., others])
