"""The script of an endless host: what is said and shown in rounds, and what comes now and then."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skyreels_avatar.apps.live.speech import MAX_CHARACTERS
from skyreels_avatar.checks import check_integer, check_number, short_repr, user_path
from skyreels_avatar.documents import read_mapping
from skyreels_avatar.errors import AvatarError, InputError
from skyreels_avatar.media.files import existing_file
from skyreels_avatar.request.camera_spec import parse_camera

MAX_STEPS = 2000
MAX_PAUSE_S = 24 * 3600.0
_DEFAULT_PAUSE_S = 1.0
_LOOK_KEYS = ("image", "camera", "prompt", "expressiveness")
_STEP_KEYS = ("text", "voice", "sound", "pause_s", "shot", "during", *_LOOK_KEYS)
_TOP_KEYS = (
    "size", "fps", "seed", "voice", "pause_s", "rounds", "shots", "steps", "every", *_LOOK_KEYS,
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One thing that happens: what is shown changes, then something is said, then there is a pause.

    Attributes:
        texts: one of them is said, the next one in the next round.
        voice: of the texts; None = that of the script.
        sound: a file that is said in place of a text.
        look: image, camera, prompt and expressiveness, those that change.
        during: changes of the look, each some seconds after the step began.
        pause_s: after it.
    """

    texts: tuple[str, ...] = ()
    voice: str | None = None
    sound: Path | None = None
    look: Mapping[str, Any] = field(default_factory=dict)
    during: tuple[tuple[float, Mapping[str, Any]], ...] = ()
    pause_s: float = _DEFAULT_PAUSE_S


@dataclass(frozen=True)
class HostScript:
    """A script.

    Attributes:
        settings: size, fps, seed, voice, and the look at the beginning, those that it names.
        steps: of a round.
        every: pairs of seconds and what happens that often, between two steps.
        rounds: how many; 0 = without end.
    """

    settings: Mapping[str, Any]
    steps: tuple[Step, ...]
    every: tuple[tuple[float, Step], ...] = ()
    rounds: int = 0


def read_host_script(path: str | Path) -> HostScript:
    """Read a script from a YAML file; paths in it are relative to the file.

    Raises:
        InputError: it cannot be used; the message names the place.
    """
    path = user_path(path)
    values = read_mapping(path, "script")
    try:
        return _Reader(path.absolute().parent).read(values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


class _Reader:
    def __init__(self, folder: Path):
        self._folder = folder
        self._shots: dict[str, dict[str, Any]] = {}
        self._pause_s = _DEFAULT_PAUSE_S

    def read(self, top: Mapping[str, Any]) -> HostScript:
        _check_keys(top, _TOP_KEYS, "a host script")
        self._pause_s = _seconds(top.get("pause_s", _DEFAULT_PAUSE_S), "pause_s")
        for name, shot in _mapping(top.get("shots", {}), "shots").items():
            _check_keys(_mapping(shot, f"shot {name}"), _LOOK_KEYS, f"shot {name}")
            self._shots[str(name)] = self._look(shot, f"shot {name}")
        steps = _list(top.get("steps", []), "steps")
        every = _list(top.get("every", []), "every")
        if not steps and not every:
            raise InputError("a script needs steps, each with a text or a sound")
        if len(steps) + len(every) > MAX_STEPS:
            raise InputError(f"a script may have {MAX_STEPS} steps, got {len(steps) + len(every)}")
        rounds = top.get("rounds", 0)
        check_integer("rounds", rounds, 0, 1_000_000)
        settings = {key: top[key] for key in ("size", "fps", "seed", "voice") if key in top}
        settings |= self._look({key: top[key] for key in _LOOK_KEYS if key in top}, "the top")
        return HostScript(
            settings,
            tuple(self._step(one, f"step {at}") for at, one in enumerate(steps, start=1)),
            tuple(self._every(one, f"every {at}") for at, one in enumerate(every, start=1)),
            rounds,
        )

    def _every(self, value: Any, place: str) -> tuple[float, Step]:
        given = dict(_mapping(value, place))
        if ("minutes" in given) == ("seconds" in given):
            raise InputError(f"{place} needs minutes or seconds, one of them")
        scale = 60.0 if "minutes" in given else 1.0
        often = given.pop("minutes", None) if scale > 1 else given.pop("seconds")
        return check_number(f"{place}: how often", often, 0.02, 1e5) * scale, self._step(
            given, place
        )

    def _step(self, value: Any, place: str) -> Step:
        given = {"text": value} if isinstance(value, str) else _mapping(value, place)
        _check_keys(given, _STEP_KEYS, place)
        if "text" in given and "sound" in given:
            raise InputError(f"{place} has a text and a sound; make two steps of it")
        look = {}
        if "shot" in given:
            name = str(given["shot"])
            if name not in self._shots:
                known = ", ".join(self._shots) or "none"
                raise InputError(f"{place}: there is no shot {name!r}; there are: {known}")
            look |= self._shots[name]
        look |= self._look(given, place)
        during = []
        for one in _list(given.get("during", []), f"{place}: during"):
            inner = _mapping(one, f"{place}: during")
            _check_keys(inner, ("after_s", *_LOOK_KEYS), f"{place}: during")
            after_s = _seconds(inner.get("after_s"), f"{place}: after_s")
            during.append((after_s, self._look(inner, place)))
        sound = None if "sound" not in given else self._file(given["sound"], "sound", place)
        return Step(
            self._texts(given.get("text"), place), given.get("voice"), sound, look,
            tuple(sorted(during, key=lambda pair: pair[0])),
            _seconds(given.get("pause_s", self._pause_s), f"{place}: pause_s"),
        )  # fmt: skip

    def _texts(self, value: Any, place: str) -> tuple[str, ...]:
        texts = () if value is None else tuple(value) if isinstance(value, list) else (value,)
        for text in texts:
            if not isinstance(text, str) or not text.strip() or len(text) > MAX_CHARACTERS:
                raise InputError(
                    f"{place}: a text has 1 to {MAX_CHARACTERS} characters, got {short_repr(text)}"
                )
        return texts

    def _look(self, given: Mapping[str, Any], place: str) -> dict[str, Any]:
        look = {key: given[key] for key in _LOOK_KEYS if key in given}
        if "image" in look:
            look["image"] = self._file(look["image"], "picture", place)
        try:
            if look.get("camera") is not None:
                parse_camera(look["camera"])
            for key in ("prompt", "voice"):
                if not isinstance(given.get(key) or "", str):
                    raise InputError(f"{key} must be text, got {short_repr(given[key])}")
            if "expressiveness" in look:
                check_number("expressiveness", look["expressiveness"], 0, 200)
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
        return look

    def _file(self, value: Any, noun: str, place: str) -> Path:
        try:
            return existing_file(self._folder / user_path(str(value)), noun)
        except AvatarError as error:
            raise InputError(f"{place}: {error}") from error


def _seconds(value: Any, name: str) -> float:
    return check_number(name, value, 0, MAX_PAUSE_S)


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{name} must be a mapping of names to values, got {short_repr(value)}")
    return value


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(f"{name} must be a list, got {short_repr(value)}")
    return value


def _check_keys(given: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f"; do you mean {near[0]}?" if near else f"; there are: {', '.join(known)}"
            raise InputError(f"{place} has no {short_repr(key)}{hint}")
