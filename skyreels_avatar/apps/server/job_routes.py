"""Jobs over HTTP: submit, look, cancel, delete."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import PlainTextResponse

from skyreels_avatar.apps.jobs.inputs import checked_input
from skyreels_avatar.apps.jobs.prepare import Preparer
from skyreels_avatar.apps.jobs.records import NewJob, RequestError
from skyreels_avatar.apps.server.forms import JobForm
from skyreels_avatar.apps.server.outbound import check_url
from skyreels_avatar.apps.server.present import job_json, timestamp
from skyreels_avatar.apps.server.state import ServerState, current_user, state_of

router = APIRouter(tags=["jobs"])
SHOWS_PERSONS = ("generate", "retalk", "film")
CONSENT_TEXT = (
    "The people whose faces and voices are used have agreed to this use, or no real person is "
    "shown or heard. The video says in its metadata that it is generated, and I will not use it "
    "to deceive."
)


@router.post("/v1/jobs", status_code=201)
def post_job(
    form: JobForm,
    request: Request,
    response: Response,
    idempotency_key: str | None = Header(None, max_length=255),
    user: str = Depends(current_user),
) -> dict[str, Any]:
    """Submit a job; the same Idempotency-Key returns the same job (200)."""
    state = state_of(request)
    new = NewJob(
        user,
        form.kind,
        checked_input(form.kind, form.input),
        consent=None if form.consent is None else form.consent.model_dump(),
        webhook=_webhook(form, state.base_url(request)),
        idempotency_key=idempotency_key,
    )
    job, is_new = submit(state, new)
    response.status_code = 201 if is_new else 200
    base_url = state.base_url(request)
    response.headers["Location"] = f"{base_url}/v1/jobs/{job.id}"
    return job_json(state, job, base_url)


def _webhook(form: JobForm, base_url: str) -> dict[str, Any] | None:
    return None if form.webhook is None else {**form.webhook.model_dump(), "base_url": base_url}


def submit(state: ServerState, new: NewJob) -> tuple[Any, bool]:
    """Queue a job of any dialect; return it, and whether it is new.

    Raises:
        RequestError: the consent is missing, the webhook not allowed, or the input of no use.
    """
    stated = new.consent is not None and new.consent.get("statement") is True
    if new.kind in SHOWS_PERSONS and state.settings.needs_consent and not stated:
        raise RequestError(
            "consent_required", "this job shows a person, and nobody has stated their consent",
            f'send "consent": {{"statement": true}} if this is true: {CONSENT_TEXT}', 422,
        )  # fmt: skip
    if new.webhook is not None:
        check_url(new.webhook["url"], state.settings.private_addresses)
    return Preparer(state.queue, state.storage, state.interactive).submit(new)


@router.get("/v1/jobs")
def list_jobs(
    request: Request,
    status: Literal["queued", "running", "succeeded", "failed", "canceled"] | None = None,
    limit: int = Query(50, ge=1, le=200),
    before: str | None = Query(None, description="the id of a job; those before it"),
    user: str = Depends(current_user),
) -> dict[str, Any]:
    """Return your jobs, the newest first."""
    state = state_of(request)
    found = state.queue.list(user, status, limit, before)
    positions = state.queue.positions([job.id for job in found if job.status == "queued"])
    base_url = state.base_url(request)
    return {"jobs": [job_json(state, job, base_url, positions) for job in found]}


@router.get("/v1/jobs/{job_id}")
def get_job(job_id: str, request: Request, user: str = Depends(current_user)) -> dict[str, Any]:
    """Return a job."""
    state = state_of(request)
    return job_json(state, state.queue.get(user, job_id), state.base_url(request))


@router.post("/v1/jobs/{job_id}/cancel")
def cancel_job(job_id: str, request: Request, user: str = Depends(current_user)) -> dict[str, Any]:
    """Stop a job: at once if it waits, within seconds if it runs."""
    state = state_of(request)
    return job_json(state, state.queue.cancel(user, job_id), state.base_url(request))


@router.delete("/v1/jobs/{job_id}", status_code=204)
def delete_job(job_id: str, request: Request, user: str = Depends(current_user)) -> None:
    """Remove a job that does not run, and its files."""
    state = state_of(request)
    state.queue.delete(user, job_id)
    state.storage.remove_job(job_id)


@router.get("/v1/jobs/{job_id}/logs", response_class=PlainTextResponse)
def get_logs(job_id: str, request: Request, user: str = Depends(current_user)) -> str:
    """Return the log of a job as text."""
    state = state_of(request)
    state.queue.get(user, job_id)
    lines = state.queue.log.read(job_id)
    return "".join(f"{timestamp(one.time)} {one.level}: {one.message}\n" for one in lines)
