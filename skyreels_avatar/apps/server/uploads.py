"""Uploads: streamed to disk, measured, and kept only after a look at their content."""

from __future__ import annotations

import errno
import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool

from skyreels_avatar.apps.jobs.intake import FileFacts, keep_file
from skyreels_avatar.apps.jobs.limits import MEGABYTE
from skyreels_avatar.apps.jobs.records import RequestError, Upload
from skyreels_avatar.apps.server.present import upload_json
from skyreels_avatar.apps.server.state import ServerState, current_user, state_of

router = APIRouter(tags=["uploads"])
_BLOCK_BYTES = 2**20


@router.post(
    "/v1/uploads",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
            "required": True,
        }
    },
)
async def post_upload(
    request: Request,
    name: str = Query("", max_length=255, description="of the file, for people"),
    user: str = Depends(current_user),
) -> dict[str, Any]:
    """Keep a picture, a sound or a video: the body is the file, or a form's field `file`."""
    state = state_of(request)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form(max_files=1, max_fields=10) as form:
            field = form.get("file")
            if field is None or isinstance(field, str):
                raise RequestError(
                    "no_file", "the form has no file", "send the file in the field `file`", 422
                )
            upload = await keep(state, user, name or field.filename or "", form_blocks(field))
    else:
        upload = await keep(state, user, name, request.stream())
    return upload_json(upload, _url(state, request, upload))


@router.get("/v1/uploads/{upload_id}")
def get_upload(
    upload_id: str, request: Request, user: str = Depends(current_user)
) -> dict[str, Any]:
    """Return what is known of an upload."""
    state = state_of(request)
    upload = state.storage.upload(user, upload_id)
    return upload_json(upload, _url(state, request, upload))


@router.delete("/v1/uploads/{upload_id}", status_code=204)
def delete_upload(upload_id: str, request: Request, user: str = Depends(current_user)) -> None:
    """Remove an upload; jobs that use it keep their copies."""
    state = state_of(request)
    state.storage.remove_upload(state.storage.upload(user, upload_id))


def _url(state: ServerState, request: Request, upload: Upload) -> str:
    return state.file_url(state.base_url(request), upload.id, f"{upload.id}{upload.suffix}")


async def form_blocks(field: Any) -> AsyncIterator[bytes]:
    """Yield a file of a form in blocks."""
    while block := await field.read(_BLOCK_BYTES):
        yield block


async def keep(
    state: ServerState,
    user: str,
    name: str,
    blocks: AsyncIterator[bytes],
    upload_id: str | None = None,
) -> Upload:
    """Write a file to disk as it comes, look at it, and keep it.

    Args:
        upload_id: the id that it gets; None = a new one.

    Raises:
        RequestError: it is too large, the user has too many, or it is nothing that can be used.
    """
    limits, storage = state.settings.limits, state.storage
    used = await run_in_threadpool(storage.used_bytes, user)
    room = limits.storage_mb * MEGABYTE - used
    incoming = storage.incoming / secrets.token_hex(16)
    try:
        num_bytes, digest = await _write(blocks, incoming, limits.upload_mb * MEGABYTE, room)
        facts = FileFacts(user, name, num_bytes, digest, upload_id)
        # A few at a time: each may take gigabytes while it is decoded.
        return await to_thread.run_sync(
            keep_file, storage, limits, incoming, facts, limiter=state.looking
        )
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RequestError(
            "disk_full", "the server has no room for the file",
            "come again in an hour; the operator can make room", 507, 3600,
        ) from error  # fmt: skip
    finally:
        incoming.unlink(missing_ok=True)


async def _write(
    blocks: AsyncIterator[bytes], path: Path, limit: float, room: float
) -> tuple[int, str]:
    digest, num_bytes = hashlib.sha256(), 0
    with path.open("xb") as file:
        async for block in blocks:
            num_bytes += len(block)
            if num_bytes > limit:
                raise _too_large(limit)
            if num_bytes > room:
                raise RequestError(
                    "storage_full", "your uploads take all the room that you have here",
                    "delete some, or come again in an hour, when old ones have expired", 413, 3600,
                )  # fmt: skip
            digest.update(block)
            if len(block) > _BLOCK_BYTES:
                await run_in_threadpool(file.write, block)
            else:
                file.write(block)
    if num_bytes == 0:
        raise RequestError("empty_file", "the file is empty", "send the file as the body", 422)
    return num_bytes, digest.hexdigest()


def _too_large(limit: float) -> RequestError:
    return RequestError(
        "too_large", f"the file is larger than {limit / MEGABYTE:.0f} MB",
        "send a smaller one, or ask the operator of the server for more", 413,
    )  # fmt: skip
