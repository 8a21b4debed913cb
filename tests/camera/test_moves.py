"""What the moves do to the camera."""

from __future__ import annotations

import pytest
import torch

from skyreels_avatar.camera.geometry import intrinsics_from_hfov, invert, project
from skyreels_avatar.camera.moves import (
    EASES,
    MOVES,
    PRESETS,
    CameraMove,
    eased,
    swing_curves,
    swing_pose,
)

ANCHOR = torch.tensor([0.1, -0.2, 1.3])
HFOV_RAD = 0.8


def seen_at(name: str, amount: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where the anchor appears before and after a move."""
    intrinsics = intrinsics_from_hfov(100, 100, 45)
    extrinsics = invert(PRESETS[name].pose_at(amount, ANCHOR, HFOV_RAD)).float()
    before, _ = project(ANCHOR, intrinsics, torch.eye(4))
    after, _ = project(ANCHOR, intrinsics, extrinsics)
    return before, after


def test_there_are_the_eight_moves():
    assert MOVES == (
        "static",
        "push_in",
        "push_out",
        "pan_left",
        "pan_right",
        "crane_up",
        "crane_down",
        "swing",
    )


@pytest.mark.parametrize("name", MOVES)
def test_no_amplitude_is_exactly_no_motion(name: str):
    assert torch.equal(invert(PRESETS[name].pose_at(0.0, ANCHOR, HFOV_RAD)).float(), torch.eye(4))


@pytest.mark.parametrize("name", ["push_in", "push_out"])
def test_a_push_keeps_the_subject_in_its_place(name: str):
    before, after = seen_at(name, 0.3)
    torch.testing.assert_close(before, after)


@pytest.mark.parametrize("name", ["crane_up", "crane_down"])
def test_a_crane_keeps_the_subject_in_its_row(name: str):
    before, after = seen_at(name, 0.2)
    assert float(after[1]) == pytest.approx(float(before[1]), abs=1e-3)


def test_moves_go_where_their_names_say():
    assert PRESETS["push_in"].pose_at(0.2, ANCHOR, HFOV_RAD)[2, 3] > 0
    assert PRESETS["push_out"].pose_at(0.2, ANCHOR, HFOV_RAD)[2, 3] < 0
    assert PRESETS["crane_up"].pose_at(0.2, ANCHOR, HFOV_RAD)[1, 3] < 0
    assert PRESETS["crane_down"].pose_at(0.2, ANCHOR, HFOV_RAD)[1, 3] > 0
    # A camera that turns left shows the subject further right.
    before, after = seen_at("pan_left", 0.2)
    assert after[0] > before[0]
    before, after = seen_at("pan_right", 0.2)
    assert after[0] < before[0]


@pytest.mark.parametrize("ease", EASES)
def test_an_ease_goes_from_0_to_1_without_turning_back(ease: str):
    shares = eased(torch.linspace(0, 1, 101), ease)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert (shares.diff() > 0).all()
    torch.testing.assert_close(shares + shares.flip(0), torch.ones(101, dtype=torch.float64))


def test_the_trapezoid_starts_and_stops_softly():
    step = eased(torch.linspace(0, 1, 1001), "trapezoid").diff()
    assert step[0] < 0.01 * step.max()
    assert step[-1] < 0.01 * step.max()
    torch.testing.assert_close(step[200:799], step[500].expand(599))


@pytest.mark.parametrize(
    ("text", "name", "strength"),
    [
        ("push_in:60", "push_in", 0.6),
        ("static", "static", 1.0),
        (" pan_left : 12.5% ", "pan_left", 0.125),
    ],
)
def test_a_move_is_read_from_text(text: str, name: str, strength: float):
    move = CameraMove.parse(text)
    assert (move.name, move.strength) == (name, strength)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("push_in:140", r"between 0% and 100%, got 140%"),
        ("push_in:-1", r"between 0% and 100%, got -1%"),
        ("push_in:fast", r"number from 0 to 100"),
        ("push_in:nan", r"number from 0 to 100"),
        ("push_in:", r"number from 0 to 100"),
        ("zoom:50", r"unknown camera move 'zoom'; choose one of static, push_in"),
        ("", r"unknown camera move ''"),
    ],
)
def test_a_wrong_move_is_refused_and_says_why(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        CameraMove.parse(text)


def test_wrong_fields_are_refused():
    with pytest.raises(ValueError, match="unknown ease"):
        CameraMove("push_in", ease="bouncy")
    with pytest.raises(ValueError, match="must be a number"):
        CameraMove("push_in", strength="half")
    with pytest.raises(ValueError, match="seed"):
        CameraMove("swing", seed=-1)


def test_the_swing_is_seeded_starts_still_and_peaks_at_one():
    times_s = torch.arange(0, 12, 0.04)
    curves = swing_curves(3, times_s)
    assert torch.equal(curves, swing_curves(3, times_s))
    assert not torch.equal(curves, swing_curves(4, times_s))
    assert (curves[0] == 0).all()
    assert curves[1].abs().max() < 0.02
    torch.testing.assert_close(
        curves.abs().amax(0), torch.ones(6, dtype=torch.float64), atol=0.01, rtol=0
    )


def test_half_a_swing_is_half_the_way():
    curves = swing_curves(0, torch.tensor([1.0, 2.0]))[1]
    full, half = swing_pose(curves, 1.0, 1.3), swing_pose(curves, 0.5, 1.3)
    torch.testing.assert_close(0.5 * full[:3, 3], half[:3, 3])
