"""From what a user asks for to a job in the queue: files found, copied, everything checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skyreels_avatar.apps.jobs.inputs import check_voice
from skyreels_avatar.apps.jobs.interactive import Interactive, check_input
from skyreels_avatar.apps.jobs.limits import Limits
from skyreels_avatar.apps.jobs.queue import JobQueue
from skyreels_avatar.apps.jobs.records import Job, NewJob, RequestError, Upload, without_folders
from skyreels_avatar.apps.jobs.run import SCRIPT, with_paths
from skyreels_avatar.apps.jobs.storage import Storage
from skyreels_avatar.errors import AvatarError, InputError
from skyreels_avatar.film.marked_yaml import read_marked
from skyreels_avatar.media.files import atomic_write
from skyreels_avatar.request.separation import names_no_file
from skyreels_avatar.request.style import names_style_file

# Which files a field may name. A sound may come from a video.
_FILE_KINDS = {
    "image": ("image",), "video": ("video",), "audio": ("audio", "video"),
    "soundtrack": ("audio", "video"), "vocals": ("audio", "video"),
}  # fmt: skip
_UNREACHABLE = ("include", "transcript", "motion", "save_motion")
_DIGITS = frozenset("0123456789., ")


@dataclass(frozen=True)
class Preparer:
    """Puts jobs into a queue."""

    queue: JobQueue
    storage: Storage
    interactive: Interactive

    @property
    def limits(self) -> Limits:
        """What users may ask for."""
        return self.queue.limits

    def submit(self, new: NewJob) -> tuple[Job, bool]:
        """Check a job, keep its files, and queue it; return it, and whether it is new.

        Raises:
            RequestError: it cannot be done; the message says what to change.
        """
        try:
            files = self.copy_files(new)
            values = with_paths(new.input, files, self.storage.job_folder(new.id))
            self._check(new.kind, values, self.storage.job_folder(new.id))
            job, is_new = self.queue.submit(replace(new, files=files))
        except BaseException:
            self.storage.remove_job(new.id)
            raise
        if not is_new:
            self.storage.remove_job(new.id)
        return job, is_new

    def copy_files(self, new: NewJob) -> dict[str, str]:
        """Put a job's uploads, and its script, into its folder; return their names by their ids.

        Raises:
            RequestError: an upload is not there, or of the wrong kind, or the script names files.
        """
        folder = self.storage.job_folder(new.id)
        folder.mkdir(parents=True)
        named = list(_named_files(new.input))
        if new.kind == "film":
            with atomic_write(folder / SCRIPT) as partial:
                partial.write_text(new.input["script"], encoding="utf-8")
            if new.input.get("reuse") is not None:
                self.queue.get(new.user, new.input["reuse"])
            named += _script_files(folder / SCRIPT, self.limits.shots)
        found: dict[str, Upload] = {}
        for field, upload_id in named:
            upload = found[upload_id] = self.storage.upload(new.user, upload_id)
            if upload.kind not in _FILE_KINDS[field]:
                raise _invalid(
                    f"{field} must be {' or '.join(_FILE_KINDS[field])}; upload {upload_id} is "
                    f"{upload.kind}", field,
                )  # fmt: skip
        # A script names files by their ids alone.
        return self.storage.copy_inputs(new.id, found, with_suffix=new.kind != "film")

    def _check(self, kind: str, values: Mapping[str, Any], folder: Path) -> None:
        _check_lengths(values, self.limits)
        try:
            self.interactive.call(check_input, kind, values, folder)
        except RequestError:
            raise
        except AvatarError as error:
            parameter = getattr(error, "parameter", None)
            raise _invalid(without_folders(str(error)), parameter) from error


def _named_files(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field in _FILE_KINDS:
        if isinstance(values.get(field), str) and not names_no_file(field, values[field]):
            yield field, values[field]


def _script_files(path: Path, max_shots: int) -> list[tuple[str, str]]:
    """Return the files that a script names, each with its field; they must be ids of uploads.

    Raises:
        RequestError: it is not a script, or would read something else.
    """
    try:
        script = read_marked(
            path
        ).plain()  # as `read_script` reads it: what is checked is what is used
    except InputError as error:
        raise _invalid(without_folders(str(error)), "script") from error
    if not isinstance(script, dict):
        raise _invalid("a script is a mapping that holds a list of shots", "script")
    shots = script.get("shots")
    if isinstance(shots, list) and len(shots) > max_shots:
        raise _invalid(f"a film may have {max_shots} shots here, got {len(shots)}", "script")
    return list(_walk(script))


def _walk(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if (key in _UNREACHABLE and item is not None) or (
            key == "style" and names_style_file(item)
        ):
            raise _invalid(f"{key} reads another file, which a script on a server cannot", "script")
        if key == "voice" and isinstance(item, str):
            try:
                check_voice(item)
            except ValueError as error:
                raise _invalid(str(error), "script") from error
        if key == "face" and isinstance(item, str):
            if item != "auto" and not set(item) <= _DIGITS:
                raise _invalid("face must be auto, a number, a point x,y or a box", "script")
        elif key in _FILE_KINDS and item is not None and not names_no_file(key, item):
            if not isinstance(item, str):
                raise _invalid(f"{key} must be the id of an upload", "script")
            yield key, item
        else:
            yield from _walk(item)


def _check_lengths(values: Mapping[str, Any], limits: Limits) -> None:
    for name in ("text", "prompt", "negative_prompt"):
        if len(values.get(name) or "") > limits.text_chars:
            raise _invalid(f"{name} may have {limits.text_chars} characters", name)
    sides = [int(part) for part in str(values.get("size") or "").split("x") if part.isdigit()]
    if sides and max(sides) > limits.side_px:
        raise _invalid(f"the longest side may have {limits.side_px} pixels here", "size")


def _invalid(message: str, field: str | None) -> RequestError:
    fix = f"change {field} and send the request again" if field else "change the input"
    return RequestError("invalid_input", message, fix, 422, field=field)
