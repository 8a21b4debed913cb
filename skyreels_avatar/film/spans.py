"""Times of shots in a script file, given in seconds, words or beats, in seconds."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.film.marked_yaml import Marked
from skyreels_avatar.film.sound import load_sound
from skyreels_avatar.film.transcript import Transcript

START_KEYS = ("start_s", "start_beat", "from")
END_KEYS = ("end_s", "duration_s", "end_beat", "beats", "to")
LENGTH_KEYS = ("duration_s", "beats")
WORD_KEYS = ("from", "to")
_TIMECODE = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")
MAX_TIME_S = 1e6

Problem = Callable[[Marked, object], None]


def seconds(value: object, name: str) -> float:
    """Return a time in seconds that is written as a number or as "1:02.5" or "1:00:02"."""
    if isinstance(value, str) and (found := _TIMECODE.fullmatch(value.strip())):
        return 3600 * int(found[1] or 0) + 60 * int(found[2]) + float(found[3])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{name} must be seconds like 12.5, or minutes like 1:02.5, got {value!r}")
    if not 0 <= value <= MAX_TIME_S:
        raise InputError(f"{name} must be between 0 and {MAX_TIME_S:.0f} seconds, got {value:g}")
    return float(value)


class ReportedError(InputError):
    """Report a consequence of a problem that has been reported already."""


class SoundClock:
    """The words and beats of a soundtrack, read at the first use.

    Args:
        soundtrack, transcript: files; None where the script names none.
        tempo: beats a minute, None where it does not say.
        unusable: which of the two the script names, but cannot be used.
    """

    def __init__(
        self,
        soundtrack: Path | None,
        transcript: Path | None,
        tempo: float | None,
        unusable: Collection[str] = (),
    ):
        self._soundtrack = soundtrack
        self._transcript = transcript
        self._tempo = tempo
        self._unusable = unusable

    @cached_property
    def words(self) -> Transcript:
        """The transcript."""
        if "transcript" in self._unusable:
            raise ReportedError("the transcript cannot be used")
        if self._transcript is None:
            raise InputError("words need a transcript: name an .srt, .vtt or .lrc file at the top")
        return Transcript.load(self._transcript)

    @cached_property
    def beats_s(self) -> np.ndarray:
        """The times of the beats."""
        from skyreels_avatar.media.beats import track_beats

        if "soundtrack" in self._unusable:
            raise ReportedError("the soundtrack cannot be used")
        if self._soundtrack is None:
            raise InputError("beats need a soundtrack")
        return track_beats(load_sound(self._soundtrack), self._tempo)

    def beat(self, number: int) -> float:
        """Return the time of a beat, counted from 1."""
        if not 1 <= number <= len(self.beats_s):
            raise InputError(
                f"beat {number} is not in the soundtrack, which has {len(self.beats_s)} beats at "
                f"{self.tempo:.0f} a minute (tempo: at the top corrects a wrong tempo)"
            )
        return float(self.beats_s[number - 1])

    def beat_at(self, time_s: float) -> int:
        """Return the number of the beat nearest to a time."""
        return 1 + int(np.argmin(np.abs(self.beats_s - time_s)))

    @property
    def tempo(self) -> float:
        """Beats a minute."""
        return float(60 / np.median(np.diff(self.beats_s)))


class SpanReader:
    """Resolves the times of shots to seconds, shot by shot."""

    def __init__(self, clock: SoundClock, problem: Problem):
        self._clock = clock
        self._problem = problem
        self._reached_s: float | None = 0.0  # None: a shot's length is not known
        self._latest_s = 0.0
        self._has_failed = False

    def skip(self, length_s: float | None) -> None:
        """Advance past a shot with its own sound."""
        known = self._reached_s is not None and length_s is not None
        self._reached_s = self._reached_s + length_s if known else None
        self._latest_s = max(self._latest_s, self._reached_s or 0.0)

    def read(self, entries: Mapping[str, Marked]) -> tuple[float | None, float | None]:
        """Return start and end of a shot on the soundtrack, None where they are not given."""
        start = self._one_of(entries, START_KEYS)
        end = self._one_of(entries, END_KEYS)
        start_s = self._value(start, entries, None) if start else None
        begins_s = self._reached_s if start is None else start_s
        end_s = self._value(end, entries, begins_s) if end else None
        if None not in (begins_s, end_s) and end_s <= begins_s:
            self._problem(
                entries[end],
                f"the shot must end after it starts, got {begins_s:g} s to {end_s:g} s",
            )
            end_s = None
        self._reached_s = end_s
        self._latest_s = max(
            time_s for time_s in (self._latest_s, begins_s, end_s) if time_s is not None
        )
        return start_s, end_s

    def _one_of(self, entries: Mapping[str, Marked], keys: tuple[str, ...]) -> str | None:
        given = [key for key in keys if key in entries]
        if len(given) > 1:
            self._problem(entries[given[1]], f"give {given[0]} or {given[1]}, not both")
        return given[0] if given else None

    def _value(
        self, key: str, entries: Mapping[str, Marked], begins_s: float | None
    ) -> float | None:
        marked = entries[key]
        try:
            return self._seconds(key, marked.plain(), begins_s)
        except ReportedError:
            pass
        except InputError as error:
            self._problem(marked, error)
        self._has_failed = True
        return None

    def _seconds(self, key: str, value: object, begins_s: float | None) -> float:
        if key in ("start_s", "end_s"):
            return seconds(value, key)
        if key in LENGTH_KEYS and begins_s is None and self._has_failed:
            raise ReportedError("a shot before has no length for another reason")
        if key in LENGTH_KEYS and begins_s is None:
            raise InputError(
                f"{key} needs to know when the shot starts: give the shots before it a length, too"
            )
        if key == "duration_s":
            return begins_s + seconds(value, key)
        if key in WORD_KEYS:
            if not isinstance(value, str):
                raise InputError(f"{key} must be words of the transcript, got {value!r}")
            after_s = self._latest_s if begins_s is None else max(begins_s, self._latest_s)
            return self._clock.words.find(value, after_s)[key == "to"]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{key} must be a whole number from 1, got {value!r}")
        if key == "beats":
            return self._clock.beat(self._clock.beat_at(begins_s) + value)
        return self._clock.beat(value)
