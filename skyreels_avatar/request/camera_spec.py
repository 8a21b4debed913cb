"""The ways to write the camera of a shot: a move, or keyframes of several."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from skyreels_avatar.camera import moves
from skyreels_avatar.camera.moves import MOVES
from skyreels_avatar.checks import check_number, short_repr
from skyreels_avatar.errors import InputError
from skyreels_avatar.request.camera_move import CameraMove

_OTHER_NAMES = (  # what others call moves that are like ours
    (("zoom", "zoom_in", "dolly_in", "track_in", "move_in"), "push_in"),
    (("zoom_out", "dolly_out", "pull_out", "pull_back", "track_out", "move_out"), "push_out"),
    (("truck_left", "dolly_left", "slide_left", "track_left", "move_left"), "pan_left"),
    (("truck_right", "dolly_right", "slide_right", "track_right", "move_right"), "pan_right"),
    (("tilt_up", "pedestal_up", "boom_up", "jib_up", "move_up"), "crane_up"),
    (("tilt_down", "pedestal_down", "boom_down", "jib_down", "move_down"), "crane_down"),
    (("handheld", "hand_held", "shake", "sway", "orbit", "arc"), "swing"),
    (("none", "still", "fixed", "locked", "tripod"), "static"),
)


@dataclass(frozen=True)
class CameraKeyframe:
    """A camera move that begins at a time of the shot, in seconds."""

    time_s: float
    move: CameraMove

    def __post_init__(self) -> None:
        check_number("time_s of a camera keyframe", self.time_s, 0, math.inf)


Camera = moves.CameraMove | tuple[CameraKeyframe, ...]
CameraLike = str | moves.CameraMove | Mapping[str, Any] | Sequence[Any]  # see `parse_camera`


def parse_camera(value: object) -> Camera:
    """Return a camera move, or the keyframes of several, from any of the ways to write them.

    Args:
        value: "push_in:60", "static", a CameraMove, {"move": "push_in", "strength": 0.6}, or a
            list of keyframes: CameraKeyframe, (time_s, move), (time_s, move, strength 0 to 1), or
            {"time_s": 2, "move": "swing", "strength": 0.3}.

    Raises:
        InputError: unknown move (near names are suggested), strength outside 0 to 100 %, or
            times that do not rise.
    """
    if isinstance(value, (str, moves.CameraMove, Mapping)):
        return _parse_move(value)
    if not isinstance(value, Sequence) or not value:
        raise InputError(
            "camera must be MOVE:PERCENT, a CameraMove or a list of keyframes, "
            f"got {short_repr(value)}"
        )
    keyframes = tuple(_parse_keyframe(item) for item in value)
    times = [keyframe.time_s for keyframe in keyframes]
    if any(later <= earlier for earlier, later in itertools.pairwise(times)):
        raise InputError(f"the times of camera keyframes must rise, got {times}")
    return keyframes


def _parse_move(value: object) -> CameraMove:
    if isinstance(value, moves.CameraMove):
        return value
    try:
        if isinstance(value, str):
            name, colon, strength = value.partition(":")
            return CameraMove.parse(_move_name(name) + colon + strength)
        values = dict(value)
        values["name"] = values.pop("move", values.pop("name", "static"))
        values["name"] = _move_name(values["name"])
        return CameraMove(**values)
    except TypeError as error:
        raise InputError(
            f"a camera move has move, strength, ease, seed and absolute, got {short_repr(value)}"
        ) from error
    except ValueError as error:
        raise error if isinstance(error, InputError) else InputError(str(error)) from error


def _parse_keyframe(item: object) -> CameraKeyframe:
    if isinstance(item, CameraKeyframe):
        return item
    if isinstance(item, Mapping):
        values = dict(item)
        time_s = values.pop("time_s", None)
        return CameraKeyframe(time_s, _parse_move(values))
    if isinstance(item, Sequence) and not isinstance(item, str) and len(item) in (2, 3):
        move = item[1] if len(item) == 2 else {"move": item[1], "strength": item[2]}
        return CameraKeyframe(item[0], _parse_move(move))
    raise InputError(
        f"a camera keyframe is (time_s, move) or (time_s, move, strength), got {short_repr(item)}"
    )


def _move_name(name: object) -> str:
    """Return one of `MOVES`; "Push-In" and "push in" are push_in."""
    written = "_".join(str(name).lower().replace("-", " ").replace("_", " ").split())
    if isinstance(name, str) and written in MOVES:
        return written
    near = [move for names, move in _OTHER_NAMES if written in names]
    near = near or difflib.get_close_matches(written, MOVES, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? The" if near else "the"
    raise InputError(f"unknown camera move {short_repr(name)}; {hint} moves are {', '.join(MOVES)}")
