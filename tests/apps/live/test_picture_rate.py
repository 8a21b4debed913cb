"""A rate that the machine can hold is found, and a quicker one tried now and then."""

from __future__ import annotations

import pytest

from skyreels_avatar.apps.live.picture_rate import STEPS, PictureRate


def _run(sampling_s, drawing_s, frames=3000):
    """Return the rate of a machine on which reading and drawing take so long for four frames."""
    rate = PictureRate(0.04)
    for index in range(frames):
        has_picture, every = rate.wants(index), rate.every
        hop = 4 if every == 1 else 8
        read_s = sampling_s * (index % hop == 1)
        drawn_s = drawing_s * (has_picture and index % 4 < every)
        reading_s, drawing_per_window_s = 4 * sampling_s / hop, drawing_s / every
        is_slow = max(reading_s, (reading_s + drawing_per_window_s) / 2) > 0.16
        rate.report(read_s, 0.05 if is_slow else -0.1, 0.04 * index, drawn_s)
    return rate.every


@pytest.mark.parametrize(
    ("sampling_s", "drawing_s", "every"), [(0.1, 0.11, 1), (0.07, 0.3, 2), (0.07, 0.65, 3)]
)
def test_sampling_and_drawing_go_on_at_the_same_time(sampling_s, drawing_s, every):
    assert _run(sampling_s, drawing_s) == every


def test_a_stream_that_has_no_time_to_sample_twice_as_often_does_not_try():
    assert _run(0.2, 0.1) == 2


def test_a_rate_that_does_not_last_is_tried_less_and_less_often():
    rate, now_s, moves = PictureRate(0.04), 0.0, []
    for index in range(100_000):
        has_picture = rate.wants(index)
        slow = rate.every == 1  # at the full rate it is too slow, below it seems quick
        cost_s = (0.06 if slow else 0.02) if has_picture else 0.001
        if rate.report(cost_s, 0.05 if slow else -0.02, now_s):
            moves.append(now_s)
        now_s += 0.04
    assert rate.every in STEPS
    assert len(moves) < 45  # within more than an hour


def test_three_windows_that_take_too_long_are_enough_at_first_and_two_are_not():
    """Two streams that began at once stuttered for a second before they slowed down."""
    for slow, every in ((range(4, 12), 1), (range(4, 16), 2)):
        rate = PictureRate(0.04)
        for index in range(17):
            read_s = (0.2 if index in slow else 0.1) * (index % 4 == 1)
            rate.report(read_s, 0.0, 0.04 * index)
        assert rate.every == every


def test_half_a_second_that_takes_too_long_is_not_too_slow_and_a_second_is():
    for num_slow, every in ((12, 1), (32, 2)):
        rate = PictureRate(0.04)
        for index in range(100 + num_slow):
            rate.report(0.05 if index >= 100 else 0.02, 0.05 * (index >= 100), 0.04 * index)
        assert rate.every == every
