"""Scripts of films to and from what the film page edits: shots over one soundtrack, in seconds."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from skyreels_avatar.apps.jobs.inputs import check_voice
from skyreels_avatar.checks import check_number
from skyreels_avatar.documents import read_mapping
from skyreels_avatar.errors import InputError, ScriptError
from skyreels_avatar.film.script_reader import read_script
from skyreels_avatar.film.sound import load_sound, open_film
from skyreels_avatar.film.timeline import Timeline
from skyreels_avatar.request.camera_spec import Camera
from skyreels_avatar.request.script import Script
from skyreels_avatar.request.separation import names_no_file
from skyreels_avatar.request.shot import Shot

MEDIA_KEYS = ("soundtrack", "image", "video", "audio", "vocals")
TEXT_KEYS = ("transcript",)
REFUSED_KEYS = ("include", "motion", "speakers")
MAX_TEXT_CHARS = 200_000
_NAME = "film.yaml"
_PHOTO = re.compile(r"\.[A-Za-z]\w{2,4}$")


def missing_files(script: str, texts: Mapping[str, str], files: Mapping[str, Any]) -> list[str]:
    """Return the names of files that a script needs and that are not given, in its order.

    Raises:
        InputError: it is not a script, or one that the film page cannot edit.
    """
    with tempfile.TemporaryDirectory(prefix="script-") as folder:
        values = _parse(script, Path(folder))
    missing = []
    for key, name in _references(values):
        given = texts if key in TEXT_KEYS else files
        if name not in given and name not in missing:
            missing.append(name)
    return missing


def read_film(
    script: str, texts: Mapping[str, str], files: Mapping[str, tuple[str, Path]]
) -> dict[str, Any]:
    """Return a script as the film page edits it: words and beats have become seconds.

    Args:
        script: YAML.
        texts: the contents of transcripts by their names in the script.
        files: the id and the path of an upload by its name in the script.

    Raises:
        InputError: see `missing_files`; or what `read_script` finds wrong.
    """
    with tempfile.TemporaryDirectory(prefix="script-") as name:
        folder = Path(name)
        values = _parse(script, folder)
        given = _lay_out(folder, texts, files)
        _replace(values, given)
        (folder / _NAME).write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
        try:
            found = read_script(folder / _NAME)
            timeline = open_film(found).timeline
        except ScriptError as error:
            cleaned = [re.sub(r"^.*?film\.yaml:\d+: ", "", one) for one in error.problems]
            raise ScriptError([one.replace(f"{folder}/", "") for one in cleaned]) from error
        ids = {folder / local: identity for local, identity in given.values()}
        return _film(found, timeline, {p: (ids[p], n) for n, p in _paths(folder, given).items()})


def write_script(script: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return the YAML of a script, its files named as they came.

    Args:
        script: as the film page sends it: files are ids of uploads.
        names: of files by these ids.

    Raises:
        InputError: it is not a script.
    """
    if not isinstance(script.get("shots"), list):
        raise InputError("a script needs a list of shots")
    values = {key: _named(key, value, names) for key, value in script.items()}
    shots = []
    for shot in values.pop("shots"):
        if not isinstance(shot, Mapping):
            raise InputError(f"a shot is a mapping of names to values, got {type(shot).__name__}")
        kept = {key: value for key, value in shot.items() if value not in (None, "")}
        shots.append({key: _named(key, value, names) for key, value in kept.items()})
    text = yaml.safe_dump(
        {**values, "shots": shots}, sort_keys=False, allow_unicode=True, width=100
    )
    return f"# skyreels-avatar render {_NAME} -o film.mp4\n{text}"


def _named(key: str, value: Any, names: Mapping[str, str]) -> Any:
    return names.get(value, value) if key in MEDIA_KEYS and isinstance(value, str) else value


def _parse(script: str, folder: Path) -> dict[str, Any]:
    if len(script) > MAX_TEXT_CHARS:
        raise InputError(f"a script may have {MAX_TEXT_CHARS} characters here, got {len(script)}")
    path = folder / _NAME
    path.write_text(script, encoding="utf-8")
    try:
        return read_mapping(path, "script")
    except InputError as error:
        raise InputError(str(error).replace(str(path), _NAME)) from error


def _references(values: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the key and the name of every file in a script."""
    if isinstance(values, list):
        for item in values:
            yield from _references(item, depth + 1)
    if not isinstance(values, dict):
        return
    for key, value in values.items():
        if key in REFUSED_KEYS and value:
            raise InputError(
                f"this page edits one script without {key}; render it with the command line, or "
                "leave that out"
            )
        if key == "face" and isinstance(value, str) and _PHOTO.search(value):
            raise InputError("face must be auto, a number, a point x,y or a box on this page")
        if key == "voice" and isinstance(value, str):
            try:
                check_voice(value)
            except ValueError as error:
                raise InputError(str(error)) from error
        if names_no_file(key, value):
            continue
        if key in (*MEDIA_KEYS, *TEXT_KEYS) and value is not None:
            if not isinstance(value, str):
                raise InputError(f"{key} must be the name of a file")
            yield key, value
        else:
            yield from _references(value, depth + 1)


def _lay_out(
    folder: Path, texts: Mapping[str, str], files: Mapping[str, tuple[str, Path]]
) -> dict[str, tuple[str, str]]:
    """Put files into a folder under names of ours; return (our name, id) by their own."""
    given = {}
    for number, (name, text) in enumerate(texts.items()):
        suffix = Path(name).suffix.lower()
        local = f"text{number}{suffix if suffix in ('.srt', '.vtt', '.lrc') else '.txt'}"
        (folder / local).write_text(text[:MAX_TEXT_CHARS], encoding="utf-8")
        given[name] = (local, "")
    for number, (name, (identity, path)) in enumerate(files.items()):
        local = f"file{number}{path.suffix}"
        os.symlink(path, folder / local)
        given[name] = (local, identity)
    return given


def _paths(folder: Path, given: Mapping[str, tuple[str, str]]) -> dict[str, Path]:
    return {name: folder / local for name, (local, _) in given.items()}


def _replace(values: Any, given: Mapping[str, tuple[str, str]]) -> None:
    """Put our names of files into the place of a script's own."""
    for item in values if isinstance(values, list) else ():
        _replace(item, given)
    if not isinstance(values, dict):
        return
    for key, value in values.items():
        if names_no_file(key, value):
            continue
        if key in (*MEDIA_KEYS, *TEXT_KEYS) and value is not None:
            if value not in given:
                raise InputError(f"{key} {value[:80]!r} was not given with the script")
            values[key] = given[value][0]
        else:
            _replace(value, given)


def _film(
    script: Script, timeline: Timeline, uploads: Mapping[Path, tuple[str, str]]
) -> dict[str, Any]:
    if script.soundtrack is None or any(shot.has_sound for shot in script.shots):
        raise InputError(
            "this page edits films whose shots follow one soundtrack; this script has shots with "
            "sounds of their own"
        )
    if any(shot.image is None for shot in script.shots):
        raise InputError("this page edits films of photos; this script has a shot of a video")

    def upload(path: Path) -> dict[str, Any]:
        identity, name = uploads[path]
        return {"id": identity, "name": Path(name).name}

    shots = []
    for placed in timeline.shots:
        shot = placed.shot
        shots.append(
            {
                "image": upload(shot.image),
                "prompt": shot.prompt,
                "camera": plain_camera(shot.camera),
                "start_s": round(timeline.origin_s + placed.start_s, 3),
                "seed": shot.seed or 0,
                "fade_s": shot.fade_s if placed.index else 0,
                "extra": _extra(shot),
            }
        )
    return {
        "soundtrack": {
            **upload(script.soundtrack),
            "duration_s": round(load_sound(script.soundtrack).duration_s, 3),
        },
        "size": f"{script.width}x{script.height}",
        "fps": script.fps,
        "end_s": round(timeline.origin_s + timeline.duration_s, 3),
        "shots": shots,
    }


def _extra(shot: Shot) -> dict[str, Any]:
    """Return what a shot holds that the page has no field for."""
    plain = {name: getattr(shot, name) for name in ("negative_prompt", "face", "gate")}
    usual = Shot(image="p", audio="a")
    return {name: value for name, value in plain.items() if value != getattr(usual, name)}


def plain_camera(camera: Camera) -> Any:
    """Return a camera as scripts write it: "push_in:60" where that says it all."""
    if isinstance(camera, tuple):
        return [{"time_s": one.time_s, **_plain_move(one.move)} for one in camera]
    plain = _plain_move(camera)
    if set(plain) > {"move", "strength"}:
        return plain
    if camera.name == "static":
        return "static"
    return f"{camera.name}:{check_number('strength', 100 * camera.strength, 0, 100):g}"


def _plain_move(move: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"move": move.name, "strength": move.strength}
    if move.ease != "trapezoid":
        plain["ease"] = move.ease
    if move.seed:
        plain["seed"] = move.seed
    if move.absolute:
        plain["absolute"] = True
    return plain
