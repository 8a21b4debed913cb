import numpy as np
import pytest

from skyreels_avatar.rig.coefficients import MOTION_INDEX, MOTION_RANGE, MOTION_SCALE
from train.data.simulate.performance import (
    EMOTIONS,
    ENERGIES,
    GAZES,
    HEAD_ACTIONS,
    Direction,
    draw_direction,
    mouth_strength,
    perform,
)
from train.data.simulate.style import Style

MEDIAN = Style()
STRONG = ("smile", "furrow", "frown", "sneer", "squint", "corner_l")


def performed(
    direction: Direction, seed: int = 0, num_frames: int = 250, style: Style | None = MEDIAN
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    active = np.ones(num_frames)
    active[100:140] = 0
    stress = np.zeros(num_frames)
    stress[::12] = 1
    return perform(direction, stress * active, active, rng, style=style)


def scale_of(name: str) -> float:
    return MOTION_SCALE[MOTION_INDEX[name]]


def mean_of(name: str, direction: Direction) -> float:
    column = MOTION_INDEX[name]
    return float(np.mean([performed(direction, seed)[:, column].mean() for seed in range(4)]))


@pytest.mark.parametrize(
    "emotion, name, at_least",
    [("smiling", "smile", 0.7), ("angry", "furrow", 1.1), ("sad", "frown", 0.9),
     ("surprised", "brow_r", 0.033), ("laughing", "cheek", 0.8), ("disgusted", "sneer", 1.1),
     ("contempt", "corner_l", 0.012), ("afraid", "furrow", 0.8), ("tired", "blink_r", 0.32)],
)  # fmt: skip
def test_an_emotion_shows_where_it_should(emotion, name, at_least):
    assert mean_of(name, Direction(emotion=emotion)) > at_least
    # stress every half second lifts brows by 0.02
    assert abs(mean_of(name, Direction())) < 0.65 * at_least


def test_intensity_scales_an_emotion():
    slight, full = (mean_of("smile", Direction("smiling", intensity=i)) for i in (0.4, 1.0))
    assert 1.8 < full / slight < 3.2


def test_left_is_the_left_of_the_picture():
    assert mean_of("gaze_x", Direction(gaze="left")) < -0.08
    assert mean_of("yaw", Direction(head="turn_left")) < -0.12
    assert mean_of("roll", Direction(head="tilt_left")) < -0.06


def test_looking_up_lifts_the_head_and_the_iris():
    assert mean_of("gaze_y", Direction(gaze="up")) < -0.04
    assert mean_of("pitch", Direction(gaze="up")) > 0.04


def test_nodding_swings_the_pitch_once_or_twice_a_second():
    pitch = performed(Direction(head="nodding"))[:, MOTION_INDEX["pitch"]]
    spectrum = np.abs(np.fft.rfft(pitch - pitch.mean()))
    hz = np.fft.rfftfreq(len(pitch), 1 / 25)
    assert 0.8 < hz[spectrum.argmax()] < 2.1
    assert pitch.std() > 0.045


def test_closed_eyes_stay_closed():
    assert performed(Direction(eyes="closed"))[:, MOTION_INDEX["blink_r"]].min() > 0.85


def test_people_blink_ten_to_thirty_times_a_minute():
    counts = []
    for seed in range(12):
        blink = performed(Direction(), seed)[:, MOTION_INDEX["blink_r"]] > 0.5
        counts.append((blink[1:] & ~blink[:-1]).sum())
    assert 10 < np.mean(counts) * 6 < 30


@pytest.mark.parametrize("name", ["yaw", "pitch", "roll", "shift_x", "zoom"])
def test_the_head_moves_slowly_and_comes_back(name):
    curves = np.stack([performed(Direction(), seed)[:, MOTION_INDEX[name]] for seed in range(8)])
    # tapered: a curve that ends elsewhere than it began has power everywhere
    tapered = (curves - curves.mean(1, keepdims=True)) * np.hanning(curves.shape[1])
    power = np.abs(np.fft.rfft(tapered, axis=1)) ** 2
    hz = np.fft.rfftfreq(curves.shape[1], 1 / 25)
    assert power[:, hz > 4].sum() < 0.02 * power.sum()
    assert abs(curves.mean()) < 0.5 * curves.std() + 0.01


def test_still_people_move_less_and_lively_ones_more():
    spread = {
        energy: np.mean([performed(Direction(energy=energy), s)[:, 16].std() for s in range(6)])
        for energy in ("still", "", "lively")
    }
    assert spread["still"] < 0.5 * spread[""] < spread["lively"]
    assert mouth_strength(Direction(energy="loud")) > 1.2 > mouth_strength(Direction())


def test_every_direction_stays_near_the_range_of_the_motion_numbers():
    rng = np.random.default_rng(3)
    for _ in range(60):
        motion = performed(draw_direction(rng), int(rng.integers(1000)), 60)
        for name, (low, high) in MOTION_RANGE.items():
            span = high - low
            if name in STRONG:  # up to what the decoder bears, see `limit_motion`
                low, high, span = -4 * scale_of(name), 4 * scale_of(name), 0
            column = motion[:, MOTION_INDEX[name]]
            assert column.min() >= low - 0.35 * span and column.max() <= high + 0.35 * span, name


def test_every_kind_of_direction_is_drawn():
    rng = np.random.default_rng(0)
    drawn = [draw_direction(rng) for _ in range(3000)]
    assert {d.emotion for d in drawn} == {"", *EMOTIONS}
    assert {d.head for d in drawn} == {"", *HEAD_ACTIONS}
    assert {d.gaze for d in drawn} == {"", *GAZES}
    assert {d.energy for d in drawn} == {"", *ENERGIES}
    assert 0.2 < np.mean([d == Direction() for d in drawn]) < 0.3
