"""Every way to write a camera is read, and a wrong one is refused with what was given."""

from __future__ import annotations

import math

import pytest

from skyreels_avatar.camera import MOVES, CameraMove
from skyreels_avatar.errors import InputError
from skyreels_avatar.request.camera_spec import CameraKeyframe, parse_camera


@pytest.mark.parametrize("move", MOVES)
def test_every_move_is_read_in_each_way_of_writing_it(move):
    expected = CameraMove(move, 0.6)
    assert parse_camera(f"{move}:60") == expected
    assert parse_camera({"move": move, "strength": 0.6}) == expected
    assert parse_camera(expected) is expected
    assert parse_camera(f" {move.replace('_', '-').title()}:60") == expected
    assert parse_camera({"move": move.replace("_", " "), "strength": 0.6}) == expected


def test_keyframes_are_read_in_each_way_of_writing_them():
    expected = (
        CameraKeyframe(0, CameraMove("push_in", 0.6)),
        CameraKeyframe(2.5, CameraMove("swing", 0.3)),
    )
    assert parse_camera(list(expected)) == expected
    assert parse_camera([(0, "push_in:60"), (2.5, "swing", 0.3)]) == expected
    assert (
        parse_camera(
            [
                {"time_s": 0, "move": "push_in", "strength": 0.6},
                {"time_s": 2.5, "move": "swing", "strength": 0.3},
            ]
        )
        == expected
    )


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        ("pushin:60", "did you mean push_in"),
        ("zoom in:50", "did you mean push_in[?]"),
        ("dolly-out", "did you mean push_out[?]"),
        ("handheld", "did you mean swing[?]"),
        ("zigzag", "; the moves are static, push_in"),
        ("push_in:140", "140%"),
        ("push_in:-1", "-1%"),
        ("push_in:fast", "fast"),
        ("push_in:nan", "nan"),
        ("", "unknown camera move"),
        ([], "list of keyframes"),
        (7, "got 7"),
        ([(1, "static"), (1, "swing")], "must rise"),
        ([(-1, "static")], "at least 0"),
        ([("a", "static")], "must be a number"),
        ([(math.nan, "static")], "must be a number"),
        (["static"], "time_s"),
        ({"move": "push_in", "speed": 3}, "strength, ease, seed"),
        ({"move": ["push_in"]}, "unknown camera move"),
        ({"move": "push_in", "strength": "much"}, "much"),
        ({"move": "push_in", "ease": "bouncy"}, "bouncy"),
    ],
)
def test_impossible_cameras_are_refused_with_what_was_given(camera, said):
    with pytest.raises(InputError, match=said):
        parse_camera(camera)


def test_the_message_about_an_unknown_move_is_punctuated():
    """It once ran on: "unknown camera move 'zzz' the moves are static, ..."."""
    moves = ", ".join(MOVES)
    with pytest.raises(InputError) as caught:
        parse_camera("zzz")
    assert str(caught.value) == f"unknown camera move 'zzz'; the moves are {moves}"
    with pytest.raises(InputError) as caught:
        parse_camera("statik")
    assert f"'statik'; did you mean static? The moves are {moves}" in str(caught.value)
