"""What simulated talkers do in the mean, against 149 pieces of 94 expressive people.

Bounds are medians over 40 performances of eight seconds of made-up speech, measured (in brackets)
and given a margin of four standard errors; the talkers' own medians stand beside them.
"""

import numpy as np
import pytest

from skyreels_avatar.media.speech import Phone
from skyreels_avatar.rig.coefficients import MOTION_INDEX
from train.data.simulate.articulation import accents, mouth_numbers
from train.data.simulate.eye_motion import FIRST_BLINK_S
from train.data.simulate.performance import Direction, perform, voice_clock
from train.data.simulate.style import Style, draw_style
from train.data.windows import act, turn_from

NUM_TALKERS, NUM_FRAMES = 40, 200
REST_WIDTH_OF_EYES = 0.72  # mouth width at rest by the distance of the pupils


def made_up_speech(rng: np.random.Generator) -> list[Phone]:
    """Return phrases of two to nine syllables, with the sounds in about English shares."""
    phones, time_s = [], rng.uniform(0.0, 0.5)
    while time_s < NUM_FRAMES / 25:
        for _ in range(rng.integers(2, 10)):
            onset = str(rng.choice(list("ptkbdgmnlszfvwrhj\u0279\u0283\u03b8")))
            nucleus = str(rng.choice(list("\u0259\u026aie\u025b\u00e6a\u028cuo\u0254\u028a")))
            stress = "\u02c8" if rng.random() < 0.35 else ""
            for ipa, length_s in ((onset, 0.075), (stress + nucleus, 0.11)):
                length_s *= rng.uniform(0.7, 1.5)
                phones.append(Phone(ipa, time_s, time_s + length_s))
                time_s += length_s
        time_s += rng.uniform(0.3, 1.4)
    return phones


@pytest.fixture(scope="module")
def takes() -> list[tuple[np.ndarray, np.ndarray]]:
    """(motion, active) of 40 talkers."""
    made = []
    for seed in range(NUM_TALKERS):
        rng = np.random.default_rng(seed)
        phones = made_up_speech(rng)
        pulses = accents(phones, NUM_FRAMES)
        window = {
            "mouth": mouth_numbers(phones, NUM_FRAMES, rng).astype(float),
            "stress": pulses[:, 0],
            "active": pulses[:, 1],
        }
        made.append((act(window, Direction(), rng), pulses[:, 1]))
    return made


def spread(curve: np.ndarray) -> float:
    return float(np.percentile(curve, 95) - np.percentile(curve, 5))


def column(motion: np.ndarray, name: str) -> np.ndarray:
    return motion[:, MOTION_INDEX[name]]


def seen_width(motion: np.ndarray) -> np.ndarray:
    """Mouth width by the distance of the pupils, as the decoder draws it, smiles left out."""
    gap, width, pucker = (column(motion, name) for name in ("lip_gap", "width", "pucker"))
    return REST_WIDTH_OF_EYES * (width - 0.30 * pucker - 0.9 * gap)


def median(takes, read) -> float:
    return float(np.median([read(motion) for motion, _ in takes]))


def test_lips_open_round_and_spread_like_those_of_expressive_talkers(takes):
    assert 0.085 < median(takes, lambda m: spread(m[:, 0])) < 0.13  # talkers 0.104
    assert 0.14 < median(takes, lambda m: spread(seen_width(m))) < 0.28  # talkers 0.274
    assert 0.055 < median(takes, lambda m: spread(column(m, "jaw_drop"))) < 0.11  # talkers 0.07


@pytest.mark.parametrize(
    "name, least, most",  # degrees; talkers 8.7, 10.1, 6.9
    [("yaw", 7.0, 14.0), ("pitch", 5.0, 11.0), ("roll", 4.0, 9.0)],
)
def test_heads_turn_nod_and_tilt(takes, name, least, most):
    assert least < np.degrees(median(takes, lambda m: spread(column(m, name)))) < most


def test_brows_rise_on_emphasis(takes):
    assert 0.022 < median(takes, lambda m: spread(column(m, "brow_r"))) < 0.055  # talkers 0.039


def test_eyes_leave_the_camera_now_and_then(takes):
    away = [np.mean(np.hypot(column(m, "gaze_x"), column(m, "gaze_y")) > 0.06) for m, _ in takes]
    assert 0.05 < np.mean(away) < 0.20  # talkers 0.10


def test_pauses_are_quieter_than_speech(takes):
    head = slice(MOTION_INDEX["yaw"], MOTION_INDEX["roll"] + 1)
    moved = {"mouth": ([], []), "head": ([], [])}
    for motion, active in takes:
        speed = np.abs(np.diff(motion, axis=0))
        paused = np.convolve(active, np.ones(9), "same")[1:] < 0.5
        for key, which in (("mouth", slice(0, 1)), ("head", head)):
            moved[key][0].append(speed[paused][:, which].ravel())
            moved[key][1].append(speed[active[1:] > 0.5][:, which].ravel())
    for quiet, loud in moved.values():
        assert np.concatenate(quiet).mean() < 0.3 * np.concatenate(loud).mean()


def test_first_blinks_lie_anywhere_in_the_first_six_seconds():
    active, first = np.ones(NUM_FRAMES), []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        motion = perform(Direction(), 0 * active, active, rng, from_start=True)
        shut = np.flatnonzero(motion[:, MOTION_INDEX["blink_r"]] > 0.45)
        first.append(shut[0] / 25 if len(shut) else FIRST_BLINK_S[1])
    share, _ = np.histogram(first, bins=[0, 0.3, 2.2, 4.1, 6.5])
    assert share[0] == 0 and share.sum() == 150
    assert (share[1:] > 0.2 * 150).all()  # a third each


def test_the_head_hears_the_voice_not_only_chance():
    """Two voices with the same chance give two heads; one voice gives one."""
    paths = []
    for seed in (1, 2, 1):
        pulses = accents(made_up_speech(np.random.default_rng(seed)), NUM_FRAMES)
        motion = perform(Direction(), *pulses.T, np.random.default_rng(9), style=Style())
        paths.append(np.diff(column(motion, "pitch")))
    assert np.array_equal(paths[0], paths[2])
    assert abs(np.corrcoef(paths[0], paths[1])[0, 1]) < 0.4


def test_the_clock_runs_fast_on_stress_and_slow_in_pauses():
    active = np.ones(NUM_FRAMES)
    active[80:140] = 0
    stress = np.zeros(NUM_FRAMES)
    stress[:70:10] = 1
    pace = np.diff(voice_clock(stress, active)) * 25
    assert pace[20:60].mean() > 1.3 * pace[165:195].mean() > 2 * pace[95:125].mean()


def test_styles_differ_and_their_numbers_have_about_unit_variance():
    rng = np.random.default_rng(0)
    numbers = np.stack([draw_style(rng).numbers() for _ in range(2000)])
    assert np.abs(numbers.mean(0)).max() < 0.08
    assert np.allclose(numbers.std(0), 1, atol=0.1)
    assert np.corrcoef(numbers[:, 0], numbers[:, 1])[0, 1] > 0.2


def test_a_prompt_that_changes_keeps_what_is_known():
    motion, before = np.ones((49, 32)), np.zeros((49, 32))
    turn_from(motion, before, np.random.default_rng(0))
    assert not motion[:9].any() and (motion[35:] == 1).all()
    assert np.abs(np.diff(motion, axis=0)).max() < 0.2
