"""What a client may choose from, and answers that do not wait in the queue."""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import Any, get_args

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from skyreels_avatar import __version__
from skyreels_avatar.apps.jobs.inputs import Gate, Keep, Length, Style, checked_input
from skyreels_avatar.apps.jobs.interactive import (
    camera_moves,
    find_faces,
    plan_job,
    write_preview,
)
from skyreels_avatar.apps.jobs.prepare import Preparer
from skyreels_avatar.apps.jobs.records import NewJob, RequestError, without_folders
from skyreels_avatar.apps.jobs.run import with_paths
from skyreels_avatar.apps.server.forms import FacesForm, PlanForm, PreviewForm
from skyreels_avatar.apps.server.job_routes import CONSENT_TEXT
from skyreels_avatar.apps.server.state import current_user, state_of
from skyreels_avatar.errors import AvatarError

router = APIRouter(tags=["catalog"])
SIZES = ("256x256", "512x512", "480p", "720p")


@router.get("/v1/options")
def get_options(request: Request, user: str = Depends(current_user)) -> dict[str, Any]:
    """Return what can be chosen: tiers, voices, moves, styles, sizes; and the limits."""
    state = state_of(request)
    return {
        "version": __version__,
        "user": user,
        "tiers": list(_tiers()),
        "voices": list(installed_voices()),
        "moves": call(request, camera_moves),
        "styles": list(get_args(Style)),
        "sizes": list(SIZES),
        "keeps": list(get_args(Keep)),
        "lengths": list(get_args(Length)),
        "gates": list(get_args(Gate)),
        "limits": vars(state.settings.limits),
        "consent_required": state.settings.needs_consent,
        "consent_text": CONSENT_TEXT,
    }


@lru_cache(maxsize=1)
def _tiers() -> tuple[str, ...]:
    from skyreels_avatar.folders import config_path

    return tuple(sorted(path.stem for path in config_path("").glob("*.yaml")))


@lru_cache(maxsize=1)
def installed_voices() -> tuple[dict[str, Any], ...]:
    """Return the voices that can speak here, as pages list them."""
    from skyreels_avatar.errors import MissingExtraError
    from skyreels_avatar.media.speech import list_voices

    try:
        found = list_voices(None)
    except MissingExtraError:
        return ()
    return tuple(
        {
            "name": voice.name, "languages": voice.languages, "title": voice.title,
            "sex": voice.sex, "engine": voice.engine, "mos": voice.mos,
        }
        for voice in found if voice.installed
    )  # fmt: skip


@router.post("/v1/faces")
def post_faces(
    form: FacesForm, request: Request, user: str = Depends(current_user)
) -> dict[str, Any]:
    """Return the faces of a picture or of a video's first frame, the largest first."""
    state = state_of(request)
    upload = state.storage.upload(user, form.image or form.video or "")
    wanted = "image" if form.image else "video"
    if upload.kind != wanted:
        raise RequestError(
            "invalid_input", f"upload {upload.id} is no {wanted}", "give its id as what it is", 422
        )
    name, path = f"{upload.id}_faces.jpg", state.storage.upload_path(upload)
    found = call(request, find_faces, path, upload.kind, path.with_name(name))
    return found | {"thumbnail": state.file_url(state.base_url(request), upload.id, name)}


@router.post("/v1/preview", response_class=FileResponse)
def post_preview(
    form: PreviewForm, request: Request, user: str = Depends(current_user)
) -> FileResponse:
    """Return what a camera move shows of a picture, small and silent; nobody talks in it."""
    state = state_of(request)
    upload = state.storage.upload(user, form.image)
    if upload.kind != "image":
        raise RequestError(
            "invalid_input", f"a camera moves over a picture; upload {upload.id} is {upload.kind}",
            "give the id of a picture", 422, field="image",
        )  # fmt: skip
    output = state.storage.incoming / f"preview-{secrets.token_hex(16)}.mp4"
    path = state.storage.upload_path(upload)
    call(request, write_preview, path, form.camera, form.size, output, form.seconds)
    remove = BackgroundTask(output.unlink, missing_ok=True)
    headers = {"Cache-Control": "no-store"}
    return FileResponse(output, media_type="video/mp4", headers=headers, background=remove)


@router.post("/v1/plan")
def post_plan(
    form: PlanForm, request: Request, user: str = Depends(current_user)
) -> dict[str, Any]:
    """Return what a job would take: length, windows, seconds, memory."""
    state = state_of(request)
    new = NewJob(user, form.kind, checked_input(form.kind, form.input))
    try:
        files = Preparer(state.queue, state.storage, state.interactive).copy_files(new)
        folder = state.storage.job_folder(new.id)
        return call(request, plan_job, form.kind, with_paths(new.input, files, folder), folder)
    finally:
        state.storage.remove_job(new.id)


def call(request: Request, function: Any, *arguments: Any) -> Any:
    """Return what the interactive process answers.

    Raises:
        RequestError: something given cannot be used.
    """
    state = state_of(request)
    try:
        return state.interactive.call(function, *arguments)
    except RequestError:
        raise
    except AvatarError as error:
        parameter = getattr(error, "parameter", None)
        fix = f"change {parameter}" if parameter else "change the input"
        message = without_folders(str(error))
        raise RequestError("invalid_input", message, fix, 422, field=parameter) from error
