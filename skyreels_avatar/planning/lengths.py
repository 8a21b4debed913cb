"""Which frame of footage is shown when its new sound is longer or shorter: pure arithmetic.

Both clocks show the middle of their interval, as in `segments`: picture i of the output stands for
second (i + 0.5) / fps. Rates are exact fractions (29.97 is 30000/1001), so nothing drifts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.video import exact_fps

POLICIES = ("audio", "video", "loop", "bounce", "remap", "silence")
# Viewers notice a frozen face first, and a whole take played backwards next: a video that ends too
# early goes back and forth over its last two seconds.
SWAY_S = 2


@dataclass(frozen=True)
class LengthPlan:
    """How a video and a sound of different lengths become one length.

    Attributes:
        policy: one of `POLICIES`; see `plan_length`.
        num_frames: of the output, at `fps`.
        num_source_frames: of the video, at `source_fps`.
        audio_s: how much of the sound is heard, from its beginning.
        silence_s: how much silence follows it.
    """

    policy: str
    num_frames: int
    fps: Fraction
    num_source_frames: int
    source_fps: Fraction
    audio_s: float
    silence_s: float

    @property
    def duration_s(self) -> float:
        """Length of the output in seconds."""
        return float(self.num_frames / self.fps)

    def position(self, frame: int) -> float:
        """Return where picture `frame` of the output lies in the video, in frames of the video.

        From 0 to num_source_frames - 1; whole numbers wherever both rates are the same and time
        is not stretched.

        Raises:
            IndexError: the output has no such frame.
        """
        if not 0 <= frame < self.num_frames:
            raise IndexError(f"the output has {self.num_frames} frames, there is no {frame}")
        middle = frame + Fraction(1, 2)
        last = self.num_source_frames - 1
        if self.policy == "remap":
            position = middle * self.num_source_frames / self.num_frames - Fraction(1, 2)
            return float(min(max(position, 0), last))
        position = max(middle * self.source_fps / self.fps - Fraction(1, 2), Fraction(0))
        if self.policy == "loop":
            return float(_looped(position, self.num_source_frames))
        if self.policy == "bounce":
            return float(_bounced(position, 0, last))
        return float(_bounced(position, max(0, last - _sway_frames(self.source_fps)), last))

    def index(self, frame: int) -> int:
        """Return the frame of the video that is nearest to `position(frame)`."""
        return math.floor(self.position(frame) + 0.5)


def plan_length(
    policy: str,
    audio_s: float,
    num_source_frames: int,
    source_fps: float,
    fps: float | None = None,
) -> LengthPlan:
    """Return how a video and its new sound become one length.

    Args:
        policy: "audio": as long as the sound; a longer video is cut, a shorter one goes back
            and forth over its last two seconds. "video": as long as the video; the sound is cut, or
            silence follows it. "loop": as long as the sound; the video starts again. "bounce": as
            long as the sound; the video runs forwards and backwards. "remap": as long as the
            sound; the video runs slower or faster. "silence": as long as the longer of both;
            silence follows a shorter sound, a shorter video goes on as in "audio".
        audio_s: length of the sound in seconds.
        num_source_frames, source_fps: of the video.
        fps: of the output; None means that of the video.

    Raises:
        InputError: an unknown policy, or a length or rate that cannot be.
    """
    if policy not in POLICIES:
        raise InputError(f"unknown length policy {policy!r}; they are {', '.join(POLICIES)}")
    if not math.isfinite(audio_s) or audio_s <= 0:
        raise InputError(f"a sound must be longer than 0 s, got {audio_s:g} s")
    if num_source_frames < 1:
        raise InputError(f"a video has at least 1 frame, got {num_source_frames}")
    source_rate = exact_fps(source_fps)
    rate = source_rate if fps is None else exact_fps(fps)
    video_s = num_source_frames / source_rate
    sound_s = Fraction(audio_s)
    wanted_s = sound_s
    if policy == "video" or (policy == "silence" and video_s > sound_s):
        wanted_s = video_s
    return LengthPlan(
        policy=policy,
        num_frames=max(1, math.floor(wanted_s * rate + Fraction(1, 2))),
        fps=rate,
        num_source_frames=num_source_frames,
        source_fps=source_rate,
        audio_s=float(min(sound_s, wanted_s)),
        silence_s=float(max(wanted_s - sound_s, 0)),
    )


def _looped(position: Fraction, num_frames: int) -> Fraction:
    """Return a position in a video that starts again; between its ends the nearer one is shown."""
    position %= num_frames
    last = num_frames - 1
    if position <= last:
        return position
    return Fraction(last) if position - last < Fraction(1, 2) else Fraction(0)


def _bounced(position: Fraction, first: int, last: int) -> Fraction:
    """Return a position that is reflected at `last`, then at `first`; no frame is shown twice."""
    if position <= last:
        return position
    reach = last - first
    if reach == 0:
        return Fraction(last)
    beyond = (position - last) % (2 * reach)
    return last - beyond if beyond <= reach else first + beyond - reach


def _sway_frames(fps: Fraction) -> int:
    return math.ceil(SWAY_S * fps)
