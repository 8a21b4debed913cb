"""Lines and texture that go on beyond a picture's sides."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.camera.extrude import extrude


def _stripes(height: int, width: int, slope: float) -> np.ndarray:
    """Return soft stripes (height, width, 3) that lean by `slope` columns per row."""
    y, x = np.mgrid[:height, :width]
    wave = 0.5 + 0.4 * np.sin((x - slope * y) / 6)
    return np.repeat(wave[..., None], 3, axis=-1).astype(np.float32)


@pytest.mark.parametrize("side", range(4))
@pytest.mark.parametrize("slope", [0.0, 0.5, -0.8])
def test_slanting_lines_go_on_in_their_direction(slope, side):
    whole = np.rot90(_stripes(150, 160, slope), side).copy()
    cut = [20 if i == side else 0 for i in (2, 0, 1, 3)]  # rot90: below, right, above, left
    above, below, left, right = cut
    height, width = whole.shape[:2]
    known = whole[above : height - below, left : width - right]
    found, certain = extrude(known, tuple(cut))
    assert found.shape == whole.shape and certain.shape == whole.shape[:2]
    # Lines that come in over a corner were never seen.
    inner = np.s_[30:-30]
    rows = inner if left or right else np.s_[:]
    columns = np.s_[:] if left or right else inner
    assert np.abs(found - whole)[rows, columns].mean() < 0.04
    assert certain[rows, columns].min() > 0.9


def test_the_picture_itself_stays_and_the_seam_is_no_step(rng):
    picture = (0.5 + 0.1 * rng.standard_normal((80, 90, 3))).astype(np.float32)
    found, _ = extrude(picture, (10, 12, 14, 16))
    assert found.shape == (102, 120, 3)
    assert np.array_equal(found[10:90, 14:104], picture)
    seam = np.abs(found[90, 14:104] - picture[-1]).mean()
    inside = np.abs(np.diff(picture, axis=0)).mean()
    assert seam < inside


def test_texture_is_told_from_lines_and_keeps_its_grain(rng):
    grain = (0.5 + 0.1 * rng.standard_normal((120, 120, 3))).astype(np.float32)
    found, certain = extrude(grain, (0, 30, 0, 0))
    assert certain[120:].max() < 0.5
    assert found[121:].std() > 0.5 * grain.std()


def test_what_is_seen_once_is_not_repeated():
    """A logo near the lower side came back mirrored below it."""
    shirt = np.full((120, 120, 3), 0.2, np.float32)
    shirt[108:114, 50:70] = 1.0
    found, _ = extrude(shirt, (0, 40, 0, 0))
    assert found[122:].max() < 0.35


def test_tiny_pictures_and_no_margins_work():
    dot = np.full((2, 2, 3), 0.3, np.float32)
    assert np.allclose(extrude(dot, (3, 3, 3, 3))[0], 0.3)
    assert np.array_equal(extrude(dot, (0, 0, 0, 0))[0], dot)
