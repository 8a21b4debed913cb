"""The events of a job as they come: server-sent events."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from skyreels_avatar.apps.jobs.records import QUEUED, RequestError
from skyreels_avatar.apps.server.present import job_json, log_json
from skyreels_avatar.apps.server.state import ServerState, current_user, state_of

router = APIRouter(tags=["jobs"])
_POLL_S = 0.4
_KEEP_ALIVE_S = 15.0


@router.get("/v1/jobs/{job_id}/events", response_class=StreamingResponse)
async def get_events(
    job_id: str,
    request: Request,
    last_event_id: str | None = Header(None),
    user: str = Depends(current_user),
) -> StreamingResponse:
    """Stream `job` (whenever it changes) and `log` events, until the job has ended.

    Last-Event-ID, which browsers send by themselves, goes on after the last log line received.
    """
    state = state_of(request)
    await run_in_threadpool(state.queue.get, user, job_id)
    if state.streams.get(user, 0) >= state.settings.limits.streams:
        raise RequestError(
            "too_many_streams", "you hold too many event streams open",
            "close some, or ask for the job itself every few seconds", 429, 5.0,
        )  # fmt: skip
    after = int(last_event_id) if last_event_id and last_event_id.isdigit() else 0
    return StreamingResponse(
        _events(state, user, job_id, after, state.base_url(request)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(
    state: ServerState, user: str, job_id: str, after: int, base_url: str
) -> AsyncIterator[str]:
    state.streams[user] = state.streams.get(user, 0) + 1
    try:
        seen: Any = None
        written = time.monotonic()
        yield "retry: 2000\n\n"
        while not state.closing.is_set():
            try:
                job, position, lines = await run_in_threadpool(_look, state, user, job_id, after)
            except RequestError:  # it was deleted
                return
            for line in lines:
                after = line.sequence
                yield _event("log", log_json(line), after)
            if (job.version, position) != seen:
                seen, written = (job.version, position), time.monotonic()
                positions = {} if position is None else {job_id: position}
                yield _event("job", job_json(state, job, base_url, positions), after)
            if job.is_final:
                return
            if time.monotonic() - written > _KEEP_ALIVE_S:
                written = time.monotonic()
                yield ": still there\n\n"
            await asyncio.sleep(_POLL_S)
    finally:
        state.streams[user] -= 1


def _look(state: ServerState, user: str, job_id: str, after: int) -> tuple[Any, Any, Any]:
    job = state.queue.get(user, job_id)
    lines = state.queue.log.read(job_id, after, limit=200)
    waits = job.status == QUEUED
    return job, state.queue.positions([job_id]).get(job_id) if waits else None, lines


def _event(name: str, values: dict[str, Any], sequence: int) -> str:
    return f"event: {name}\nid: {sequence}\ndata: {json.dumps(values)}\n\n"
