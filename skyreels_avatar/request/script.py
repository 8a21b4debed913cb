"""A film, checked: shots in order over one soundtrack."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyreels_avatar.checks import check_fields, check_number, set_path, short_repr
from skyreels_avatar.errors import InputError
from skyreels_avatar.media.image import fit_size
from skyreels_avatar.media.video import exact_fps
from skyreels_avatar.request.plain_values import from_plain, to_plain
from skyreels_avatar.request.shot import Shot


@dataclass(frozen=True)
class Script:
    """A film: shots in order over one soundtrack, all of one size and rate.

    Args:
        shots: with a soundtrack, `start_s` and `end_s` of a shot are times of it; shots without
            times follow each other and share what is left. A shot with `audio` of its own lasts as
            long as that, `start_s` and `end_s` are times of it, and it sounds over the soundtrack.
        soundtrack: one sound from the first shot to the last, which they speak or sing.
        height, width: of the film in pixels, even.
        fps: frames per second, 1 to 120.
    """

    shots: Sequence[Shot]
    soundtrack: str | Path | None = None
    height: int = 512
    width: int = 512
    fps: float = 25.0

    def __post_init__(self) -> None:
        check_fields(self)
        if isinstance(self.shots, (str, Mapping)) or not isinstance(self.shots, Sequence):
            raise InputError(f"shots must be a list, got {short_repr(self.shots)}")
        shots = tuple(
            shot if isinstance(shot, Shot) else from_plain(Shot, shot) for shot in self.shots
        )
        object.__setattr__(self, "shots", shots)
        set_path(self, "soundtrack")
        if not self.shots:
            raise InputError("a script needs at least one shot")
        fit_size(self.height, self.width, f"{self.width}x{self.height}")
        exact_fps(check_number("fps", self.fps, -math.inf, math.inf))
        for number, shot in enumerate(self.shots, start=1):
            if not shot.has_sound and self.soundtrack is None:
                raise InputError(
                    f"shot {number} has no audio and no text, and the script has no soundtrack"
                )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Script:
        """Build from plain values, the inverse of `to_dict`; unknown keys are errors."""
        return from_plain(cls, values)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON and YAML can hold."""
        return to_plain(self)
