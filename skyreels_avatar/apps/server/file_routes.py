"""Results and uploads by signed addresses that expire, which need no token."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse

from skyreels_avatar.apps.jobs.records import RequestError, not_found
from skyreels_avatar.apps.server.present import CONTENT_TYPES, file_path
from skyreels_avatar.apps.server.state import state_of

router = APIRouter(tags=["files"])
_OWNER = re.compile(r"(job|file)_[0-9a-f]{32}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}\.[a-z0-9]{1,10}")


@router.get("/v1/files/{owner_id}/{name}", response_class=FileResponse)
def get_file(
    owner_id: str, name: str, expires: int, signature: str, request: Request, download: bool = False
) -> FileResponse:
    """Return a file; ranges of it, too. `download=1` lets a browser save it."""
    state = state_of(request)
    if not _OWNER.fullmatch(owner_id) or not _NAME.fullmatch(name):
        raise not_found("file")
    if not state.signer.is_valid("file", f"{owner_id}/{name}", expires, signature):
        raise RequestError(
            "address_expired", "this address has expired, or was changed",
            "ask for the job again: it holds a fresh one", 403,
        )  # fmt: skip
    path = file_path(state, owner_id, name)
    if not path.is_file():
        raise not_found("file")
    return FileResponse(
        path,
        media_type=CONTENT_TYPES.get(path.suffix, "application/octet-stream"),
        filename=name,
        content_disposition_type="attachment" if download else "inline",
        headers={"Cache-Control": "private, max-age=3600", "Content-Security-Policy": "sandbox"},
    )
