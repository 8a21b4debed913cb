"""Requests: impossible ones are refused with what was given; the shot's own seed wins."""

from __future__ import annotations

import math

import pytest

from skyreels_avatar.errors import InputError
from skyreels_avatar.request.generation_request import GenerationRequest
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.shot import Shot


def _request(**changes) -> GenerationRequest:
    shot = Shot(image="p.png", audio="a.wav", **changes.pop("shot", {}))
    return GenerationRequest(shot, **{"output": "o.mp4", **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"output": "o.avi"}, r"\.mp4"),
        ({"output": "."}, r"\.mp4"),
        ({"size": "0x0"}, "0x0"),
        ({"size": "513x512"}, "even"),
        ({"fps": 0}, "between 1 and 120"),
        ({"fps": -1}, "between 1 and 120"),
        ({"fps": 1000}, "between 1 and 120"),
        ({"fps": math.nan}, "must be a number"),
        ({"fps": "25"}, "must be a number"),
        ({"tier": ""}, "tier"),
        ({"shot": {"start_s": -1}}, "start_s"),
        ({"shot": {"start_s": 2, "end_s": 1}}, "end after it starts"),
        ({"shot": {"end_s": math.nan}}, "end after it starts"),
        ({"shot": {"face": "left"}}, "x,y,w,h"),
        ({"shot": {"face": "1,2,3"}}, "x,y,w,h"),
        ({"shot": {"face": "1,2,0,4"}}, "x,y,w,h"),
        ({"shot": {"prompt": 3}}, "prompt must be text"),
        ({"shot": {"seed": -1}}, "seed"),
        ({"shot": {"video": "v.mp4"}}, "not both"),
    ],
)
def test_impossible_requests_are_refused_with_what_was_given(changes, said):
    with pytest.raises(InputError, match=said):
        _request(**changes)


def test_the_shots_own_seed_wins():
    assert _request(sampling=SamplingParams(seed=3)).seed == 3
    assert _request(sampling=SamplingParams(seed=3), shot={"seed": 4}).seed == 4
