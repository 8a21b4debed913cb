"""The windows that a shot is made of: pure arithmetic.

Two clocks run through a shot. The *video clock* counts the pictures of the output at the asked
`fps`; the *motion clock* counts the frames that the transformer works on, at the tier's own rate.
Both show the middle of their interval: picture i stands for second (i + 0.5) / fps, so it lies at
(i + 0.5) * motion_fps / fps - 0.5 on the motion clock. At equal rates the clocks are the same.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from skyreels_avatar.errors import InputError
from skyreels_avatar.shapes import (
    TIME_FACTOR,
    covering_latent_frames,
    frames_of_duration,
    latent_frames,
    pixel_frames,
)

ROLES = {
    "window": "goes on from the window before, or starts from the picture",
    "stream": "likewise, and is shown what the camera sees at its first frame",
    "keyframe": "stands alone; nothing of it is shown",
    "fill": "leads from one key frame to the next",
    "storyboard": "shows the whole shot in short; nothing of it is shown",
    "clip": "goes on from the clip before and leads to a frame of the storyboard",
}
"""What a window starts from and leads to, by its `role`."""

_HIDDEN = ("keyframe", "storyboard")
_HEARD_BEYOND = {"stream": 3, "clip": 0}  # frames of sound after the last of these windows
_ROUNDING = 1e-6  # positions are sums of a few float products; a millionth of a frame is nothing


@dataclass(frozen=True)
class Segment:
    """One window of denoising, in frames of the motion clock.

    Latent frames after the first stand for p frames each, the time factor of the plan.

    Attributes:
        index: place in the shot; with seed, picture and voice it fixes the noise.
        first_frame: motion frame at which the window starts.
        num_frames: length of the window, of the form 1 + pk; may reach beyond the end of the shot.
        num_known_frames: leading frames that another window has made, 0 or 1 + pk.
        keep: (start, stop) of the motion frames that this window is the first to make.
        role: what it starts from and leads to, see `ROLES`.
        num_last_frames: frames at its end that are given, 0 or more.
        needs: indices of the windows whose frames it takes over: at its beginning, at its end.
        span: motion frames that a storyboard shows in short; 0 = it shows its own.
    """

    index: int
    first_frame: int
    num_frames: int
    num_known_frames: int
    keep: tuple[int, int]
    role: str = "window"
    num_last_frames: int = 0
    needs: tuple[int, ...] = ()
    span: int = 0

    def frame_at(self, motion_frame: int) -> int:
        """Return which of its frames shows a motion frame of the shot."""
        if self.span:
            return round(motion_frame * (self.num_frames - 1) / (self.span - 1))
        return motion_frame - self.first_frame

    def motion_frames(self) -> list[float]:
        """Return the motion frame of the shot that each of its frames shows."""
        if self.span:
            step = (self.span - 1) / (self.num_frames - 1)
            return [index * step for index in range(self.num_frames)]
        return [*range(self.first_frame, self.stop)]

    @property
    def stop(self) -> int:
        """The motion frame after the last one of the window."""
        return self.first_frame + self.num_frames


@dataclass(frozen=True)
class ShotPlan:
    """Everything about a shot that follows from its length and rates alone.

    Attributes:
        time_factor: motion frames that a latent frame after the first stands for.
    """

    num_frames: int
    fps: float
    num_motion_frames: int
    motion_fps: float
    segments: tuple[Segment, ...]
    time_factor: int

    @property
    def shown(self) -> tuple[Segment, ...]:
        """The windows that make pictures, in the order of those."""
        return tuple(segment for segment in self.segments if segment.role not in _HIDDEN)

    @property
    def num_heard_frames(self) -> int:
        """How far the sound goes on, backwards, beyond its end; 0 = its last frame is held."""
        ends = [s.stop + _HEARD_BEYOND[s.role] for s in self.segments if s.role in _HEARD_BEYOND]
        return max(ends, default=0)

    def num_latent_frames(self, segment: Segment) -> int:
        """Return how many latent frames a window has."""
        return latent_frames(segment.num_frames, self.time_factor)

    def num_pictures(self, segment: Segment) -> int:
        """Return how many pictures of the video a window makes, 0 or more."""
        start, stop = self.video_range(segment)
        return stop - start

    def position(self, frame: int) -> float:
        """Return where picture `frame` of the video lies on the motion clock, 0 or more."""
        return max(0.0, (frame + 0.5) * self.motion_fps / self.fps - 0.5)

    def video_position(self, motion_frame: int) -> float:
        """Return where a motion frame lies on the video clock, held at both ends."""
        position = (motion_frame + 0.5) * self.fps / self.motion_fps - 0.5
        return min(max(0.0, position), self.num_frames - 1.0)

    def video_range(self, segment: Segment) -> tuple[int, int]:
        """Return (start, stop) of the pictures that need no motion frame after `segment.keep`.

        A picture between two motion frames belongs to the window that makes the later one; the
        earlier one is then among the window's known frames. The ranges of all segments follow
        each other without gap or overlap and end at `num_frames`.
        """
        start, stop = (
            bisect_right(range(self.num_frames), edge - 1 + _ROUNDING, key=self.position)
            for edge in segment.keep
        )
        return start, stop


def plan_shot(
    duration_s: float,
    fps: float,
    motion_fps: float = 25.0,
    window: int = 49,
    overlap: int = 9,
    time_factor: int = TIME_FACTOR,
) -> ShotPlan:
    """Return the plan of a shot of `duration_s` seconds: exact counts and its windows.

    Args:
        motion_fps, window, overlap: as in `Tier`.
        time_factor: of the tier's latents, see `loading.parts.time_factor`.
    """
    num_frames = frames_of_duration(duration_s, fps)
    last_position = (num_frames - 0.5) * motion_fps / fps - 0.5
    num_motion_frames = max(1, math.ceil(last_position - _ROUNDING) + 1)
    segments = plan_segments(num_motion_frames, window, overlap, time_factor=time_factor)
    return ShotPlan(num_frames, fps, num_motion_frames, motion_fps, segments, time_factor)


def plan_segments(
    num_motion_frames: int,
    window: int = 49,
    overlap: int = 9,
    shortest: int = 33,
    time_factor: int = TIME_FACTOR,
) -> tuple[Segment, ...]:
    """Return the windows that cover a shot of any length.

    Each window but the first starts with `overlap` frames that the one before has made. The last
    one is as short as covers the end, but not shorter than `shortest`: the network was trained on
    seconds of motion, not on fifths of a second. Frames beyond the end are not kept.

    Args:
        num_motion_frames: length of the shot on the motion clock, at least 1.
        window, overlap, shortest: frames, each of the form 1 + pk, overlap < shortest <= window.
        time_factor: p, motion frames that a latent frame after the first stands for.

    Raises:
        InputError: windows of another form.
    """
    shortest = min(window, pixel_frames(covering_latent_frames(shortest, time_factor), time_factor))
    for name, value in (("window", window), ("overlap", overlap)):
        if value < 1 or (value - 1) % time_factor:
            raise InputError(f"{name} must be 1 + {time_factor}k frames, got {value}")
    if overlap >= shortest:
        raise InputError(f"overlap ({overlap}) must be shorter than any window ({shortest})")
    if num_motion_frames < 1:
        raise ValueError(f"a shot has at least 1 motion frame, got {num_motion_frames}")
    segments: list[Segment] = []
    made = 0
    while made < num_motion_frames:
        known = overlap if segments else 0
        first = made - known
        covering = pixel_frames(
            covering_latent_frames(num_motion_frames - first, time_factor), time_factor
        )
        length = min(window, max(shortest, covering))
        stop = min(first + length, num_motion_frames)
        index = len(segments)
        needs = (index - 1,) if index else ()
        segments.append(Segment(index, first, length, known, (made, stop), needs=needs))
        made = stop
    return tuple(segments)
