"""A script file becomes a `Script`; everything wrong with it is said at once, with lines."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from skyreels_avatar.checks import short_repr, user_path
from skyreels_avatar.errors import InputError, MediaError, ScriptError
from skyreels_avatar.film.field_values import (
    face_selector,
    has_own_sound,
    parse_strength,
    with_defaults,
)
from skyreels_avatar.film.marked_yaml import Marked, read_marked
from skyreels_avatar.film.sound import load_sound, own_sound, place_shots
from skyreels_avatar.film.spans import (
    END_KEYS,
    LENGTH_KEYS,
    START_KEYS,
    SoundClock,
    SpanReader,
    seconds,
)
from skyreels_avatar.media.files import existing_file
from skyreels_avatar.media.image import fit_size
from skyreels_avatar.request.camera_spec import parse_camera
from skyreels_avatar.request.script import Script
from skyreels_avatar.request.shot import Shot

FILM_KEYS = ("shots", "soundtrack", "size", "height", "width", "fps", "defaults")
CLOCK_KEYS = ("transcript", "tempo")
PART_KEYS = ("shots", "defaults")
MAX_SHOTS = 10_000
_SPAN_KEYS = (*START_KEYS, *END_KEYS)
SHOT_FIELDS = tuple(item.name for item in fields(Shot))
SHOT_KEYS = (*SHOT_FIELDS, *(key for key in _SPAN_KEYS if key not in SHOT_FIELDS), "transition")
_FILE_FIELDS = tuple(item.name for item in fields(Shot) if "Path" in str(item.type))
_SOUND_KEYS = ("audio", "text", "speakers")
_NOUNS = {"image": "picture", "video": "video"}
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
        self._problems: list[tuple[str, int, str]] = []

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
        self._raise_problems()
        try:
            script = Script(tuple(shots), **film)
        except InputError as error:
            raise ScriptError([top.problem(error)]) from error
        self._check_times(script, entries)
        return script

    def _problem(self, marked: Marked, message: object) -> None:
        found = (str(marked.path), marked.line, marked.problem(message))
        if found not in self._problems:  # a default is found wrong once, not in every shot
            self._problems.append(found)

    def _raise_problems(self) -> None:
        """Raise all problems that were found, in the order of their lines."""
        if self._problems:
            in_order = sorted(self._problems, key=lambda found: found[:2])
            raise ScriptError([problem for _, _, problem in in_order])

    def _check_keys(self, marked: Marked, known: Sequence[str], noun: str) -> None:
        for key, value in marked.value.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                self._problem(value, f"{short_repr(key)} is unknown in {noun}; {hint}")

    def _film_values(self, top: Marked) -> dict[str, Any]:
        """Return the arguments of Script but for its shots."""
        film: dict[str, Any] = {}
        soundtrack = top.value.get("soundtrack")
        if soundtrack is not None and soundtrack.value is not None:
            found = self._file(soundtrack, "soundtrack")
            if found and self._sound(soundtrack, found):
                film["soundtrack"] = found
        for key in ("height", "width", "fps"):
            if key in top.value:
                film[key] = self._checked_number(top.value[key], key)
        if "size" in top.value:
            if "height" in top.value or "width" in top.value:
                self._problem(top.value["size"], "give size, or height and width, not both")
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
            self._problem(marked, error)
            return None
        return value

    def _size(self, marked: Marked) -> tuple[int | None, int | None]:
        value = marked.plain()
        try:
            if not isinstance(value, str):
                raise InputError(f"size must be WIDTHxHEIGHT like 1280x720, got {value!r}")
            return fit_size(9 * 64, round(9 * 64 * _CINEMA), value)
        except InputError as error:
            self._problem(marked, error)
            return None, None

    def _clock(self, top: Marked, soundtrack: Path | None) -> SoundClock:
        transcript = tempo = None
        if "transcript" in top.value:
            transcript = self._file(top.value["transcript"], "transcript")
        if "tempo" in top.value:
            tempo = top.value["tempo"].plain()
            if isinstance(tempo, bool) or not isinstance(tempo, (int, float)):
                tempo = 0
            if not 30 <= tempo <= 300:
                self._problem(top.value["tempo"], "tempo must be 30 to 300 beats a minute")
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
                known = [k for k in SHOT_KEYS if k not in _SPAN_KEYS or k in LENGTH_KEYS]
                self._check_keys(own, known, "defaults")
                usable = {key: value for key, value in own.value.items() if key in known}
                defaults = with_defaults(usable, defaults)
            else:
                self._problem(own, "defaults must be a mapping, as of a shot")
        shots = top.value.get("shots")
        if shots is None or not isinstance(shots.value, list) or not shots.value:
            self._problem(shots or top, "a script needs a list of at least one shot under shots:")
            return []
        entries: list[tuple[Marked, dict[str, Marked]]] = []
        for shot in shots.value:
            if not isinstance(shot.value, dict):
                self._problem(shot, f"a shot is a mapping of names to values, got {shot.plain()!r}")
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
            self._problem(include, "include stands alone in its entry")
        path = self._file(include, "script")
        if path is None:
            return []
        if path.resolve() in files:
            chain = " -> ".join(file.name for file in (*files, path))
            self._problem(include, f"a script cannot include itself: {chain}")
            return []
        try:
            part = read_marked(path)
        except ScriptError as error:
            self._problems += [(str(path), 0, problem) for problem in error.problems]
            return []
        # Nothing is repeated of a file that is no script: it may be somebody else's.
        if not isinstance(part.value, dict) or "shots" not in part.value:
            self._problem(part, "an included script is a mapping that holds a list of shots")
            return []
        self._check_keys(part, PART_KEYS, "an included script")
        return self._shots_of(part, defaults, (*files, path.resolve()))

    def _file(self, marked: Marked, noun: str) -> Path | None:
        """Return the path of a file that is there; relative ones lie beside their script."""
        value = marked.plain()
        if not isinstance(value, (str, Path)) or not str(value).strip():
            self._problem(marked, f"the {noun} must be the path of a file, got {value!r}")
            return None
        try:
            return existing_file(marked.path.parent / user_path(value), noun)
        except InputError as error:
            self._problem(marked, error)
            return None

    def _sound(self, marked: Marked, path: Path):
        try:
            return load_sound(path)
        except MediaError as error:
            self._problem(marked, error)
            return None

    def _shots(
        self,
        entries: Sequence[tuple[Marked, dict[str, Marked]]],
        soundtrack: Path | None,
        clock: SoundClock,
    ) -> list[Shot]:
        spans, shots = SpanReader(clock, self._problem), []
        for index, (marked, values) in enumerate(entries):
            if has_own_sound(values):
                shot = self._shot(marked, values, self._own_span(values))
                spans.skip(None if shot is None else self._own_length(values, shot))
            else:
                shot = self._shot(
                    marked, values, dict(zip(("start_s", "end_s"), spans.read(values)))
                )
                if soundtrack is None and not self._problems:
                    self._problem(
                        marked,
                        f"shot {index + 1} has no audio and no text, and the script no soundtrack",
                    )
            shots.append(shot)
        return self._held_through_pauses(entries, shots)

    def _own_span(self, values: Mapping[str, Marked]) -> dict[str, float | None]:
        """Return the piece of its own sound that a shot uses."""
        span: dict[str, float | None] = {}
        for key in _SPAN_KEYS:
            if key not in values:
                continue
            try:
                if key not in ("start_s", "end_s"):
                    raise InputError(
                        f"{key} is a time of the soundtrack, but this shot has a sound of its own; "
                        "give start_s and end_s in that"
                    )
                span[key] = seconds(values[key].plain(), key)
            except InputError as error:
                self._problem(values[key], error)
        return span

    def _own_length(self, values: Mapping[str, Marked], shot: Shot) -> float | None:
        try:
            return own_sound(shot).duration_s
        except InputError as error:
            self._problem(next(values[key] for key in _SOUND_KEYS if key in values), error)
            return None

    def _shot(
        self, marked: Marked, values: Mapping[str, Marked], span: Mapping[str, float | None]
    ) -> Shot | None:
        before = len(self._problems)
        arguments: dict[str, Any] = dict(span)
        for key, value in values.items():
            if key in _FILE_FIELDS and value.value is not None:
                arguments[key] = self._file(value, _NOUNS.get(key, "sound"))
            elif key == "transition":
                arguments["fade_s"] = self._fade(value)
            elif key == "camera":
                arguments[key] = self._camera(value)
            elif key == "speakers" and isinstance(value.value, list):
                arguments[key] = [self._speaker(one) for one in value.value]
            elif key == "face":
                arguments[key] = face_selector(value)
            elif key in SHOT_FIELDS and key not in _SPAN_KEYS:
                arguments[key] = value.plain()
        whole: InputError | None = None
        if len(self._problems) == before:
            try:
                return Shot(**arguments)
            except InputError as error:
                whole = error
        if not self._report_field_errors(values, arguments) and whole is not None:
            self._problem(marked, whole)
        return None

    def _report_field_errors(
        self, values: Mapping[str, Marked], arguments: Mapping[str, Any]
    ) -> bool:
        """Report every key whose value no shot could have."""
        found = False
        for key, value in values.items():
            if key in arguments and key not in _FILE_FIELDS:
                try:
                    Shot(image="p", **{key: arguments[key]})
                except InputError as error:
                    self._problem(value, error)
                    found = True
        return found

    def _speaker(self, marked: Marked) -> object:
        """Return a speaker as `Shot` takes it, with the path of the voice."""
        if not isinstance(marked.value, dict):
            return marked.plain()
        values = marked.plain()
        if "face" in marked.value:
            values["face"] = face_selector(marked.value["face"])
        if values.get("audio") is not None:
            values["audio"] = self._file(marked.value["audio"], "sound")
        return values

    def _fade(self, marked: Marked) -> float:
        value = marked.plain()
        if value == "cut":
            return 0.0
        if isinstance(value, dict) and list(value) == ["fade_s"]:
            try:
                Shot(image="p", fade_s=value["fade_s"])
                return value["fade_s"]
            except InputError as error:
                self._problem(marked.value["fade_s"], error)
                return 0.0
        self._problem(marked, f"transition must be cut or {{fade_s: 0.5}}, got {value!r}")
        return 0.0

    def _camera(self, marked: Marked) -> object:
        """Return a camera as `parse_camera` takes it, its problems where they stand."""
        items = marked.value if isinstance(marked.value, list) else [marked]
        before = len(self._problems)
        for item in items:
            try:
                value = parse_strength(item)
                parse_camera([value] if items is marked.value else value)
            except InputError as error:
                self._problem(item, error)
        if len(self._problems) > before:
            return "static"
        values = [parse_strength(item) for item in items]
        return values if items is marked.value else values[0]

    def _held_through_pauses(
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
            self._problem(named[0] if named else marked, problem.message)
        self._raise_problems()
