"""Read a script file into a `Script`, reporting all problems at once with their lines."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from skyreels_avatar.checks import short_repr, user_path
from skyreels_avatar.errors import InputError, MediaError, ScriptError
from skyreels_avatar.film.field_values import (
    has_own_sound,
    with_defaults,
)
from skyreels_avatar.film.marked_yaml import Marked, read_marked
from skyreels_avatar.film.problem_log import ProblemLog
from skyreels_avatar.film.shot_reader import SHOT_KEYS, SPAN_KEYS, ShotReader
from skyreels_avatar.film.sound import load_sound, own_sound, place_shots
from skyreels_avatar.film.spans import (
    END_KEYS,
    LENGTH_KEYS,
    START_KEYS,
    SoundClock,
    SpanReader,
)
from skyreels_avatar.media.image import fit_size
from skyreels_avatar.request.script import Script
from skyreels_avatar.request.shot import Shot

FILM_KEYS = ("shots", "soundtrack", "size", "height", "width", "fps", "defaults")
CLOCK_KEYS = ("transcript", "tempo")
PART_KEYS = ("shots", "defaults")
MAX_SHOTS = 10_000
_CINEMA = 16 / 9  # what 480p and 720p mean where no picture says otherwise


def read_script(path: str | Path) -> Script:
    """Read a film from a YAML file, with words and beats turned into seconds.

    Relative paths in it are relative to the file. See assets/examples/film.yaml for what it may
    hold; what `Script.to_dict` gives is a script, too.

    Args:
        path: the file.

    Raises:
        ScriptError: the file cannot be used; every problem that was found, each with its line.
    """
    try:
        path = user_path(path)
    except InputError as error:
        raise ScriptError([str(error)]) from error
    return _ScriptReader(path).read()


class _ScriptReader:
    def __init__(self, path: Path):
        self._path = path
        self._problems = ProblemLog()
        self._shot_reader = ShotReader(self._problems)

    def read(self) -> Script:
        """Return the script of the file, or raise all its problems."""
        top = read_marked(self._path)
        if not isinstance(top.value, dict):
            raise ScriptError([top.problem("a script is a mapping that holds a list of shots")])
        self._check_keys(top, (*FILM_KEYS, *CLOCK_KEYS), "a script")
        film = self._film_values(top)
        entries = self._shots_of(top, {}, (self._path.resolve(),))
        clock = self._clock(top, film.get("soundtrack"))
        shots = self._shots(entries, film.get("soundtrack"), clock)
        self._problems.raise_all()
        try:
            script = Script(tuple(shots), **film)
        except InputError as error:
            raise ScriptError([top.problem(error)]) from error
        self._check_times(script, entries)
        return script

    def _check_keys(self, marked: Marked, known: Sequence[str], noun: str) -> None:
        for key, value in marked.value.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                self._problems.add(value, f"{short_repr(key)} is unknown in {noun}; {hint}")

    def _film_values(self, top: Marked) -> dict[str, Any]:
        """Return the arguments of Script but for its shots."""
        film: dict[str, Any] = {}
        soundtrack = top.value.get("soundtrack")
        if soundtrack is not None and soundtrack.value is not None:
            found = self._problems.file(soundtrack, "soundtrack")
            if found and self._sound(soundtrack, found):
                film["soundtrack"] = found
        for key in ("height", "width", "fps"):
            if key in top.value:
                film[key] = self._checked_number(top.value[key], key)
        if "size" in top.value:
            if "height" in top.value or "width" in top.value:
                self._problems.add(top.value["size"], "give size, or height and width, not both")
            film["height"], film["width"] = self._size(top.value["size"])
        return {key: value for key, value in film.items() if value is not None}

    def _checked_number(self, marked: Marked, key: str) -> float | int | None:
        """Return a number that Script takes for `key`."""
        value = marked.plain()
        try:
            if key != "fps" and not (isinstance(value, int) and not isinstance(value, bool)):
                raise InputError(f"{key} must be a whole number of pixels, got {value!r}")
            Script((Shot(image="p", audio="a"),), **{key: value})
        except InputError as error:
            self._problems.add(marked, error)
            return None
        return value

    def _size(self, marked: Marked) -> tuple[int | None, int | None]:
        value = marked.plain()
        try:
            if not isinstance(value, str):
                raise InputError(f"size must be WIDTHxHEIGHT like 1280x720, got {value!r}")
            return fit_size(9 * 64, round(9 * 64 * _CINEMA), value)
        except InputError as error:
            self._problems.add(marked, error)
            return None, None

    def _clock(self, top: Marked, soundtrack: Path | None) -> SoundClock:
        transcript = tempo = None
        if "transcript" in top.value:
            transcript = self._problems.file(top.value["transcript"], "transcript")
        if "tempo" in top.value:
            tempo = top.value["tempo"].plain()
            if isinstance(tempo, bool) or not isinstance(tempo, (int, float)):
                tempo = 0
            if not 30 <= tempo <= 300:
                self._problems.add(top.value["tempo"], "tempo must be 30 to 300 beats a minute")
                tempo = None
        found = {"soundtrack": soundtrack, "transcript": transcript}
        unusable = [key for key, path in found.items() if path is None and key in top.value]
        return SoundClock(soundtrack, transcript, tempo, unusable)

    def _shots_of(
        self, top: Marked, defaults: Mapping[str, Marked], files: tuple[Path, ...]
    ) -> list[tuple[Marked, dict[str, Marked]]]:
        """Return every shot of a file and of those it includes, with defaults filled in."""
        own = top.value.get("defaults")
        if own is not None:
            if isinstance(own.value, dict):
                known = [k for k in SHOT_KEYS if k not in SPAN_KEYS or k in LENGTH_KEYS]
                self._check_keys(own, known, "defaults")
                usable = {key: value for key, value in own.value.items() if key in known}
                defaults = with_defaults(usable, defaults)
            else:
                self._problems.add(own, "defaults must be a mapping, as of a shot")
        shots = top.value.get("shots")
        if shots is None or not isinstance(shots.value, list) or not shots.value:
            self._problems.add(
                shots or top, "a script needs a list of at least one shot under shots:"
            )
            return []
        entries: list[tuple[Marked, dict[str, Marked]]] = []
        for shot in shots.value:
            if not isinstance(shot.value, dict):
                self._problems.add(
                    shot, f"a shot is a mapping of names to values, got {shot.plain()!r}"
                )
            elif "include" in shot.value:
                entries += self._included(shot, defaults, files)
            else:
                self._check_keys(shot, SHOT_KEYS, "a shot")
                entries.append((shot, with_defaults(shot.value, defaults)))
            if len(entries) > MAX_SHOTS:
                raise ScriptError([shot.problem(f"a film has at most {MAX_SHOTS} shots")])
        return entries

    def _included(
        self, shot: Marked, defaults: Mapping[str, Marked], files: tuple[Path, ...]
    ) -> list[tuple[Marked, dict[str, Marked]]]:
        """Return the shots of another script, which stand in the place of this entry."""
        include = shot.value["include"]
        if len(shot.value) > 1:
            self._problems.add(include, "include stands alone in its entry")
        path = self._problems.file(include, "script")
        if path is None:
            return []
        if path.resolve() in files:
            chain = " -> ".join(file.name for file in (*files, path))
            self._problems.add(include, f"a script cannot include itself: {chain}")
            return []
        try:
            part = read_marked(path)
        except ScriptError as error:
            self._problems.add_file(path, error)
            return []
        # Nothing is repeated of a file that is not a script: it may be somebody else's.
        if not isinstance(part.value, dict) or "shots" not in part.value:
            self._problems.add(part, "an included script is a mapping that holds a list of shots")
            return []
        self._check_keys(part, PART_KEYS, "an included script")
        return self._shots_of(part, defaults, (*files, path.resolve()))

    def _sound(self, marked: Marked, path: Path):
        try:
            return load_sound(path)
        except MediaError as error:
            self._problems.add(marked, error)
            return None

    def _shots(
        self,
        entries: Sequence[tuple[Marked, dict[str, Marked]]],
        soundtrack: Path | None,
        clock: SoundClock,
    ) -> list[Shot]:
        spans, shots = SpanReader(clock, self._problems.add), []
        for index, (marked, values) in enumerate(entries):
            if has_own_sound(values):
                shot = self._shot_reader.shot(marked, values, self._shot_reader.own_span(values))
                spans.skip(None if shot is None else self._shot_reader.own_duration(values, shot))
            else:
                shot = self._shot_reader.shot(
                    marked, values, dict(zip(("start_s", "end_s"), spans.read(values)))
                )
                if soundtrack is None and not len(self._problems):
                    self._problems.add(
                        marked,
                        f"shot {index + 1} has no audio and no text, and the script no soundtrack",
                    )
            shots.append(shot)
        return self._extend_over_pauses(entries, shots)

    def _extend_over_pauses(
        self, entries: Sequence[tuple[Marked, dict[str, Marked]]], shots: Sequence[Shot | None]
    ) -> list[Shot]:
        """Let shots that end with a word last until the next one begins."""
        held = list(shots)
        for index, (_, values) in enumerate(entries[:-1]):
            shot, later = held[index], held[index + 1]
            ends_by_word = "to" in values and shot is not None and not shot.has_sound
            if not ends_by_word or later is None or later.has_sound:
                continue
            if later.start_s is not None and later.start_s > shot.end_s:
                held[index] = replace(shot, end_s=later.start_s)
        return held

    def _check_times(
        self, script: Script, entries: Sequence[tuple[Marked, dict[str, Marked]]]
    ) -> None:
        soundtrack = None if script.soundtrack is None else load_sound(script.soundtrack)
        _, problems = place_shots(script, soundtrack, [own_sound(shot) for shot in script.shots])
        for problem in problems:
            marked, values = entries[problem.index]
            keys = {"start_s": START_KEYS, "end_s": END_KEYS, "fade_s": ("transition", "fade_s")}
            named = [values[k] for k in keys.get(problem.key, (problem.key,)) if k in values]
            self._problems.add(named[0] if named else marked, problem.message)
        self._problems.raise_all()
