"""The predictions API of Replicate, so that its clients work with REPLICATE_BASE_URL alone.

Source: Replicate's HTTP API reference and the PyPI package `replicate`; every model name is ours.
"""

from __future__ import annotations

import base64
import re
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query, Request
from starlette.concurrency import run_in_threadpool

from skyreels_avatar import __version__
from skyreels_avatar.apps.jobs.inputs import INPUTS
from skyreels_avatar.apps.jobs.records import QUEUED, RUNNING, Job, RequestError, Upload
from skyreels_avatar.apps.server.foreign_inputs import submit_foreign, wait_for_end
from skyreels_avatar.apps.server.present import timestamp
from skyreels_avatar.apps.server.state import ServerState, current_user, state_of
from skyreels_avatar.apps.server.uploads import form_blocks, keep

router = APIRouter(tags=["Replicate"])
_STATUSES = {QUEUED: "starting", RUNNING: "processing"}
_WAIT_S = 60.0
_PAGE = 50


@router.post("/v1/predictions", status_code=201)
@router.post("/v1/models/{owner}/{name}/predictions", status_code=201)
async def post_prediction(
    request: Request,
    body: Annotated[dict[str, Any], Body()],
    prefer: str = Header(""),
    user: str = Depends(current_user),
) -> dict[str, Any]:
    """Make a prediction; `Prefer: wait` waits for it for up to a minute."""
    state, values = state_of(request), body.get("input")
    if not isinstance(values, dict):
        raise RequestError("invalid_input", "input must be an object", "give the inputs in it", 422)
    webhook = _webhook(body, state.base_url(request))
    job = await submit_foreign(request, user, values, webhook, "replicate")
    seconds = _seconds(prefer)
    if seconds is not None:
        job = await wait_for_end(state, user, job.id, seconds)
    found = await run_in_threadpool(prediction_json, state, job, state.base_url(request))
    if seconds is not None and not job.is_final:
        found["status"] = "starting"  # clients take any other state for the end
    return found


def _webhook(body: dict[str, Any], base_url: str) -> dict[str, Any] | None:
    url = body.get("webhook")
    if url is None:
        return None
    asked = body.get("webhook_events_filter") or ["start", "completed"]
    events = [event for event in ("start", "completed") if event in asked]
    return {"url": str(url), "secret": None, "events": events, "base_url": base_url}


def _seconds(prefer: str) -> float | None:
    """Return how long a client wants to wait: "wait" or "wait=10"."""
    found = re.search(r"\bwait(?:=(\d{1,3}))?", prefer)
    return None if found is None else min(_WAIT_S, float(found[1] or _WAIT_S))


@router.get("/v1/predictions")
def list_predictions(
    request: Request, cursor: str | None = Query(None), user: str = Depends(current_user)
) -> dict[str, Any]:
    """Return your predictions, the newest first."""
    state = state_of(request)
    base_url = state.base_url(request)
    jobs = state.queue.list(user, limit=_PAGE + 1, before=cursor)
    more = f"{base_url}/v1/predictions?cursor={jobs[_PAGE - 1].id}" if len(jobs) > _PAGE else None
    results = [prediction_json(state, job, base_url) for job in jobs[:_PAGE]]
    return {"previous": None, "next": more, "results": results}


@router.get("/v1/predictions/{job_id}")
def get_prediction(
    job_id: str, request: Request, user: str = Depends(current_user)
) -> dict[str, Any]:
    """Return a prediction."""
    state = state_of(request)
    return prediction_json(state, state.queue.get(user, job_id), state.base_url(request))


@router.post("/v1/predictions/{job_id}/cancel")
def cancel_prediction(
    job_id: str, request: Request, user: str = Depends(current_user)
) -> dict[str, Any]:
    """Stop a prediction."""
    state = state_of(request)
    return prediction_json(state, state.queue.cancel(user, job_id), state.base_url(request))


def prediction_json(state: ServerState, job: Job, base_url: str) -> dict[str, Any]:
    """Return a job as a prediction."""
    place = f"{base_url}/v1/predictions/{job.id}"
    output = None
    if job.result is not None:
        name = job.result.get("video") or job.result.get("audio")
        output = state.file_url(base_url, job.id, name)
    metrics = {}
    if job.started_at is not None and job.finished_at is not None:
        metrics = {
            "predict_time": round(job.finished_at - job.started_at, 3),
            "total_time": round(job.finished_at - job.created_at, 3),
        }
    return {
        "id": job.id, "model": f"skyreels/{job.kind}", "version": __version__,
        "status": _STATUSES.get(job.status, job.status), "input": job.input, "output": output,
        "logs": _logs(state, job), "error": None if job.error is None else job.error["message"],
        "metrics": metrics, "created_at": timestamp(job.created_at),
        "started_at": timestamp(job.started_at), "completed_at": timestamp(job.finished_at),
        "urls": {"get": place, "cancel": f"{place}/cancel"},
    }  # fmt: skip


def _logs(state: ServerState, job: Job) -> str:
    """Return the log, and a bar that the client reads its progress from."""
    lines = "".join(f"{line.message}\n" for line in state.queue.log.read(job.id))
    if not job.total:
        return lines
    percent = int(100 * job.done / job.total)
    return f"{lines}{percent:3d}%|{'#' * (percent // 10):<10}| {job.done}/{job.total}\n"


@router.get("/v1/models/{owner}/{name}")
def get_model(
    owner: str, name: str, request: Request, user: str = Depends(current_user)
) -> dict[str, Any]:
    """Return a model: every name is this server's."""
    base_url = state_of(request).base_url(request)
    return {
        "url": f"{base_url}/docs", "owner": owner, "name": name, "visibility": "private",
        "description": "Talking videos from a picture or a video, and a voice.",
        "github_url": None, "paper_url": None, "license_url": None, "run_count": 0,
        "cover_image_url": None, "default_example": None, "latest_version": _version(__version__),
    }  # fmt: skip


@router.get("/v1/models/{owner}/{name}/versions/{version}")
def get_version(
    owner: str, name: str, version: str, user: str = Depends(current_user)
) -> dict[str, Any]:
    """Return a version of a model: every one is this server's."""
    return _version(version)


def _version(version: str) -> dict[str, Any]:
    schemas = {
        "Input": INPUTS["generate"].model_json_schema(),
        "Output": {"type": "string", "format": "uri", "title": "Output"},
    }
    return {
        "id": version, "created_at": "2026-01-01T00:00:00Z", "cog_version": "0",
        "openapi_schema": {"components": {"schemas": schemas}},
    }  # fmt: skip


@router.post("/v1/files", status_code=201)
async def post_file(request: Request, user: str = Depends(current_user)) -> dict[str, Any]:
    """Keep a file: the field `content` of a form."""
    state = state_of(request)
    async with request.form(max_files=1, max_fields=10) as form:
        field = form.get("content")
        if field is None or isinstance(field, str):
            raise RequestError(
                "no_file", "the form has no file", "send the file in the field `content`", 422
            )
        upload = await keep(state, user, field.filename or "", form_blocks(field))
    return _file_json(state, request, upload)


@router.get("/v1/files/{upload_id}")
def get_file(upload_id: str, request: Request, user: str = Depends(current_user)) -> dict[str, Any]:
    """Return what is known of a file."""
    state = state_of(request)
    return _file_json(state, request, state.storage.upload(user, upload_id))


@router.delete("/v1/files/{upload_id}", status_code=204)
def delete_file(upload_id: str, request: Request, user: str = Depends(current_user)) -> None:
    """Remove a file."""
    state = state_of(request)
    state.storage.remove_upload(state.storage.upload(user, upload_id))


def _file_json(state: ServerState, request: Request, upload: Upload) -> dict[str, Any]:
    url = state.file_url(state.base_url(request), upload.id, f"{upload.id}{upload.suffix}")
    return {
        "id": upload.id, "name": upload.name, "content_type": upload.content_type,
        "size": upload.num_bytes, "etag": upload.sha256, "checksums": {"sha256": upload.sha256},
        "metadata": {}, "created_at": timestamp(upload.created_at),
        "expires_at": timestamp(upload.expires_at), "urls": {"get": url},
    }  # fmt: skip


@router.get("/v1/webhooks/default/secret")
def get_webhook_secret(request: Request, user: str = Depends(current_user)) -> dict[str, str]:
    """Return what signs your webhooks where you give no secret of your own."""
    return {"key": default_secret(state_of(request), user)}


def default_secret(state: ServerState, user: str) -> str:
    """Return the secret of a user's webhooks."""
    return "whsec_" + base64.b64encode(state.signer.secret_for("webhook", user)).decode()
