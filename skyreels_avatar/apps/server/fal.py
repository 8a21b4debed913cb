"""The queue protocol of fal, so that `@fal-ai/client` works with its proxyUrl set to this server.

Source: fal's queue API reference and the npm package `@fal-ai/client`; every endpoint id is ours.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from skyreels_avatar.apps.jobs.records import FAILED, QUEUED, SUCCEEDED, Job, RequestError
from skyreels_avatar.apps.server.fal_storage import INITIATE, fal_refusal, initiated
from skyreels_avatar.apps.server.foreign_inputs import submit_foreign, wait_for_end
from skyreels_avatar.apps.server.present import CONTENT_TYPES, file_path, timestamp
from skyreels_avatar.apps.server.state import ServerState, current_user, state_of

router = APIRouter(tags=["fal"])
_HOSTS = {"queue.fal.run": "queue", "fal.run": "run", "rest.fal.ai": "rest"}
_REQUEST = re.compile(r"(?P<app>.+?)/requests/(?P<id>job_[0-9a-f]{32})(?P<rest>/[a-z/]+)?")
_RUN_S = 600.0
_POLL_S = 0.5


@router.api_route("/fal/proxy", methods=["GET", "POST", "PUT"])
async def proxy(request: Request, user: str = Depends(current_user)) -> Response:
    """Answer what the client would ask fal: the header `x-fal-target-url` says what."""
    try:
        target = urlsplit(request.headers.get("x-fal-target-url", ""))
        service = _HOSTS.get(target.hostname or "")
    except ValueError:
        service = None
    if service is None:
        raise RequestError(
            "invalid_input", "the header x-fal-target-url is missing, or is not an address of fal",
            "set proxyUrl of @fal-ai/client to this address", 422,
        )  # fmt: skip
    query = {name: values[-1] for name, values in parse_qs(target.query).items()}
    return await _answer(request, user, service, target.path.strip("/"), query)


@router.api_route("/fal/{service}/{path:path}", methods=["GET", "POST", "PUT"])
async def direct(
    service: str, path: str, request: Request, user: str = Depends(current_user)
) -> Response:
    """Answer the same under addresses of its own: /fal/queue, /fal/run, /fal/rest."""
    return await _answer(request, user, service, path.strip("/"), dict(request.query_params))


async def _answer(
    request: Request, user: str, service: str, path: str, query: dict[str, str]
) -> Response:
    try:
        if service == "rest" and path in INITIATE and request.method == "POST":
            return JSONResponse(
                initiated(state_of(request), request, user, path, await _body(request))
            )
        found = _REQUEST.fullmatch(path)
        if service == "queue" and found is not None:
            return await _about_request(request, user, found, query)
        if service in ("queue", "run") and request.method == "POST":
            return await _submit(request, user, path, query, wait=service == "run")
    except RequestError as error:
        return fal_refusal(error)
    return JSONResponse({"detail": "there is nothing at this address"}, 404)


async def _submit(
    request: Request, user: str, app: str, query: dict[str, str], wait: bool
) -> Response:
    state = state_of(request)
    values = await _body(request)
    webhook, base_url = None, state.base_url(request)
    if url := query.get("fal_webhook"):
        webhook = {"url": url, "secret": None, "events": ["completed"], "base_url": base_url}
    job = await submit_foreign(request, user, values, webhook, "fal")
    if wait:
        return result_response(state, await wait_for_end(state, user, job.id, _RUN_S), base_url)
    return JSONResponse(await run_in_threadpool(_status, state, job, base_url, app, False))


async def _about_request(
    request: Request, user: str, found: re.Match[str], query: dict[str, str]
) -> Response:
    state, base_url, rest = state_of(request), None, found["rest"] or ""
    base_url = state.base_url(request)
    job = await run_in_threadpool(state.queue.get, user, found["id"])
    logs = query.get("logs") == "1"
    if rest == "/status":
        status = await run_in_threadpool(_status, state, job, base_url, found["app"], logs)
        return JSONResponse(status, 200 if job.is_final else 202)
    if rest == "/status/stream":
        events = _status_events(state, user, job.id, base_url, found["app"], logs)
        return StreamingResponse(events, media_type="text/event-stream")
    if rest == "/cancel" and request.method == "PUT":
        if job.is_final:
            return JSONResponse({"status": "ALREADY_COMPLETED"}, 400)
        await run_in_threadpool(state.queue.cancel, user, job.id)
        return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202)
    if rest == "":
        return result_response(state, job, base_url)
    return JSONResponse({"detail": "there is nothing at this address"}, 404)


def _status(
    state: ServerState, job: Job, base_url: str, app: str, with_logs: bool
) -> dict[str, Any]:
    place = f"{base_url}/fal/queue/{app}/requests/{job.id}"
    found: dict[str, Any] = {
        "status": "COMPLETED" if job.is_final else "IN_PROGRESS", "request_id": job.id,
        "response_url": place, "status_url": f"{place}/status", "cancel_url": f"{place}/cancel",
    }  # fmt: skip
    if job.status == QUEUED:
        position = state.queue.positions([job.id]).get(job.id, 0)
        found |= {"status": "IN_QUEUE", "queue_position": position}
    if with_logs:
        found["logs"] = [
            {"message": line.message, "level": line.level.upper(), "source": "USER",
             "timestamp": timestamp(line.time)} for line in state.queue.log.read(job.id)
        ]  # fmt: skip
        if not job.is_final and job.total:
            message = f"{job.percent:.0f}% ({job.done} of {job.total} frames)"
            found["logs"].append({"message": message, "level": "INFO", "source": "USER",
                                  "timestamp": timestamp(time.time())})  # fmt: skip
    if job.is_final and job.started_at is not None and job.finished_at is not None:
        found["metrics"] = {"inference_time": round(job.finished_at - job.started_at, 3)}
    return found


async def _status_events(
    state: ServerState, user: str, job_id: str, base_url: str, app: str, with_logs: bool
) -> AsyncIterator[str]:
    seen = 0
    while not state.closing.is_set():
        job = await run_in_threadpool(state.queue.get, user, job_id)
        if job.version != seen:
            seen = job.version
            status = await run_in_threadpool(_status, state, job, base_url, app, with_logs)
            yield f"data: {json.dumps(status)}\n\n"
        if job.is_final:
            return
        await asyncio.sleep(_POLL_S)


def result_response(state: ServerState, job: Job, base_url: str) -> JSONResponse:
    """Return the result of a job, or why there is none."""
    headers = {"x-fal-request-id": job.id}
    if not job.is_final:
        return JSONResponse({"detail": "the request is still in progress"}, 400, headers)
    content, status = result_json(state, job, base_url)
    return JSONResponse(content, status, headers)


def result_json(state: ServerState, job: Job, base_url: str) -> tuple[dict[str, Any], int]:
    """Return the result of a job that has ended, and the status of HTTP that goes with it."""
    if job.status == FAILED:
        message = (job.error or {}).get("message", "the job failed")
        problem = {"loc": ["body"], "msg": message, "type": (job.error or {}).get("code", "failed")}
        return {"detail": [problem]}, 422
    if job.status != SUCCEEDED or job.result is None:
        return {"detail": "the request was canceled"}, 400
    found: dict[str, Any] = {"seed": job.input.get("seed", 0)}
    for key in ("video", "audio", "picture"):
        if key in job.result:
            path = file_path(state, job.id, job.result[key])
            found["thumbnail" if key == "picture" else key] = {
                "url": state.file_url(base_url, job.id, path.name), "file_name": path.name,
                "content_type": CONTENT_TYPES.get(path.suffix, "application/octet-stream"),
                "file_size": path.stat().st_size if path.is_file() else 0,
            }  # fmt: skip
    return found | {"duration": job.result.get("duration_s")}, 200


async def _body(request: Request) -> dict[str, Any]:
    try:
        values = await request.json()
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise RequestError("invalid_input", "the body must be an object", "send JSON", 422)
    return values
