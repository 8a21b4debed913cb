"""Frame arithmetic and its inverse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyreels_avatar import shapes
from skyreels_avatar.errors import InputError


@given(num_latent_frames=st.integers(1, 10_000), time=st.integers(1, 8))
def test_pixel_and_latent_frames_are_inverse(num_latent_frames: int, time: int) -> None:
    num_frames = shapes.pixel_frames(num_latent_frames, time)
    assert shapes.latent_frames(num_frames, time) == num_latent_frames
    assert shapes.covering_latent_frames(num_frames, time) == num_latent_frames


@given(num_frames=st.integers(1, 10_000), time=st.integers(1, 8))
def test_covering_frames_are_enough_and_not_one_too_many(num_frames: int, time: int) -> None:
    count = shapes.covering_latent_frames(num_frames, time)
    assert shapes.pixel_frames(count, time) >= num_frames
    assert count == 1 or shapes.pixel_frames(count - 1, time) < num_frames


@pytest.mark.parametrize("num_frames", [0, -3, 2, 4, 48, 80])
def test_lengths_a_clip_cannot_have_are_refused(num_frames: int) -> None:
    with pytest.raises(InputError, match=rf"1 \+ 4k frames, got {num_frames}"):
        shapes.latent_frames(num_frames)


@pytest.mark.parametrize(
    "duration_s, fps, num_frames",
    [
        (10, 25, 250),
        (0.001, 25, 1),
        (1.02, 25, 26),
        (1.019, 25, 25),
        (2, 29.97, 60),
        (3600, 30, 108000),
    ],
)
def test_a_duration_has_the_nearest_number_of_frames(
    duration_s: float, fps: float, num_frames: int
) -> None:
    assert shapes.frames_of_duration(duration_s, fps) == num_frames
