"""Borders of a picture's own."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.camera.border import find_inside

HEIGHT, WIDTH = 360, 300


@pytest.fixture
def scenery(rng: np.random.Generator) -> np.ndarray:
    """A slope of light with noise, a bright floor and a dark door frame, (360, 300, 3) float32."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / HEIGHT
    gray = 0.45 + 0.2 * x - 0.1 * y
    gray[240:] += 0.25  # a horizon
    gray[60:240, 40:48] -= 0.3  # a door frame
    picture = np.stack([gray, 0.9 * gray, 0.8 * gray], axis=-1)
    return (picture + 0.02 * rng.standard_normal(picture.shape)).clip(0, 1).astype(np.float32)


def _framed(picture: np.ndarray, insets: tuple[int, ...], color: float) -> np.ndarray:
    left, top, right, bottom = insets
    framed = np.full_like(picture, color)
    inner = slice(top, HEIGHT - bottom), slice(left, WIDTH - right)
    framed[inner] = picture[inner]
    return framed


@pytest.mark.parametrize("color", [0.0, 1.0])
@pytest.mark.parametrize(
    "insets",
    [(3, 0, 0, 0), (0, 2, 0, 0), (4, 4, 4, 4), (0, 45, 0, 45), (30, 0, 30, 0), (20, 20, 20, 30)],
)
def test_bars_lines_and_frames_are_trimmed(scenery, insets, color):
    left, top, right, bottom = find_inside(_framed(scenery, insets, color))
    found = left, top, WIDTH - right, HEIGHT - bottom
    for trimmed, inset in zip(found, insets):
        assert inset <= trimmed <= (inset + 4 if inset else 0)


def test_a_scans_uneven_edges_are_trimmed_on_two_sides(scenery):
    """The color beside the picture changes along the side; only that it ends there is the same."""
    uneven = np.where(np.arange(HEIGHT) // 60 % 2, 0.05, 0.95)[:, None, None]
    scan = scenery.copy()
    scan[:, :5] = uneven
    scan[:, -6:] = uneven
    left, top, right, bottom = find_inside(scan)
    assert 5 <= left <= 10 and 6 <= WIDTH - right <= 11
    assert (top, bottom) == (0, HEIGHT)


def test_rounded_corners_are_cut_away_and_no_more(scenery):
    radius = 12
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    beyond_x = np.maximum(radius - np.minimum(x, WIDTH - x), 0)
    beyond_y = np.maximum(radius - np.minimum(y, HEIGHT - y), 0)
    black = np.hypot(beyond_x, beyond_y) > radius
    left, top, right, bottom = find_inside(np.where(black[..., None], 0, scenery))
    assert not black[top:bottom, left:right].any()
    assert max(left, top, WIDTH - right, HEIGHT - bottom) <= radius / 2


def test_bytes_and_large_pictures_give_the_same_share(scenery):
    framed = _framed(scenery, (4, 4, 4, 4), 0.0)
    large = np.repeat(np.repeat(framed, 4, axis=0), 4, axis=1)
    left, top, right, bottom = find_inside((255 * large).astype(np.uint8))
    assert 16 <= left <= 28 and 16 <= top <= 28
    assert right <= 4 * WIDTH - 16 and bottom <= 4 * HEIGHT - 16


def test_horizons_door_frames_tables_and_plain_walls_are_no_borders(scenery):
    whole = (0, 0, WIDTH, HEIGHT)
    assert find_inside(scenery) == whole
    for first_row in (200, 300, 340):  # a table whose edge runs along the whole picture
        table = scenery.copy()
        table[first_row:] = 0.15
        assert find_inside(table) == whole
    wall = np.full_like(scenery, 0.4)
    assert find_inside(wall) == whole
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    wall[(x - 150) ** 2 + (y - 200) ** 2 < 130**2] = 0.1  # a head that nearly fills it
    assert find_inside(wall) == whole
    beside = scenery.copy()
    beside[:, :30] = 0.1  # a door frame at the side
    assert find_inside(beside) == whole


def test_texture_is_no_border(rng):
    leaves = np.repeat(np.repeat(rng.random((90, 75, 3)), 4, axis=0), 4, axis=1)
    assert find_inside(leaves.astype(np.float32)) == (0, 0, WIDTH, HEIGHT)
    assert find_inside(leaves[:64, :64].astype(np.float32)) == (0, 0, 64, 64)
