from dataclasses import replace

import numpy as np
import pytest
import torch

from skyreels_avatar.evaluation.sync import SyncScore
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.acting import (
    EMOTION_PROMPTS,
    GESTURES,
    RANGES,
    Take,
    blink_starts,
    likeness_rows,
    make_takes,
    range_rows,
    recognise,
    rhythm_rows,
    table,
)
from train.data.simulate.performance import Direction, perform
from train.data.simulate.speech import Speech
from train.data.simulate.style import Style
from train.rollout import Rollout

NUM_FRAMES = 200


def performed(direction: Direction, seed: int = 0) -> np.ndarray:
    active = np.ones(NUM_FRAMES)
    active[90:130] = 0
    stress = np.zeros(NUM_FRAMES)
    stress[::11] = 0.4
    rng = np.random.default_rng(seed)
    return perform(direction, stress * active, active, rng, from_start=True, style=Style())


def take(voice: str, key: int, seed: int) -> Take:
    motion = performed(Direction(), seed)
    active = np.ones(NUM_FRAMES)
    active[90:130] = 0
    return Take(voice, key, Rollout(motion, SyncScore(0.3, 0, 0.3, 0.1, 0.2)), active * 0.1, active)


@pytest.mark.parametrize("emotion", EMOTION_PROMPTS)
def test_simulated_emotions_are_recognised(emotion):
    found = [
        recognise(performed(Direction(emotion=emotion), seed), performed(Direction(), seed))
        for seed in range(5)
    ]
    assert [name for name, _ in found].count(emotion) >= 4
    assert np.mean([share for _, share in found]) == pytest.approx(0.8, abs=0.2)  # its intensity


def test_a_plain_take_shows_no_emotion():
    shares = [
        recognise(performed(Direction(), seed), performed(Direction(), 50 + seed))[1]
        for seed in range(8)
    ]
    assert np.median(shares) < 0.35


@pytest.mark.parametrize(
    "prompt, direction",
    [
        ("a woman nods", Direction(head="nodding")),
        ("he shakes his head", Direction(head="shaking")),
        ("she looks to the left", Direction(gaze="left")),
        ("he looks to the right", Direction(gaze="right")),
        ("she looks down", Direction(gaze="down")),
        ("he looks up", Direction(gaze="up")),
        ("she turns her head to the left", Direction(head="turn_left")),
        ("he tilts his head to the right", Direction(head="tilt_right")),
        ("eyes closed", Direction(eyes="closed")),
        ("she shrugs", Direction(head="shrugging")),
    ],
)
def test_gestures_are_seen_where_they_are_and_not_elsewhere(prompt, direction):
    late = slice(NUM_FRAMES // 2, None)
    shown, missing = [], []
    for seed in range(8):
        plain = performed(Direction(), seed)[late]
        shown.append(GESTURES[prompt](performed(direction, seed)[late], plain))
        missing.append(GESTURES[prompt](performed(Direction(), seed + 40)[late], plain))
    assert np.mean(shown) >= 0.85
    assert np.mean(missing) <= 0.5  # heads wander; most gestures are far rarer


def test_blinks_start_where_both_lids_pass_half_of_their_way():
    motion = np.zeros((50, 32))
    motion[10:14, MOTION_INDEX["blink_r"]] = 1
    assert len(blink_starts(motion)) == 0
    motion[11:14, MOTION_INDEX["blink_l"]] = 1
    assert list(blink_starts(motion)) == [11]


def test_equal_heads_correlate_and_other_heads_do_not():
    same = [take("a", 1, 0), take("a", 2, 0)]
    assert likeness_rows(same, same)["r of heads, portraits: mean"] == pytest.approx(1)
    others = [take("a", key, key) for key in range(6)]
    assert abs(likeness_rows(others, same)["r of heads, portraits: mean"]) < 0.3


def test_the_table_names_every_reading_and_its_goal():
    takes = [take("a", 1, 0), take("b", 1, 1)]
    rows = {**range_rows(takes), **rhythm_rows(takes)}
    printed = table({"default": rows, "style 1.5": range_rows(takes)})
    assert set(RANGES) <= set(rows) and np.isfinite(list(rows.values())).all()
    assert len(printed.splitlines()) == 2 + len(rows)
    assert "| opening / H | 0.000 | 0.000 | 0.080-0.11 |" in printed


def test_a_style_changes_what_a_network_that_knows_styles_makes(tiny_parts):
    torch.nn.init.normal_(tiny_parts.transformer.proj_out.weight, std=0.1)
    torch.nn.init.normal_(tiny_parts.text_encoder.style_embedding.weight)
    rng = np.random.default_rng(0)
    said = Speech(rng.normal(0, 0.05, 32000).astype(np.float32), (), "en", "nobody")
    plain, same, lively = (
        make_takes(tiny_parts, {"nobody": said}, (1,), style)[0].made.motion
        for style in (None, Style(), Style(head=2.0))
    )
    assert np.array_equal(plain, same) and not np.allclose(plain, lively)


def test_voices_without_stress_marks_say_nothing_about_stress():
    """They counted as r = 0 and drew the median to exactly 0."""
    marked = replace(take("a", 1, 0), stress=np.sin(np.arange(NUM_FRAMES) / 9).clip(0))
    unmarked = replace(marked, stress=np.zeros(NUM_FRAMES))
    key = "r of head speed with stress"
    alone = rhythm_rows([marked])[key]
    assert alone != 0 and rhythm_rows([marked, unmarked, unmarked])[key] == alone
    assert np.isnan(rhythm_rows([unmarked])[key])
