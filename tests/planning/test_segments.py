"""The plan covers every shot exactly, whatever its length and rate."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyreels_avatar.errors import InputError
from skyreels_avatar.planning.segments import plan_segments, plan_shot


@given(
    num_frames=st.integers(1, 2000),
    window=st.sampled_from([13, 33, 49, 81]),
    overlap=st.sampled_from([1, 5, 9]),
)
@settings(max_examples=200, deadline=None)
def test_the_kept_frames_follow_each_other_and_end_at_the_last(num_frames, window, overlap):
    segments = plan_segments(num_frames, window, overlap)
    made = 0
    for index, segment in enumerate(segments):
        assert segment.index == index
        assert segment.keep[0] == made < segment.keep[1] <= segment.stop
        assert segment.first_frame == made - segment.num_known_frames
        assert segment.num_known_frames == (overlap if index else 0)
        assert (segment.num_frames - 1) % 4 == 0 and segment.num_frames <= window
        made = segment.keep[1]
    assert made == num_frames


@given(
    duration_s=st.floats(0.01, 60),
    fps=st.sampled_from([8, 10, 12.5, 23.976, 24, 25, 29.97, 30, 50, 60]),
)
@settings(max_examples=200, deadline=None)
def test_every_picture_is_made_once_and_lies_inside_its_window(duration_s, fps):
    plan = plan_shot(duration_s, fps)
    made = 0
    for segment in plan.segments:
        start, stop = plan.video_range(segment)
        assert start == made and stop >= start
        for frame in {start, stop - 1} if stop > start else ():
            assert segment.first_frame <= plan.position(frame) <= segment.keep[1] - 1 + 1e-5
        made = stop
    assert made == plan.num_frames == max(1, int(duration_s * fps + 0.5))


def test_at_equal_rates_pictures_are_motion_frames():
    plan = plan_shot(10.0, 25)
    assert plan.num_motion_frames == plan.num_frames == 250
    assert [plan.position(i) for i in (0, 1, 249)] == pytest.approx([0, 1, 249])
    assert [plan.video_range(s) for s in plan.segments] == [s.keep for s in plan.segments]


def test_a_short_rest_still_gets_a_window_the_network_knows():
    last = plan_segments(52)[-1]
    assert (last.num_frames, last.keep) == (33, (49, 52))


def test_a_slow_video_skips_windows_without_losing_a_picture():
    plan = plan_shot(3.0, 1)
    ranges = [plan.video_range(segment) for segment in plan.segments]
    assert ranges[0][0] == 0 and ranges[-1][1] == 3


def test_windows_that_cannot_work_are_refused():
    for window, overlap in ((48, 9), (49, 8), (33, 33)):
        with pytest.raises(InputError):
            plan_segments(100, window, overlap)
