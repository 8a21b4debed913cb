"""Clips between frames of a storyboard, and clips that stream: what each takes over and keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.planning.storyboard import END_FRAMES, plan_clips, with_scheme

LONGCAT = load_tier("longcat")


@given(num_frames=st.integers(81, 3000))
def test_clips_keep_every_frame_once_and_end_in_the_storyboard(num_frames: int) -> None:
    board, *clips = plan_clips(num_frames)
    assert board.role == "storyboard" and board.keep == (0, 0) and board.span == clips[-1].stop
    assert [one.keep[0] for one in clips] == [0, *(one.keep[1] for one in clips[:-1])]
    assert clips[-1].keep[1] == num_frames
    for index, clip in enumerate(clips, 1):
        assert clip.index == index and clip.num_frames == 81 and clip.num_last_frames == END_FRAMES
        assert clip.needs == ((0,) if index == 1 else (index - 1, 0))
    shown = [board.frame_at(clip.stop - 1) for clip in clips]
    assert shown == sorted(shown) and shown[-1] == 80
    moments = board.motion_frames()
    assert moments[0] == 0 and moments[-1] == pytest.approx(clips[-1].stop - 1)


def test_a_short_shot_is_one_free_window_as_long_as_a_clip() -> None:
    (window,) = plan_clips(40)
    assert window.role == "window" and window.num_frames == 81 and window.keep == (0, 40)


def test_footage_needs_no_storyboard() -> None:
    clips = plan_clips(200, storyboard=False)
    assert [clip.needs for clip in clips] == [(), (0,), (1,)]
    (short,) = plan_clips(30, storyboard=False)
    assert short.role == "clip" and short.keep == (0, 30)


def test_streams_are_whole_windows_and_hear_on_beyond_the_end() -> None:
    tier = load_tier("infinitetalk")
    plan = with_scheme(plan_shot(4.0, 25.0, 25.0, tier.window, tier.overlap, 4), tier)
    assert [(s.role, s.first_frame, s.num_frames) for s in plan.segments] == [
        ("stream", 0, 81), ("stream", 72, 81),
    ]  # fmt: skip
    assert plan.segments[1].keep == (81, 100) and plan.num_heard_frames == 153 + 3


def test_clips_that_make_no_progress_are_refused() -> None:
    with pytest.raises(InputError, match="cannot take over 5 and drop 12"):
        plan_clips(100, window=17)
    plan = plan_shot(4.0, 25.0, 25.0, 81, 5, 4)
    assert with_scheme(plan, replace(load_tier("studio"), scheme="overlap")) is plan


@given(num_frames=st.integers(1, 1000))
def test_clips_that_go_on_are_of_one_length(num_frames: int) -> None:
    """As LongCat-Video makes them: 93 frames, 13 of them from the clip before."""
    tier = LONGCAT
    plan = plan_shot(num_frames / 25, 25.0, tier.fps, tier.window, tier.overlap)
    clips = with_scheme(plan, tier).segments
    assert {clip.num_frames for clip in clips} == {93}
    assert {clip.role for clip in clips} == {"window"}
    assert [clip.first_frame for clip in clips] == [80 * i for i in range(len(clips))]
    assert all(clip.num_known_frames == (13 if clip.index else 0) for clip in clips)
