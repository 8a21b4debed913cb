"""Inputs as other services name them: files by address, and names of fields that differ."""

from __future__ import annotations

import asyncio
import base64
import binascii
import http.client
import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from skyreels_avatar.apps.jobs.inputs import INPUTS, checked_input
from skyreels_avatar.apps.jobs.records import Job, NewJob, RequestError
from skyreels_avatar.apps.jobs.run import FILE_FIELDS
from skyreels_avatar.apps.server.job_routes import submit
from skyreels_avatar.apps.server.outbound import check_url, open_url
from skyreels_avatar.apps.server.present import file_path
from skyreels_avatar.apps.server.state import ServerState, state_of
from skyreels_avatar.apps.server.uploads import keep

_ALIASES = {
    "video_url": "video", "input_video": "video", "video_file": "video", "source_video": "video",
    "image_url": "image", "input_image": "image", "source_image": "image", "portrait": "image",
    "face_image": "image", "reference_image": "image", "image_file": "image",
    "audio_url": "audio", "input_audio": "audio", "driven_audio": "audio", "audio_file": "audio",
    "driving_audio": "audio", "speech": "audio", "audio_input": "audio", "sync_mode": "length",
    "text_input": "text", "voice_id": "voice", "num_inference_steps": "steps",
}  # fmt: skip
_LENGTHS = {"cut_off": "audio"}
_FETCH_S = 60.0
_BLOCK_BYTES = 2**18
_UPLOAD_ID = re.compile(r"file_[0-9a-f]{32}")
_OWN_PATH = re.compile(
    r"/(?:v1/files/(?P<owner>(?:file|job)_[0-9a-f]{32})/(?P<name>[\w.-]+)"
    r"|fal/files/(?P<upload>file_[0-9a-f]{32})(?:/[^/]*)?)"
)


async def submit_foreign(
    request: Request, user: str, values: Mapping[str, Any], webhook: dict[str, Any] | None,
    dialect: str,
) -> Job:  # fmt: skip
    """Queue what a client of another service asks for; the kind follows from the fields.

    A video is retalked, an image generates, a script is a film, a text alone is spoken.

    Raises:
        RequestError: it cannot be done; the message says what to change.
    """
    state, named = state_of(request), _named(values)
    kinds = {"video": "retalk", "image": "generate", "script": "film", "text": "speak"}
    kind = next((kinds[name] for name in kinds if named.get(name)), None)
    if kind is None:
        raise RequestError(
            "invalid_input", "the input names nothing that could be made into a video",
            "give video or image (with audio or text), script, or text", 422,
        )  # fmt: skip
    consent = named.pop("consent", None)
    if isinstance(consent, bool):
        consent = {"statement": consent}
    unknown = sorted(set(named) - set(INPUTS[kind].model_fields))
    known = {name: value for name, value in named.items() if name not in unknown}
    for name in FILE_FIELDS:
        if name in known:
            known[name] = await resolve_file(request, user, name, known[name])
    new = NewJob(
        user, kind, checked_input(kind, known), webhook=webhook, dialect=dialect,
        consent=consent if isinstance(consent, dict) else None,
    )  # fmt: skip
    job, _ = await run_in_threadpool(submit, state, new)
    if unknown:
        line = f"these inputs are not known here and were not used: {', '.join(unknown)[:500]}"
        await run_in_threadpool(state.queue.log.add, job.id, [("warning", line)])
    return job


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs under our names, without those that are empty."""
    named: dict[str, Any] = {}
    for name, value in values.items():
        if value is not None and value != "":
            named.setdefault(_ALIASES.get(name, name), value)
    if named.get("seed") == -1:  # of others: any
        del named["seed"]
    if "length" in named:
        named["length"] = _LENGTHS.get(str(named["length"]), named["length"])
    return named


async def resolve_file(request: Request, user: str, field: str, value: Any) -> str:
    """Return the id of the upload that an input means: an id, a data: or an http address.

    Raises:
        RequestError: it is none of these, or may not be fetched.
    """
    state = state_of(request)
    if not isinstance(value, str):
        raise _bad_file(field, "it is not an address")
    if _UPLOAD_ID.fullmatch(value):
        return value
    if value.startswith("data:"):
        return (await keep(state, user, field, _one_block(_decoded(field, value)))).id
    own = _own_file(state, request, value)
    if own is not None:
        return await _reuse(state, user, field, value, own)
    if not value.startswith(("http://", "https://")):
        raise _bad_file(field, "it is not an address")
    if not state.settings.fetch_urls:
        raise _bad_file(field, "this server fetches nothing from other hosts")
    check_url(value, state.settings.private_addresses)
    return (await keep(state, user, urlsplit(value).path, _fetched(state, value))).id


def _own_file(state: ServerState, request: Request, url: str) -> re.Match[str] | None:
    try:
        parts, own = urlsplit(url), urlsplit(state.base_url(request))
    except ValueError:  # "http://["
        return None
    if parts.netloc != own.netloc:
        return None
    return _OWN_PATH.fullmatch(parts.path.removeprefix(own.path))


async def _reuse(state: ServerState, user: str, field: str, url: str, own: re.Match[str]) -> str:
    """Return an upload of the user's for one of this server's own addresses."""
    upload_id = own["upload"] or (own["owner"] if own["owner"].startswith("file_") else None)
    if upload_id is not None:
        return state.storage.upload(user, upload_id).id
    query = parse_qs(urlsplit(url).query)
    expires, signature = query.get("expires", ["0"])[0], query.get("signature", [""])[0]
    text = f"{own['owner']}/{own['name']}"
    if not expires.isdigit() or not state.signer.is_valid("file", text, int(expires), signature):
        raise _bad_file(field, "it has expired, or was changed")
    path = file_path(state, own["owner"], own["name"])
    if not path.is_file():
        raise _bad_file(field, "it is not there any more")
    return (await keep(state, user, own["name"], _blocks_of(path))).id


async def _blocks_of(path: Any) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while block := await run_in_threadpool(file.read, _BLOCK_BYTES):
            yield block


async def _one_block(block: bytes) -> AsyncIterator[bytes]:
    yield block


def _decoded(field: str, url: str) -> bytes:
    head, comma, body = url[5:].partition(",")
    try:
        if not comma:
            raise ValueError
        if head.endswith(";base64"):
            return base64.b64decode(unquote_to_bytes(body), validate=True)
        return unquote_to_bytes(body)
    except (ValueError, binascii.Error) as error:
        raise _bad_file(field, "the data: address is damaged") from error


async def _fetched(state: ServerState, url: str) -> AsyncIterator[bytes]:
    """Yield the blocks of a file elsewhere, read in a thread, for a limited time."""
    until = time.monotonic() + _FETCH_S
    opened = open_url("GET", url, private_addresses=state.settings.private_addresses)
    try:
        response = await run_in_threadpool(opened.__enter__)
        try:
            if response.status != 200:
                raise _bad_file("file", f"the other server answered {response.status}")
            while block := await run_in_threadpool(response.read1, _BLOCK_BYTES):
                yield block
                if time.monotonic() > until:
                    raise _bad_file("file", "fetching it took too long")
        finally:
            await run_in_threadpool(opened.__exit__, None, None, None)
    except (OSError, http.client.HTTPException) as error:
        raise _bad_file("file", "it could not be fetched") from error


def _bad_file(field: str, reason: str) -> RequestError:
    return RequestError(
        "invalid_input", f"{field} cannot be used: {reason}",
        "give the id or the address of an upload, or a data: address; other hosts only where "
        "the operator allows it", 422,
    )  # fmt: skip


async def wait_for_end(state: ServerState, user: str, job_id: str, seconds: float) -> Job:
    """Return a job when it has ended, or as it is when the time is over."""
    until = time.monotonic() + seconds
    while True:
        job = await run_in_threadpool(state.queue.get, user, job_id)
        if job.is_final or time.monotonic() > until or state.closing.is_set():
            return job
        await asyncio.sleep(0.3)
