"""Shots on the film's grid of frames: no gap, no drift, cross-fades half on either side."""

from __future__ import annotations

import itertools
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

import skyreels_avatar as sa
from skyreels_avatar.film.timeline import build_timeline
from skyreels_avatar.media.video import exact_fps

RATES = st.sampled_from([24, 25, 29.97, 30, 50, 59.94]) | st.floats(10, 120)


@given(
    lengths=st.lists(st.floats(0.2, 9), min_size=1, max_size=200),
    fades=st.lists(st.sampled_from([0.0, 0.0, 0.05, 0.1]), min_size=200, max_size=200),
    fps=RATES,
    origin_s=st.floats(0, 100),
)
def test_borders_stay_where_the_soundtrack_has_them(lengths, fades, fps, origin_s):
    ends = [origin_s + end for end in itertools.accumulate(lengths)]
    shots = [
        sa.Shot(image="p.png", start_s=start, end_s=end, fade_s=fade)
        for start, end, fade in zip([origin_s, *ends], ends, fades)
    ]
    script = sa.Script(tuple(shots), "a.wav", fps=fps)
    timeline, problems = build_timeline(script, ends[-1], [None] * len(shots))
    assert problems == []
    exact = exact_fps(fps)
    half = 0.5 / exact + Fraction(1, 10**6)
    assert abs(timeline.num_frames / exact - Fraction(ends[-1] - origin_s)) <= half
    assert timeline.shots[0].first_frame == 0
    assert timeline.shots[-1].stop_frame == timeline.num_frames
    for before, after in itertools.pairwise(timeline.shots):
        assert before.stop_frame - after.first_frame == before.fade_out == after.fade_in
        cut = after.first_frame + after.lead_in
        assert abs(cut / exact - Fraction(after.start_s)) <= half
        assert (after.fade_in > 0) == (after.shot.fade_s > 0)


@given(st.integers(1, 50), st.floats(1, 1000), RATES)
def test_shots_without_times_share_the_soundtrack_evenly(count, duration_s, fps):
    script = sa.Script((sa.Shot(image="p.png"),) * count, "a.wav", fps=fps)
    timeline, problems = build_timeline(script, duration_s, [None] * count)
    if duration_s / count < 0.2:
        assert {problem.index for problem in problems} == set(range(count))
        return
    lengths = [shot.num_frames for shot in timeline.shots]
    assert sum(lengths) == timeline.num_frames
    assert max(lengths) - min(lengths) <= 1
