"""Key frames stand where it is quiet; fills cover the shot and depend on nothing but key frames."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyreels_avatar.camera import CameraMove
from skyreels_avatar.planning.keyframes import (
    KEY_WINDOW,
    TRAVEL_BUDGET,
    Spacing,
    camera_travel,
    frame_loudness,
    with_keyframes,
)
from skyreels_avatar.planning.segments import plan_shot
from skyreels_avatar.request.camera_spec import CameraKeyframe
from skyreels_avatar.shapes import TIME_FACTOR


def planned(num_frames: int, loudness=None, travel=None, window=49, overlap=9, fps=25.0):
    plan = plan_shot(num_frames / fps, fps, 25.0, window, overlap)
    flat = np.zeros(plan.num_motion_frames)
    loudness = flat if loudness is None else loudness
    travel = flat if travel is None else travel
    return with_keyframes(plan, Spacing.of(window, overlap), loudness, travel)


@given(
    num_frames=st.integers(1, 1500),
    window=st.sampled_from([33, 49, 81]),
    overlap=st.sampled_from([1, 5, 9]),
    seed=st.integers(0, 9),
)
@settings(max_examples=150, deadline=None)
def test_fills_cover_the_shot_and_stay_inside_what_key_frames_make(
    num_frames, window, overlap, seed
):
    loudness = np.random.default_rng(seed).random(num_frames)
    plan = planned(num_frames, loudness, window=window, overlap=overlap)
    assert [segment.index for segment in plan.segments] == list(range(len(plan.segments)))
    assert {s.role for s in plan.segments} == (
        {"window"} if num_frames <= window else {"keyframe", "fill"}
    )
    made = 0
    for segment in plan.shown:
        assert segment.keep[0] == made < segment.keep[1] <= segment.stop
        assert (segment.num_frames - 1) % 4 == 0 and segment.num_frames <= window
        assert segment.num_frames >= 33
        made = segment.keep[1]
        if segment.role == "fill":
            ends = [segment.first_frame] * bool(segment.num_known_frames)
            ends += [segment.stop - TIME_FACTOR] * bool(segment.num_last_frames)
            keys = [plan.segments[index] for index in segment.needs]
            assert [key.keep[0] for key in keys] == ends
            for key in keys:
                assert key.role == "keyframe" and not key.needs and key.num_frames == KEY_WINDOW
                # One frame before what is taken over is packed with it.
                assert key.first_frame < key.keep[0] and key.keep[0] + overlap <= key.stop
    assert made == num_frames


@pytest.mark.parametrize("fps", [12.5, 24, 29.97, 50])
def test_every_picture_is_made_once_at_any_rate(fps):
    plan = plan_shot(10.0, fps, 25.0)
    flat = np.zeros(plan.num_motion_frames)
    plan = with_keyframes(plan, Spacing(), flat, flat)
    made = 0
    for segment in plan.shown:
        start, stop = plan.video_range(segment)
        assert start == made
        for frame in (start, stop - 1):
            assert segment.first_frame <= plan.position(frame) <= segment.stop - 1
        made = stop
    assert made == plan.num_frames


def test_borders_stand_in_the_pauses_where_they_can_be_reached():
    loudness = np.ones(500)
    pauses = list(range(37, 500, 37))
    for pause in pauses:
        loudness[pause - 2 : pause + 3] = 0
    borders = [segment.keep[0] for segment in planned(500, loudness).segments if not segment.needs]
    assert borders and all(loudness[border] == 0 for border in borders)


def test_without_pauses_windows_are_as_long_as_they_may_be():
    plan = planned(1000, np.ones(1000))
    lengths = [segment.num_frames for segment in plan.shown]
    assert np.median(lengths) == 49
    assert len(plan.shown) <= len(plan_shot(40.0, 25.0).segments)


def test_a_quick_camera_brings_key_frames_closer_together():
    num_frames = 200
    travel = np.linspace(0, 1, num_frames)  # 33 frames in a window: 0.17, 45 frames: 0.23
    assert TRAVEL_BUDGET / (1.3 * travel[1]) > 33
    slow, quick = (planned(num_frames, travel=share * travel) for share in (1.0, 1.3))
    keys = [s.keep[0] for s in quick.segments if s.role == "keyframe"]
    spans = np.diff([0, *keys]) * 1.3 * travel[1]
    assert spans.max() <= TRAVEL_BUDGET
    assert len(quick.shown) >= len(slow.shown)


def test_how_far_a_camera_goes():
    assert camera_travel(CameraMove("static"), 50, 25.0).max() == 0
    assert camera_travel(CameraMove("swing", 1.0), 50, 25.0).max() == 0
    push = camera_travel(CameraMove("push_in", 0.6), 50, 25.0)
    assert push[0] == 0 and push[-1] == pytest.approx(0.6) and (np.diff(push) >= 0).all()
    two = camera_travel(
        (
            CameraKeyframe(0.0, CameraMove("push_in", 0.6)),
            CameraKeyframe(1.0, CameraMove("pan_left", 0.2)),
        ),
        50,
        25.0,
    )
    assert two[25] == pytest.approx(0.6) and two[-1] == pytest.approx(0.8)


@given(gain=st.floats(0.001, 1.0))
def test_loudness_is_of_the_sound_itself_and_not_of_its_level(gain):
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.1, 32_000).astype(np.float32)
    samples[12_000:20_000] = 0
    level = frame_loudness(gain * samples, 16_000, 50, 25.0)
    assert level == pytest.approx(frame_loudness(samples, 16_000, 50, 25.0), abs=1e-6)
    assert level[22:28].max() == 0 and level[:15].min() > 0.8
    assert (frame_loudness(np.zeros(32_000, np.float32), 16_000, 60, 25.0) <= 1).all()


def test_values_must_be_there_for_every_frame():
    with pytest.raises(ValueError, match="100 frames"):
        planned(100, np.zeros(99))


@given(num_frames=st.integers(82, 1500), window=st.sampled_from([17, 49, 81]))
@settings(max_examples=50, deadline=None)
def test_of_pixels_a_fill_ends_in_as_many_frames_as_the_next_one_begins_with(num_frames, window):
    """Five: the frame that a first latent stands for, and four of the next one."""
    plan, flat = plan_shot(num_frames / 25, 25.0, 25.0, window, 5), np.zeros(num_frames)
    plan = with_keyframes(plan, Spacing.of(window, 5, num_last=5), flat, flat)
    fills = plan.shown
    for fill, after in itertools.pairwise(fills):
        assert fill.num_last_frames == after.num_known_frames == 5
        assert fill.stop - 5 == after.first_frame and (fill.num_frames - 1) % 4 == 0
        assert fill.num_frames <= window
        key = plan.segments[fill.needs[-1]]
        assert key.index == after.needs[0] and key.num_frames == min(KEY_WINDOW, window)
        assert key.first_frame <= after.first_frame and after.first_frame + 5 <= key.stop
