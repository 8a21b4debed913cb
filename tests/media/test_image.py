"""Portraits are cropped and resized without distortion; sizes of videos are even and bounded."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.image import Portrait, fit_size


@pytest.fixture
def pixels() -> np.ndarray:
    """(80, 96, 3) uint8: red rises to the right, green downwards."""
    y, x = np.mgrid[0:80, 0:96]
    return np.stack([x * 255 // 95, y * 255 // 79, 128 + 0 * x], axis=-1).astype(np.uint8)


def test_resizing_covers_crops_the_center_and_keeps_the_aspect(pixels):
    portrait = Portrait(pixels).resized_to(80, 80)
    assert portrait.pixels.shape == (80, 80, 3)
    assert np.array_equal(portrait.pixels, pixels[:, 8:88])
    assert Portrait(pixels).resized_to(80, 96).pixels is pixels


def test_a_crop_is_centered_on_the_focus_as_far_as_the_picture_reaches(pixels):
    assert np.array_equal(
        Portrait(pixels).resized_to(80, 80, focus_px=(0, 0)).pixels, pixels[:, :80]
    )
    assert np.array_equal(
        Portrait(pixels).resized_to(80, 80, focus_px=(50, 40)).pixels, pixels[:, 10:90]
    )


@pytest.mark.parametrize("side", range(90, 110))
def test_a_focus_outside_gives_the_nearest_crop_whatever_the_rounding(side):
    portrait = Portrait(np.zeros((side + 7, side, 3), np.uint8))
    for focus_px in ((-5.0, -5.0), (500.0, 500.0)):
        assert portrait.resized_to(128, 128, focus_px).pixels.shape == (128, 128, 3)


def test_shrinking_averages_and_does_not_alias(rng):
    noise = rng.integers(0, 256, (512, 512, 3)).astype(np.uint8)
    assert Portrait(noise).resized_to(64, 64).pixels.std() < 20


def test_as_tensor_is_channels_first_in_unit_range(pixels):
    tensor = Portrait(pixels).as_tensor()
    assert tensor.shape == (3, 80, 96)
    assert float(tensor[0].max()) == 1.0
    assert float(tensor[0, 0, 0]) == 0.0


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("512x512", (512, 512)),
        ("640x480", (480, 640)),
        ("480p", (480, 720)),
        ("720p", (720, 1080)),
        (None, (512, 768)),
    ],
)
def test_sizes_are_width_by_height_or_the_short_side(size, expected):
    assert fit_size(1000, 1500, size) == expected


def test_a_small_picture_keeps_its_size_by_default():
    assert fit_size(201, 301, None) == (200, 300)


@pytest.mark.parametrize(
    "size", ["0x0", "511x512", "512", "512x", "axb", "-512x512", "63x64", "481p", "99999x64", ""]
)
def test_impossible_sizes_are_refused_with_their_text(size):
    with pytest.raises(InputError, match=size or "WIDTHxHEIGHT"):
        fit_size(512, 512, size)
