"""A request is planned in overlapping windows or in key frames, for any frame rate."""

from __future__ import annotations

import numpy as np
import pytest

import skyreels_avatar as sa
from skyreels_avatar.loading.tiers import load_tier
from skyreels_avatar.planning.plan import plan_request
from skyreels_avatar.request.generation_request import WINDOWS


@pytest.mark.parametrize("fps", [12.0, 25.0, 60.0])
@pytest.mark.parametrize("windows", WINDOWS)
def test_windows_are_as_asked_and_make_all_frames(windows, fps):
    tier = load_tier("nano")
    audio = sa.AudioTrack(
        np.random.default_rng(0).normal(0, 0.1, 96_000).astype(np.float32), 16_000
    )
    shot = sa.Shot(image="p.png", audio="a.wav", camera="push_in:60")
    request = sa.GenerationRequest(shot, "o.mp4", fps=fps, windows=windows)
    plan = plan_request(request, audio, tier)
    assert plan.num_frames == round(6 * fps) == sum(map(plan.num_pictures, plan.shown))
    assert {segment.role for segment in plan.segments} == (
        {"window"} if windows == "overlap" else {"keyframe", "fill"}
    )
