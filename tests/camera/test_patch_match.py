"""Completion of a picture from its own patches."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.camera.patch_match import complete


@pytest.fixture
def stripes() -> np.ndarray:
    """A 96x128 picture of vertical stripes."""
    x = np.arange(128)
    row = np.stack([x // 8 % 2, 0.5 + 0 * x, 1 - x // 8 % 2], axis=-1)
    return np.broadcast_to(row, (96, 128, 3)).astype(np.float32)


@pytest.fixture
def gap() -> np.ndarray:
    mask = np.zeros((96, 128), bool)
    mask[30:70, 40:80] = True
    return mask


def test_only_the_target_changes_and_equal_seeds_give_equal_pictures(stripes, gap):
    holed = np.where(gap[..., None], 0, stripes).astype(np.float32)
    filled = complete(holed, gap, ~gap, seed=1)
    assert np.array_equal(filled[~gap], stripes[~gap])
    assert np.array_equal(filled, complete(holed, gap, ~gap, seed=1))
    assert filled.min() >= 0
    assert filled.max() <= 1


def test_stripes_go_on_across_a_gap(stripes, gap):
    holed = np.where(gap[..., None], 0, stripes).astype(np.float32)
    filled = complete(holed, gap, ~gap)
    assert np.abs(filled - stripes)[gap].mean() < 0.15
    # A smooth fill would be gray: the gap keeps the contrast of the stripes.
    assert filled[gap][:, 0].std() > 0.3


def test_a_plain_wall_stays_plain():
    wall = np.full((64, 64, 3), 0.4, np.float32)
    target = np.zeros((64, 64), bool)
    target[:, 40:] = True
    holed = np.where(target[..., None], 0, wall).astype(np.float32)
    np.testing.assert_allclose(complete(holed, target, ~target), wall, atol=0.01)


def test_nothing_outside_the_source_is_copied():
    picture = np.full((64, 64, 3), 0.2, np.float32)
    picture[:, :24] = (1.0, 0.0, 0.0)
    target = np.zeros((64, 64), bool)
    target[:, 44:] = True
    source = np.zeros((64, 64), bool)
    source[:, 28:44] = True
    filled = complete(picture, target, source)
    assert filled[target][:, 0].max() < 0.3


def test_without_a_target_or_a_source_the_picture_stays(stripes, gap):
    nothing = np.zeros_like(gap)
    assert np.array_equal(complete(stripes, nothing, ~nothing), stripes)
    assert np.array_equal(complete(stripes, gap, nothing), stripes)
