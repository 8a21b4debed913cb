"""Build a `Shot` from an entry of a script file, noting problems at their lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from skyreels_avatar.errors import InputError
from skyreels_avatar.film.field_values import face_selector, parse_strength
from skyreels_avatar.film.marked_yaml import Marked
from skyreels_avatar.film.problem_log import ProblemLog
from skyreels_avatar.film.sound import own_sound
from skyreels_avatar.film.spans import END_KEYS, START_KEYS, seconds
from skyreels_avatar.request.camera_spec import parse_camera
from skyreels_avatar.request.separation import names_no_file
from skyreels_avatar.request.shot import Shot
from skyreels_avatar.request.style import names_style_file

SPAN_KEYS = (*START_KEYS, *END_KEYS)
SHOT_FIELDS = tuple(item.name for item in fields(Shot))
SHOT_KEYS = (*SHOT_FIELDS, *(key for key in SPAN_KEYS if key not in SHOT_FIELDS), "transition")
_FILE_FIELDS = tuple(item.name for item in fields(Shot) if "Path" in str(item.type))
_SWITCHES = ("vocals", "gate")
_SOUND_KEYS = ("audio", "text", "speakers")
_NOUNS = {"image": "picture", "video": "video", "style": "style"}


class ShotReader:
    """Builds shots from the marked values of script entries."""

    def __init__(self, problems: ProblemLog):
        self._problems = problems

    def own_span(self, values: Mapping[str, Marked]) -> dict[str, float | None]:
        """Return the piece of its own sound that a shot uses."""
        span: dict[str, float | None] = {}
        for key in SPAN_KEYS:
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
                self._problems.add(values[key], error)
        return span

    def own_duration(self, values: Mapping[str, Marked], shot: Shot) -> float | None:
        """Return the seconds of a shot's own sound; None after a problem."""
        try:
            return own_sound(shot).duration_s
        except InputError as error:
            self._problems.add(next(values[key] for key in _SOUND_KEYS if key in values), error)
            return None

    def shot(
        self, marked: Marked, values: Mapping[str, Marked], span: Mapping[str, float | None]
    ) -> Shot | None:
        """Return the shot of an entry, with its times; None after a problem."""
        before = len(self._problems)
        arguments: dict[str, Any] = dict(span)
        for key, value in values.items():
            is_file = key in _FILE_FIELDS and not names_no_file(key, value.value)
            is_file |= key == "style" and names_style_file(value.value)
            if key in _SWITCHES and isinstance(value.value, bool):  # YAML's reading of on and off
                arguments[key] = "on" if value.value else "off"
            elif is_file and value.value is not None:
                arguments[key] = self._problems.file(value, _NOUNS.get(key, "sound"))
            elif key == "transition":
                arguments["fade_s"] = self._fade(value)
            elif key == "camera":
                arguments[key] = self._camera(value)
            elif key == "speakers" and isinstance(value.value, list):
                arguments[key] = [self._speaker(one) for one in value.value]
            elif key == "face":
                arguments[key] = face_selector(value)
            elif key in SHOT_FIELDS and key not in SPAN_KEYS:
                arguments[key] = value.plain()
        shot_error: InputError | None = None
        if len(self._problems) == before:
            try:
                return Shot(**arguments)
            except InputError as error:
                shot_error = error
        if not self._report_field_errors(values, arguments) and shot_error is not None:
            self._problems.add(marked, shot_error)
        return None

    def _report_field_errors(
        self, values: Mapping[str, Marked], arguments: Mapping[str, Any]
    ) -> bool:
        """Report every field whose value is invalid in any shot; return whether there is one."""
        found = False
        for key, value in values.items():
            if key in arguments and key not in _FILE_FIELDS:
                try:
                    Shot(image="p", **{key: arguments[key]})
                except InputError as error:
                    self._problems.add(value, error)
                    found = True
        return found

    def _speaker(self, marked: Marked) -> object:
        """Return the fields of a speaker, the voice as a path."""
        if not isinstance(marked.value, dict):
            return marked.plain()
        values = marked.plain()
        if "face" in marked.value:
            values["face"] = face_selector(marked.value["face"])
        if values.get("audio") is not None:
            values["audio"] = self._problems.file(marked.value["audio"], "sound")
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
                self._problems.add(marked.value["fade_s"], error)
                return 0.0
        self._problems.add(marked, f"transition must be cut or {{fade_s: 0.5}}, got {value!r}")
        return 0.0

    def _camera(self, marked: Marked) -> object:
        """Return an argument of `parse_camera`; problems are noted at their lines."""
        items = marked.value if isinstance(marked.value, list) else [marked]
        before = len(self._problems)
        for item in items:
            try:
                value = parse_strength(item)
                parse_camera([value] if items is marked.value else value)
            except InputError as error:
                self._problems.add(item, error)
        if len(self._problems) > before:
            return "static"
        values = [parse_strength(item) for item in items]
        return values if items is marked.value else values[0]
