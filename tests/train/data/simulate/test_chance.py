"""Noise decides blinks and glances, and stays noise; eyes that follow it stay eyes."""

import numpy as np
import pytest

from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.data.simulate.chance import Chance, draw_noise
from train.data.simulate.eye_motion import blinks, saccades
from train.data.simulate.performance import Direction, perform
from train.data.simulate.style import Style

NUM_FRAMES = 197
EYES = 1  # the group of the lids, as `rig.packing` lays them out


def with_lids(latent: int, phase: int) -> np.ndarray:
    """Noise without a blink but in one latent frame, both lids from one phase on."""
    noise = np.zeros((32, 50, 1, 4))
    for lid in (0, 1):
        noise[lid::8, latent, 0, EYES] = 1.5
        noise[8 * phase + lid, latent, 0, EYES] = 3.0
    return noise


def starts(lids: np.ndarray, level: float = 0.4) -> np.ndarray:
    shut = lids.min(1) > level
    return np.flatnonzero(shut[1:] & ~shut[:-1]) + 1


def performed(noise: np.ndarray, seed: int, **style: float) -> np.ndarray:
    active = np.ones(NUM_FRAMES)
    rng = np.random.default_rng(seed)
    return perform(Direction(), 0 * active, active, rng, style=Style(**style), noise=noise)


def test_the_numbers_are_independent_and_normal():
    chance = Chance.of(draw_noise(4 * 20000 + 1, np.random.default_rng(0)))
    numbers = np.stack(
        [chance.blink, chance.phase, chance.kind, chance.side, chance.rise, chance.hold]
    )
    assert np.abs(np.corrcoef(numbers) - np.eye(6)).max() < 0.03
    normal = np.delete(numbers, 1, 0)
    np.testing.assert_allclose(normal.mean(1), 0, atol=0.03)
    np.testing.assert_allclose(normal.std(1), 1, atol=0.03)
    assert np.bincount(chance.phase).min() > 0.23 * 20000


@pytest.mark.parametrize("latent, phase", [(5, 0), (12, 2), (40, 3)])
def test_lids_fall_where_the_noise_of_lids_is_high(latent, phase):
    lids = performed(with_lids(latent, phase), seed=3)[:, 8:10]
    begins = 4 * (latent - 1) + 1 + phase
    assert len(starts(lids)) == 1
    assert begins < starts(lids)[0] <= begins + 3  # 0.07 to 0.10 s down


def test_eyes_leave_to_the_side_where_the_noise_of_gaze_is_large():
    noise = np.zeros((32, 50, 1, 4))
    gaze_x = MOTION_INDEX["gaze_x"] % 8
    noise[gaze_x::8, 10, 0, EYES], noise[gaze_x::8, 35, 0, EYES] = 2.0, -2.0
    active = np.ones(NUM_FRAMES)
    gaze, leaving = saccades(active, np.random.default_rng(0), 1.0, Chance.of(noise))
    assert leaving.tolist() == [10, 35]
    assert gaze[40:46, 0].min() > 0.06 and gaze[140:146, 0].max() < -0.06


@pytest.mark.parametrize("rate, least, most", [(0.6, 6, 11), (1.0, 11, 16), (1.6, 18, 26)])
def test_a_style_sets_how_often_people_blink(rate, least, most):
    """Without the borders of phrases and the glances of speech, which bring a third more."""
    found, active = 0, np.ones(NUM_FRAMES)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        chance = Chance.of(draw_noise(NUM_FRAMES, rng))
        found += len(starts(blinks(active, np.zeros(0, int), rng, chance, rate)))
    assert least < found / (60 * NUM_FRAMES / 1500) < most


def test_nobody_blinks_twice_without_opening_the_eyes():
    noise = np.zeros((32, 50, 1, 4))
    noise[0::8, :, 0, EYES] = noise[1::8, :, 0, EYES] = 1.5  # a wish to blink all the time
    lids = performed(noise, seed=0)[:, 8:10]
    assert np.diff(starts(lids)).min() >= 7  # within a double blink
    assert len(starts(lids)) > 5 and (lids.max(1) < 0.2).mean() > 0.3
