"""Shoulders: in before a phrase, out while it lasts, and up where a prompt asks for shrugs."""

from __future__ import annotations

import numpy as np
import pytest

from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.pipeline.shoulders import (
    RISE,
    SHRUG_RISE,
    asks_for_shrug,
    breathing,
    raised_shoulders,
    spoken_phrases,
)
from skyreels_avatar.planning.segments import plan_shot

FPS, RATE = 25.0, 16_000


def voice(*spans: tuple[float, float], length_s: float = 8.0, noise: float = 0.0) -> AudioTrack:
    """Return a sound that is loud in some spans, in seconds."""
    rng = np.random.default_rng(0)
    samples = noise * rng.standard_normal(int(length_s * RATE))
    for start_s, end_s in spans:
        part = slice(int(start_s * RATE), int(end_s * RATE))
        samples[part] += 0.2 * rng.standard_normal(part.stop - part.start)
    return AudioTrack(samples.astype(np.float32), RATE)


def plan_of(length_s: float = 8.0):
    return plan_shot(length_s, FPS, FPS, 49, 9)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_phrases_are_found_between_pauses(noise: float) -> None:
    found = spoken_phrases(voice((0.6, 3.0), (3.1, 4.0), (5.0, 7.0), noise=noise), 200, FPS)
    assert np.allclose(found, [(15, 100), (125, 175)], atol=1)
    assert spoken_phrases(voice(), 200, FPS) == []


def test_people_breathe_in_before_they_speak_and_out_while_they_do() -> None:
    curve = breathing([(15, 75), (100, 180)], 200, FPS)
    assert np.argmax(curve[:40]) == pytest.approx(15, abs=3)
    assert curve[100] - curve[80] > 0.25
    assert np.all(np.diff(curve[22:70]) < 0)
    assert curve.min() >= 0 and curve.max() <= 1
    assert np.abs(np.diff(curve)).max() < 0.12  # no jerk


def test_who_is_silent_breathes_a_quarter_of_a_time_a_second() -> None:
    curve = breathing([], 500, FPS)
    tops = (curve[1:-1] > curve[:-2]) & (curve[1:-1] >= curve[2:])
    assert tops.sum() == 5


def test_shoulders_start_as_in_the_picture_and_rise_as_those_of_calm_people() -> None:
    raised = raised_shoulders(voice((0.6, 3.0), (5.0, 7.0)), plan_of())
    assert raised.shape == (200,) and raised[0] == 0
    assert 0.004 < float(raised.max() - raised.min()) < 1.5 * RISE
    assert raised.equal(raised_shoulders(voice((0.6, 3.0), (5.0, 7.0)), plan_of()))


def test_a_shrug_comes_where_the_prompt_asks_for_it() -> None:
    sound, plan = voice((0.6, 7.0)), plan_of()
    plain = raised_shoulders(sound, plan, "a woman talks")
    shrug = raised_shoulders(sound, plan, "she shrugs") - plain
    assert float(shrug.max()) == pytest.approx(SHRUG_RISE, abs=1e-3)
    assert float(shrug[:18].max()) == 0 and float(shrug[32]) > 0.9 * SHRUG_RISE
    at_end = raised_shoulders(sound, plan, "he talks and shrugs at the end") - plain
    assert float(at_end[:160].max()) == 0 and float(at_end[160:].max()) > 0.9 * SHRUG_RISE
    short = raised_shoulders(voice((0.1, 0.9), length_s=1.0), plan_of(1.0), "she shrugs")
    assert float(short.max()) > 0.5 * SHRUG_RISE


@pytest.mark.parametrize(
    ("prompt", "asked"),
    [
        ("a woman shrugs", True),
        ("He speaks with a shrug", True),
        ("she raises her shoulders", True),
        ("\u5979\u8038\u8038\u80a9", True),
        ("a woman with bare shoulders talks", False),
        ("he talks without shrugging", False),
        ("she never shrugs", False),
        ("", False),
    ],
)
def test_prompts_that_ask_for_shrugs(prompt: str, asked: bool) -> None:
    assert asks_for_shrug(prompt) == asked
