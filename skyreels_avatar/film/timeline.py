"""Place the shots of a film in time: in seconds, then on its frames."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from skyreels_avatar.camera.moves import CameraMove
from skyreels_avatar.media.video import exact_fps
from skyreels_avatar.request.script import Script
from skyreels_avatar.request.shot import Shot

SHORTEST_S = 0.2


@dataclass(frozen=True)
class ShotProblem:
    """Why a shot cannot be placed.

    Attributes:
        index: of the shot, from 0.
        key: the field of the shot that says so.
        message: what is wrong and what to do.
    """

    index: int
    key: str
    message: str


@dataclass(frozen=True)
class PlacedShot:
    """A shot on the film's clock.

    Attributes:
        index: place in the film, from 0.
        shot: as it was asked for.
        start_s, end_s: the span of the film in which it is seen; cross-fades reach beyond it.
        first_frame: the film's frame that its first picture is for.
        num_frames: its pictures, those in cross-fades included.
        fade_in, fade_out: how many of them, first and last, are blended with a neighbor.
    """

    index: int
    shot: Shot
    start_s: float
    end_s: float
    first_frame: int
    num_frames: int
    fade_in: int = 0
    fade_out: int = 0

    @property
    def number(self) -> int:
        """The shot's number as people count, from 1."""
        return self.index + 1

    @property
    def lead_in(self) -> int:
        """How many pictures come before the shot's span, in the cross-fade with the one before."""
        return self.fade_in // 2

    @property
    def stop_frame(self) -> int:
        """The film's frame after its last picture."""
        return self.first_frame + self.num_frames


@dataclass(frozen=True)
class Timeline:
    """All shots of a film on one grid of frames.

    Attributes:
        shots: in order; where two fade, the second begins before the first ends.
        num_frames: of the film, round(duration x fps).
        fps: exact frames per second.
        origin_s: the second of the soundtrack at which the film begins.
    """

    shots: tuple[PlacedShot, ...]
    num_frames: int
    fps: Fraction
    origin_s: float

    @property
    def duration_s(self) -> float:
        """Length of the film in seconds."""
        return float(self.num_frames / self.fps)


def build_timeline(
    script: Script, soundtrack_s: float | None, own_s: Sequence[float | None]
) -> tuple[Timeline | None, list[ShotProblem]]:
    """Place the shots of a film; the timeline is None where there are problems.

    Args:
        soundtrack_s: seconds of the soundtrack, None without one.
        own_s: seconds of the shots' own sounds, None for shots that follow the soundtrack.
    """
    fps = exact_fps(script.fps)
    boundaries, problems = _boundaries(script.shots, soundtrack_s, own_s, float(0.5 / fps))
    if problems:
        return None, problems
    # Boundaries are rounded, not lengths: the error does not grow over a thousand shots.
    grid = [_frame(boundary - boundaries[0], fps) for boundary in boundaries]
    fades = [_fade(shot, fps) if index else 0 for index, shot in enumerate(script.shots)]
    shots = []
    for index, (shot, fade_in, fade_out) in enumerate(zip(script.shots, fades, [*fades[1:], 0])):
        first = grid[index] - fade_in // 2
        stop = grid[index + 1] - fade_out // 2 + fade_out
        start_s, end_s = (boundary - boundaries[0] for boundary in boundaries[index : index + 2])
        placed = PlacedShot(index, shot, start_s, end_s, first, stop - first, fade_in, fade_out)
        reported = {(problem.index, problem.key) for problem in problems}
        found = _problems_inside(placed, fps)
        problems += [problem for problem in found if (problem.index, problem.key) not in reported]
        shots.append(placed)
    return Timeline(tuple(shots), grid[-1], fps, boundaries[0]), problems


def _frame(time_s: float, fps: Fraction) -> int:
    return int(time_s * float(fps) + 0.5)


def _fade(shot: Shot, fps: Fraction) -> int:
    return max(1, _frame(shot.fade_s, fps)) if shot.fade_s else 0


def _boundaries(
    shots: Sequence[Shot],
    soundtrack_s: float | None,
    own_s: Sequence[float | None],
    tolerance_s: float,
) -> tuple[list[float], list[ShotProblem]]:
    """Return where shots begin and the last one ends, in seconds of the soundtrack."""
    problems: list[ShotProblem] = []
    known: list[float | None] = [None] * (len(shots) + 1)
    known[0] = 0.0 if own_s[0] is not None or not shots[0].start_s else shots[0].start_s
    for index, shot in enumerate(shots):
        if own_s[index] is not None:
            if known[index] is None:
                problems.append(_untimed(index))
                known[index] = _last(known)
            known[index + 1] = known[index] + own_s[index]
            continue
        if shot.start_s is not None:
            meets = known[index]
            if meets is not None and abs(meets - shot.start_s) > tolerance_s:
                problems.append(_does_not_meet(index, meets, shot.start_s))
            known[index] = shot.start_s
        known[index + 1] = shot.end_s
        if shot.end_s is not None and shot.end_s > soundtrack_s + tolerance_s:
            problems.append(_beyond(index, "end_s", f"ends at {shot.end_s:g}", soundtrack_s))
        elif shot.start_s is not None and shot.start_s >= soundtrack_s:
            problems.append(_beyond(index, "start_s", f"starts at {shot.start_s:g}", soundtrack_s))
    if known[-1] is None:
        known[-1] = soundtrack_s
    boundaries = _interpolated(known)
    if not problems:
        for index, (start_s, end_s) in enumerate(itertools.pairwise(boundaries)):
            if end_s - start_s < SHORTEST_S - 1e-9:
                problems.append(_too_short(index, start_s, end_s))
    return boundaries, problems


def _last(known: Sequence[float | None]) -> float:
    return max(time_s for time_s in known if time_s is not None)


def _interpolated(known: Sequence[float | None]) -> list[float]:
    """Return all boundaries; unknown ones divide the time between known ones evenly."""
    boundaries = [float("nan") if time_s is None else time_s for time_s in known]
    before = 0
    for index in range(1, len(known)):
        if known[index] is None:
            continue
        for between in range(before + 1, index):
            share = (between - before) / (index - before)
            boundaries[between] = boundaries[before] + share * (
                boundaries[index] - boundaries[before]
            )
        before = index
    return boundaries


def _untimed(index: int) -> ShotProblem:
    return ShotProblem(
        index - 1,
        "end_s",
        f"shot {index} needs an end_s: shot {index + 1} after it has a sound of its own",
    )


def _does_not_meet(index: int, meets_s: float, start_s: float) -> ShotProblem:
    what = "leaves a gap after" if start_s > meets_s else "overlaps"
    return ShotProblem(
        index,
        "start_s",
        f"shot {index + 1} starts at {start_s:g} s and {what} shot {index}, which ends at "
        f"{meets_s:g} s; let them meet, a cross-fade is written as transition: {{fade_s: 0.5}}",
    )


def _beyond(index: int, key: str, what: str, soundtrack_s: float) -> ShotProblem:
    return ShotProblem(
        index, key, f"shot {index + 1} {what} s, but the soundtrack has {soundtrack_s:.2f} s"
    )


def _too_short(index: int, start_s: float, end_s: float) -> ShotProblem:
    return ShotProblem(
        index,
        "end_s",
        f"shot {index + 1} lasts {max(0.0, end_s - start_s):.3g} s (from {start_s:g} s to "
        f"{end_s:g} s); at least {SHORTEST_S:g} s are needed",
    )


def _problems_inside(placed: PlacedShot, fps: Fraction) -> list[ShotProblem]:
    problems = []
    lasts = f"shot {placed.number}, which lasts {placed.end_s - placed.start_s:.2f} s"
    if placed.fade_in + placed.fade_out > placed.num_frames:
        # The longer one is to blame: it is written in the shot that it leads to.
        index = placed.index + (placed.fade_out > placed.fade_in)
        message = f"cross-fades of this length do not fit into {lasts}"
        problems.append(ShotProblem(index, "fade_s", message))
    camera = placed.shot.camera
    if not isinstance(camera, CameraMove):
        latest_s = camera[-1].time_s
        length_s = (placed.num_frames - placed.lead_in - 1) / float(fps)
        if latest_s > 0 and latest_s >= length_s:
            message = f"the camera keyframe at {latest_s:g} s lies beyond {lasts}"
            problems.append(ShotProblem(placed.index, "camera", message))
    return problems
