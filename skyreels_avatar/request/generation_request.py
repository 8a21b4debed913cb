"""One video to make, checked: a shot, where it goes, and how it is generated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skyreels_avatar.checks import (
    MAX_SEED,
    check_choice,
    check_fields,
    check_integer,
    check_number,
    set_path,
    short_repr,
)
from skyreels_avatar.errors import InputError
from skyreels_avatar.loading.memory import parse_memory
from skyreels_avatar.media.image import fit_size
from skyreels_avatar.media.subtitles import subtitle_path
from skyreels_avatar.media.video import exact_fps
from skyreels_avatar.request.motion_track import motion_path
from skyreels_avatar.request.plain_values import from_plain, to_plain
from skyreels_avatar.request.sampling import SamplingParams
from skyreels_avatar.request.shot import Shot

WINDOWS = ("overlap", "keyframes")


@dataclass(frozen=True)
class GenerationRequest:
    """One video to make: a shot, where it goes, and how.

    Args:
        output: ends in .mp4.
        tier: the name of a file in configs/, or the path of a yaml file.
        size: "512x512" (WIDTHxHEIGHT), "480p", "720p", or None for the picture's own aspect.
        fps: frames per second of the video, 1 to 120.
        subtitles: a file for the shot's text, .srt, .vtt, .lrc or .json; "srt" alone and its like
            mean beside the video.
        cuts: frames before which the video can later be cut without encoding it again.
        windows: how a long shot is cut: "overlap", each window goes on from the one before, or
            "keyframes", windows between key frames, which can be made side by side.
        memory: of a GPU that may be taken: "auto", "full" or like "24gb"; None = the tier's own.
        save_motion: a .json or .csv file for the performance of one speaker, as ARKit weights.
    """

    shot: Shot
    output: str | Path
    tier: str = "nano"
    size: str | None = None
    fps: float = 25.0
    sampling: SamplingParams = field(default_factory=SamplingParams)
    subtitles: str | Path | None = None
    cuts: Sequence[int] = ()
    windows: str = "overlap"
    memory: str | None = None
    save_motion: str | Path | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        set_path(self, "output")
        set_path(self, "save_motion")
        set_path(self, "subtitles")
        check_choice("windows", self.windows, WINDOWS)
        for name, cls in (("shot", Shot), ("sampling", SamplingParams)):
            value = getattr(self, name)
            if not isinstance(value, cls):
                object.__setattr__(self, name, from_plain(cls, value))
        if self.output is None or self.output.suffix.lower() != ".mp4":
            raise InputError(f"the output must end in .mp4, got {self.output}")
        if not self.shot.has_sound:
            raise InputError("no sound was given; give audio (a sound file) or text (to speak)")
        if self.subtitles is not None:
            if self.shot.text is None:
                raise InputError("subtitles come from the text that is said; give a text")
            object.__setattr__(self, "subtitles", subtitle_path(self.subtitles, self.output))
        if self.save_motion is not None:
            motion_path(self.save_motion)
            if len(self.shot.speakers) > 1:
                raise InputError(
                    "a motion file holds one person's performance; leave it out for several "
                    "speakers",
                    parameter="save_motion",
                )
        if not self.tier:
            raise InputError("tier must be a name or the path of a yaml file, got nothing")
        fit_size(512, 512, self.size)
        if self.memory is not None:
            parse_memory(self.memory)
        if not isinstance(self.cuts, (list, tuple)):
            raise InputError(f"cuts must be a list of frames, got {short_repr(self.cuts)}")
        object.__setattr__(self, "cuts", tuple(self.cuts))
        for cut in self.cuts:
            check_integer("a cut", cut, 0, MAX_SEED)
        exact_fps(check_number("fps", self.fps, -math.inf, math.inf))

    @property
    def seed(self) -> int:
        """The seed in force: the shot's own, else that of `sampling`."""
        return self.sampling.seed if self.shot.seed is None else self.shot.seed

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GenerationRequest:
        """Build from plain values, the inverse of `to_dict`; unknown keys are errors."""
        return from_plain(cls, values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON and YAML can hold."""
        return to_plain(self)
