"""`plan` takes a script, a request or the arguments of a shot, and never half of two."""

from __future__ import annotations

from pathlib import Path

import pytest

import skyreels_avatar as sa

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"


def test_a_film_is_planned_from_its_file_and_from_its_script():
    path = EXAMPLES / "film.yaml"
    plan = sa.plan(path, steps=3)
    assert plan == sa.plan(sa.read_script(path), steps=3)
    assert len(plan.shots) == 3 and plan.shots[0][1].num_inference_steps == 3
    assert repr(plan).startswith("FilmPlan(768x512, 3 shots, 528 frames at 25 fps, 21.12 s, about")


def test_a_shot_is_planned_from_arguments_and_from_a_request():
    given = {"image": EXAMPLES / "portrait.png", "audio": EXAMPLES / "speech.wav"}
    plan = sa.plan(**given, size="128x96", fps=10, steps=2, audio_end=2.0, camera="push_in:50")
    assert (plan.width, plan.height, plan.num_frames, plan.num_inference_steps) == (128, 96, 20, 2)
    shot = sa.Shot(**given, end_s=2.0, camera="push_in:50")
    sampling = sa.SamplingParams(2)
    request = sa.GenerationRequest(shot, "o.mp4", size="128x96", fps=10, sampling=sampling)
    assert sa.plan(request) == plan
    assert repr(plan).startswith("ShotEstimate(128x96, 20 frames at 10 fps, 2.00 s, 2 windows,")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "image or a video"),
        ({"film": EXAMPLES / "film.yaml", "camera": "swing"}, "leave out camera"),
        ({"film": EXAMPLES / "film.yaml", "workers": 2}, "workers are counted for a shot"),
    ],
)
def test_a_plan_leaves_nothing_out_unsaid(options, message):
    with pytest.raises(sa.InputError, match=message):
        sa.plan(**options)


def test_a_request_has_its_own_tier_and_steps():
    shot = sa.Shot(image=EXAMPLES / "portrait.png", audio=EXAMPLES / "speech.wav")
    request = sa.GenerationRequest(shot, "o.mp4")
    for surplus in ({"tier": "nano"}, {"steps": 2}, {"seed": 1}):
        with pytest.raises(sa.InputError, match="of its own"):
            sa.plan(request, **surplus)
