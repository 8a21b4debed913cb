"""Time stamps: the constant rate they follow, and which frame each instant shows."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from skyreels_avatar.media.timing import exact_fps, fit_timeline, unwrap_timestamps


def _shown(times_s: np.ndarray, **how) -> tuple[float, list[int]]:
    """Return the rate, and which frame each instant shows."""
    timeline = fit_timeline(np.asarray(times_s, float), **how)
    instants = np.arange(timeline.num_frames)
    return float(timeline.rate), (
        np.searchsorted(timeline.slots, instants, side="right") - 1
    ).tolist()


@pytest.mark.parametrize("rate", [23.976, 24, 25, 29.97, 30, 50, 59.94, 60, 12.5, 15, 100, 14.7])
@pytest.mark.parametrize("unit_s", [0, 0.001])
def test_frames_of_a_constant_rate_come_once_each(rate, unit_s):
    """Matroska rounds stamps to milliseconds; at 60 fps that is 6 % of a frame."""
    times_s = np.arange(500) / float(exact_fps(rate)) + 7.3
    if unit_s:
        times_s = np.round(times_s / unit_s) * unit_s
    found, shown = _shown(times_s)
    assert found == pytest.approx(float(exact_fps(rate)), rel=2e-5)
    assert shown == list(range(500))


def test_a_short_clip_takes_the_rate_that_its_file_states():
    """Of ten frames in milliseconds 29.97 and 30 fps look the same."""
    times_s = np.round(np.arange(10) * 1001 / 30) / 1000
    for stated in (Fraction(30000, 1001), Fraction(30)):
        assert _shown(times_s, stated=[Fraction(1000), stated])[0] == float(stated)


def test_recordings_of_browsers_get_the_rate_of_the_camera(rng):
    times_s = np.round(1000 * np.arange(300) / 30 + rng.uniform(-9, 9, 300)) / 1000
    found, shown = _shown(np.sort(times_s), stated=[Fraction(1000)])
    assert found == 30
    assert shown == list(range(300))


def test_each_instant_of_a_variable_rate_shows_what_is_seen_then():
    """30 fps, then 15, then a pause: never off by more than half an interval of the result."""
    steps = np.concatenate([np.full(60, 1 / 30), np.full(40, 1 / 15), [0.8], np.full(20, 1 / 30)])
    times_s = np.concatenate([[0], np.cumsum(steps)])
    found, shown = _shown(times_s)
    assert found == 30
    assert len(shown) == round((times_s[-1] + 1 / 30) * 30)
    for index, frame in enumerate(shown):
        middle = (index + 0.5) / 30
        assert times_s[frame] <= middle + 1e-6
        assert frame == len(times_s) - 1 or times_s[frame + 1] >= middle - 1e-6


def test_the_faster_of_two_rates_is_kept():
    steps = np.concatenate([np.full(100, 1 / 15), np.full(40, 1 / 30)])
    found, shown = _shown(np.concatenate([[0], np.cumsum(steps)]))
    assert found == 30
    assert set(shown) == set(range(141))


@pytest.mark.parametrize(("rate", "expected"), [(240, 120), (144, 72), (1000, 1000 / 9), (0.5, 1)])
def test_rates_beyond_what_is_allowed_become_a_fraction_or_a_multiple(rate, expected):
    timeline = fit_timeline(np.arange(720) / rate)
    assert float(timeline.rate) == pytest.approx(expected)
    assert float(timeline.source_rate) == pytest.approx(rate)
    assert timeline.num_frames == round(720 / rate * expected)


def test_equal_and_single_stamps_are_spaced_by_the_stated_rate():
    timeline = fit_timeline(np.zeros(50), stated=[Fraction(24)])
    assert (float(timeline.rate), timeline.num_frames) == (24, 50)
    assert fit_timeline(np.zeros(1)).num_frames == 1


def test_the_last_frame_stays_as_long_as_the_file_says():
    times_s = np.array([0, 1, 2, 3, 5, 6, 8]) / 25
    assert len(_shown(times_s, last_s=3 / 25)[1]) == 11
    assert len(_shown(times_s, last_s=0.001)[1]) == 10, "a duration of 1 ms is not a duration"


def test_clocks_that_start_again_or_jump_ahead_go_on():
    order = np.concatenate([np.arange(0, 1000, 40), np.arange(0, 1000, 40), [10**12, 10**12 + 40]])
    joined = order + unwrap_timestamps(order, 10_000)
    assert (np.diff(joined) == 40).all()


def test_pauses_and_small_steps_back_are_left_alone():
    order = np.array([0, 40, 80, 70, 120, 5000, 5040])
    assert (unwrap_timestamps(order, 10_000) == 0).all()
