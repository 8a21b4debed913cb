"""Uploads as the client of fal makes them: to a signed address, at once or in parts."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from skyreels_avatar.apps.jobs.limits import MEGABYTE
from skyreels_avatar.apps.jobs.records import RequestError, new_id
from skyreels_avatar.apps.server.state import ServerState, current_user, state_of
from skyreels_avatar.apps.server.uploads import keep

router = APIRouter(tags=["fal"])
INITIATE = {
    "storage/upload/initiate": "files",
    "storage/upload/initiate-multipart": "parts",
}
_UPLOAD_S = 3600
_MAX_PARTS = 1000
_BLOCK_BYTES = 2**20


def initiated(
    state: ServerState, request: Request, user: str, path: str, values: dict[str, Any]
) -> dict[str, str]:
    """Return where a file is to be put, and which address it will have then."""
    base_url, upload_id = state.base_url(request), new_id("file")
    name = quote(str(values.get("file_name") or "file")[:100], safe="")
    expires = int(time.time()) + _UPLOAD_S
    signature = state.signer.sign("fal upload", f"{user}/{upload_id}", expires)
    query = f"user={quote(user)}&expires={expires}&signature={signature}"
    return {
        "upload_url": f"{base_url}/fal-upload/{INITIATE[path]}/{upload_id}/{name}?{query}",
        "file_url": f"{base_url}/fal/files/{upload_id}/{name}",
    }


def _signed(upload_id: str, user: str, expires: int, signature: str, request: Request) -> str:
    """Return the user whom the signature of an address lets put a file there.

    Raises:
        RequestError: it is not ours, or its time has passed.
    """
    if not state_of(request).signer.is_valid(
        "fal upload", f"{user}/{upload_id}", expires, signature
    ):
        raise RequestError("address_expired", "this address has expired", "ask for another", 403)
    return user


@router.put("/fal-upload/files/{upload_id}/{name}")
async def put_file(
    upload_id: str, name: str, request: Request, user: str = Depends(_signed)
) -> Response:
    """Keep the file of an address that was asked for before."""
    try:
        upload = await keep(state_of(request), user, name, request.stream(), upload_id)
    except RequestError as error:
        return fal_refusal(error)
    return JSONResponse({"id": upload.id})


@router.put("/fal-upload/parts/{upload_id}/{name}/{number}")
async def put_part(
    upload_id: str, name: str, number: int, request: Request, user: str = Depends(_signed)
) -> Response:
    """Keep a part of a large file until the others are there."""
    state = state_of(request)
    if not 1 <= number <= _MAX_PARTS:
        return fal_refusal(
            RequestError("invalid_input", f"parts are 1 to {_MAX_PARTS}", "send larger ones", 422)
        )
    room = state.settings.limits.upload_mb * MEGABYTE
    room -= sum(part.stat().st_size for part in _parts(state, upload_id).values())
    path = state.storage.incoming / f"{upload_id}.{number}"
    with path.open("wb") as file:
        async for block in request.stream():
            room -= len(block)
            if room < 0:
                break
            file.write(block)
    if room < 0:
        path.unlink()
        return fal_refusal(
            RequestError("too_large", "the file is too large", "send a smaller one", 413)
        )
    return JSONResponse({"partNumber": number, "etag": f"{number}"})


@router.post("/fal-upload/parts/{upload_id}/{name}/complete")
async def complete(
    upload_id: str, name: str, request: Request, user: str = Depends(_signed)
) -> Response:
    """Join the parts of a large file, and keep it."""
    state = state_of(request)
    parts = _parts(state, upload_id)
    try:
        numbers = [int(part["partNumber"]) for part in json.loads(await request.body())["parts"]]
        if not numbers or sorted(numbers) != sorted(parts):
            raise RequestError(
                "invalid_input", "parts are missing", "send every part, and name them all", 422
            )
        joined = _joined([parts[number] for number in sorted(numbers)])
        upload = await keep(state, user, name, joined, upload_id)
    except (ValueError, KeyError, TypeError):
        problem = "the parts that were sent are not named"
        return fal_refusal(RequestError("invalid_input", problem, "send {parts: [...]}", 422))
    except RequestError as error:
        return fal_refusal(error)
    for part in parts.values():
        part.unlink(missing_ok=True)
    return JSONResponse({"id": upload.id})


def _parts(state: ServerState, upload_id: str) -> dict[int, Path]:
    """Return the parts that are there, by their numbers."""
    found = state.storage.incoming.glob(f"{upload_id}.*")
    return {int(path.suffix[1:]): path for path in found}


async def _joined(parts: list[Path]) -> AsyncIterator[bytes]:
    for part in parts:
        with part.open("rb") as file:
            while block := await run_in_threadpool(file.read, _BLOCK_BYTES):
                yield block


@router.get("/fal/files/{upload_id}/{name}")
def get_file(
    upload_id: str, name: str, request: Request, user: str = Depends(current_user)
) -> RedirectResponse:
    """Lead to the file of an upload."""
    state = state_of(request)
    upload = state.storage.upload(user, upload_id)
    url = state.file_url(state.base_url(request), upload.id, f"{upload.id}{upload.suffix}")
    return RedirectResponse(url, 307)


def fal_refusal(error: RequestError) -> JSONResponse:
    """Return an error in fal's form."""
    problem = {"loc": ["body"], "msg": f"{error.message}; {error.fix}", "type": error.code}
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    return JSONResponse({"detail": [problem]}, error.status, headers)
