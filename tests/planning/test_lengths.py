"""Videos and sounds of different lengths: every policy, to the frame, by laws and by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.planning.lengths import POLICIES, SWAY_S, plan_length

DURATIONS_S = (0.11, 0.5, 0.999, 1.0, 1.3, 2.02, 3.7, 5.04, 7.77, 13.333, 29.97, 31.0)
RATES = {24: Fraction(24), 25: Fraction(25), 29.97: Fraction(30000, 1001), 30: Fraction(30),
         50: Fraction(50), 60: Fraction(60)}  # fmt: skip
VIDEO_FRAMES = (1, 2, 3, 49, 50, 126, 701)


def _rounded(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def _lengths(fps: float) -> Iterator[tuple[float, int]]:
    """Yield each duration with two of the videos, another pair for every duration and rate."""
    for turn, audio_s in enumerate(DURATIONS_S, 3 * list(RATES).index(fps)):
        yield audio_s, VIDEO_FRAMES[turn % 7]
        yield audio_s, VIDEO_FRAMES[(turn + 3) % 7]


def _walked(num_frames: int, first: int, last: int) -> list[int]:
    """Return what a pointer shows that walks from 0 to `last`, then to and fro down to `first`."""
    shown, at, step = [], 0, 1
    for _ in range(num_frames):
        shown.append(at)
        if at == last:
            step = -1
        elif at == first and step < 0:
            step = 1
        at = at + step if first < last or at < last else last
    return shown


@pytest.mark.parametrize("fps", RATES)
class TestEveryLength:
    """Twelve odd durations at six rates, against videos of seven lengths."""

    def test_the_count_of_frames_and_the_sound_fit_to_the_frame(self, fps):
        rate = RATES[fps]
        for audio_s, policy, num in itertools.product(DURATIONS_S, POLICIES, VIDEO_FRAMES):
            plan = plan_length(policy, audio_s, num, fps)
            as_audio, as_video = max(1, _rounded(Fraction(audio_s) * rate)), num
            wanted = {"video": as_video, "silence": max(as_audio, as_video)}
            assert plan.num_frames == wanted.get(policy, as_audio)
            assert plan.audio_s <= audio_s and plan.silence_s >= 0
            # A sound shorter than half a frame aside, it ends within half a frame.
            heard_s = plan.audio_s + plan.silence_s
            assert abs(heard_s - plan.duration_s) <= 0.5 / float(rate) + 1e-9

    def test_at_equal_rates_a_pointer_that_walks_shows_the_same(self, fps):
        for audio_s, num in _lengths(fps):
            last = num - 1
            sway = max(0, last - math.ceil(SWAY_S * RATES[fps]))
            plans = {policy: plan_length(policy, audio_s, num, fps) for policy in POLICIES}
            count = plans["audio"].num_frames
            walks = {
                "audio": _walked(count, sway, last),
                "bounce": _walked(count, 0, last),
                "loop": [i % num for i in range(count)],
                "video": list(range(num)),
                "silence": _walked(plans["silence"].num_frames, sway, last),
            }
            for policy, walk in walks.items():
                plan = plans[policy]
                positions = [plan.position(i) for i in range(plan.num_frames)]
                assert positions == walk, (policy, num)
                assert plan.index(plan.num_frames - 1) == walk[-1]

    def test_remap_runs_evenly_from_the_first_frame_to_the_last(self, fps):
        for audio_s, num in _lengths(fps):
            plan = plan_length("remap", audio_s, num, fps)
            positions = np.array([plan.position(i) for i in range(plan.num_frames)])
            assert (np.diff(positions) >= 0).all()
            assert positions[0] >= 0 and positions[-1] <= num - 1
            assert positions + positions[::-1] == pytest.approx(np.full(len(positions), num - 1))
            inner = np.diff(positions[(positions > 0) & (positions < num - 1)])
            assert inner == pytest.approx(np.full(len(inner), num / plan.num_frames))


@pytest.mark.parametrize("policy", POLICIES)
def test_between_rates_the_right_moment_is_shown(policy):
    """Within the first run through the video, output and source show the same second."""
    for fps, source_fps in itertools.product(RATES, RATES):
        _check_the_moment(policy, fps, source_fps)


def _check_the_moment(policy: str, fps: float, source_fps: float) -> None:
    num, audio_s = 131, 9.87
    plan = plan_length(policy, audio_s, num, source_fps, fps)
    positions = [plan.position(i) for i in range(plan.num_frames)]
    assert all(0 <= position <= num - 1 for position in positions)
    assert all(0 <= plan.index(i) < num for i in range(plan.num_frames))
    if policy == "remap":
        return
    for frame, position in enumerate(positions):
        shown = (frame + 0.5) / float(RATES[fps]) * float(RATES[source_fps]) - 0.5
        if 0 <= shown <= num - 1:
            assert position == pytest.approx(shown)
        if policy == "loop" and num <= shown <= 2 * num - 1:
            assert position == pytest.approx(shown - num)
        if policy == "bounce" and num - 1 <= shown <= 2 * (num - 1):
            assert position == pytest.approx(2 * (num - 1) - shown)


def test_by_hand():
    def shown(policy: str, audio_s: float, num: int) -> list[float]:
        plan = plan_length(policy, audio_s, num, 10)
        return [plan.position(i) for i in range(plan.num_frames)]

    assert shown("bounce", 0.9, 4) == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert shown("loop", 0.9, 4) == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert shown("audio", 0.3, 4) == [0, 1, 2]
    assert shown("video", 0.3, 4) == shown("silence", 0.3, 4) == [0, 1, 2, 3]
    assert shown("remap", 0.2, 4) == [0.5, 2.5]
    assert shown("remap", 0.8, 4) == [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    long = shown("audio", 7.0, 31)  # 3.1 s, then to and fro over frames 10 to 30
    assert long[30:34] == [30, 29, 28, 27] and long[49:53] == [11, 10, 11, 12]


def test_what_is_heard():
    heard = {
        policy: (plan.audio_s, plan.silence_s)
        for policy in POLICIES
        for plan in [plan_length(policy, 3.0, 50, 25)]  # the video is shorter
    }
    assert heard == {policy: (2.0 if policy == "video" else 3.0, 0.0) for policy in POLICIES}
    longer = plan_length("video", 1.0, 50, 25), plan_length("silence", 1.0, 50, 25)
    assert [(plan.audio_s, plan.silence_s) for plan in longer] == [(1.0, 1.0)] * 2


def test_a_day_of_frames_does_not_drift():
    plan = plan_length("audio", 86_400.0, 5_000_000, 29.97, 29.97)
    assert plan.num_frames == _rounded(Fraction(86_400) * 30_000 / 1001)
    assert plan.position(plan.num_frames - 1) == plan.num_frames - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("longest", 1.0, 10, 25), "they are audio, video"),
        (("audio", 0.0, 10, 25), "longer than 0"),
        (("audio", math.nan, 10, 25), "longer than 0"),
        (("audio", math.inf, 10, 25), "longer than 0"),
        (("audio", 1.0, 0, 25), "at least 1 frame"),
        (("audio", 1.0, 10, 0), "fps"),
        (("audio", 1.0, 10, 25, 500), "fps"),
    ],
)
def test_lengths_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        plan_length(*arguments)


def test_frames_beyond_the_end_are_an_error():
    plan = plan_length("loop", 1.0, 10, 25)
    for frame in (-1, 25):
        with pytest.raises(IndexError, match="25 frames"):
            plan.position(frame)
