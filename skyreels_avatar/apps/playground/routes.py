"""The addresses of the playground: its pages, and what only they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from pydantic import Field

from skyreels_avatar.apps.jobs.inputs import Form, UploadId
from skyreels_avatar.apps.jobs.interactive import find_faces
from skyreels_avatar.apps.jobs.records import RequestError, not_found
from skyreels_avatar.apps.playground import pages
from skyreels_avatar.apps.playground.answers import (
    find_peaks,
    missing_files,
    read_film,
    write_script,
)
from skyreels_avatar.apps.server.catalog import call
from skyreels_avatar.apps.server.state import current_user, state_of
from skyreels_avatar.folders import asset_path

router = APIRouter(tags=["playground"])
_STATIC_TYPES = {
    ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".webp": "image/webp",
}  # fmt: skip
_SHOWN = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")  # and WebP
_MAX_FILES = 200


class PeaksForm(Form):
    """A sound whose waveform is asked for."""

    audio: UploadId
    count: int = Field(1000, ge=1, le=4000)


class ScriptReadForm(Form):
    """A script in YAML, and the files that it names."""

    script: str = Field(max_length=200_000)
    texts: dict[str, str] = Field({}, description="contents of transcripts by their names")
    files: dict[str, UploadId] = Field({}, description="uploads by the names of files")


class ScriptWriteForm(Form):
    """A script whose files are uploads, and the names of these."""

    script: dict[str, Any]
    names: dict[UploadId, str] = Field({}, description="of files by the ids of their uploads")


@router.post("/v1/peaks")
def post_peaks(
    form: PeaksForm, request: Request, user: str = Depends(current_user)
) -> dict[str, Any]:
    """Return the waveform of a sound as numbers from 0 to 1."""
    upload = state_of(request).storage.upload(user, form.audio)
    if upload.kind == "image":
        raise RequestError(
            "invalid_input", "a picture has no sound", "give the id of a sound or a video", 422
        )
    return call(request, find_peaks, state_of(request).storage.upload_path(upload), form.count)


@router.post("/v1/script/read")
def post_script_read(
    form: ScriptReadForm, request: Request, user: str = Depends(current_user)
) -> dict[str, Any]:
    """Return a script as the film page edits it, or the names of the files that are missing."""
    if len(form.files) + len(form.texts) > _MAX_FILES:
        raise RequestError(
            "invalid_input", f"a script may name {_MAX_FILES} files here", "use fewer", 422
        )
    missing = call(request, missing_files, form.script, form.texts, dict.fromkeys(form.files))
    if missing:
        return {"film": None, "missing": missing}
    storage = state_of(request).storage
    files = {}
    for name, upload_id in form.files.items():
        path = storage.upload_path(storage.upload(user, upload_id))
        files[name] = (upload_id, path.absolute())
    return {"film": call(request, read_film, form.script, form.texts, files), "missing": []}


@router.post("/v1/script/write")
def post_script_write(
    form: ScriptWriteForm, request: Request, user: str = Depends(current_user)
) -> dict[str, str]:
    """Return a script as YAML, its files under the names that they came with."""
    return {"script": call(request, write_script, form.script, dict(form.names))}


@router.api_route("/playground/uploads/{upload_id}", methods=["GET", "HEAD"])
def get_upload_content(
    upload_id: str, request: Request, user: str = Depends(current_user)
) -> RedirectResponse:
    """Lead to the file of an upload of one's own, as a picture that browsers can show."""
    state = state_of(request)
    upload = state.storage.upload(user, upload_id)
    path, name = state.storage.upload_path(upload), f"{upload.id}{upload.suffix}"
    if upload.kind == "image" and not _is_shown_by_browsers(path):  # of a phone, or a scanner
        name = f"{upload.id}_faces.jpg"
        if not path.with_name(name).is_file():
            call(request, find_faces, path, upload.kind, path.with_name(name))
    address = state.file_url(state.base_url(request), upload.id, name)
    return RedirectResponse(address, 307, {"Cache-Control": "private, max-age=300"})


def _is_shown_by_browsers(path: Path) -> bool:
    with path.open("rb") as file:
        beginning = file.read(12)
    return beginning.startswith(_SHOWN) or beginning[8:] == b"WEBP"


def add_playground(app: FastAPI) -> None:
    """Add the pages, and what they ask for, to the application of a server."""
    app.include_router(router)
    add_pages(app, pages.PAGES, tabs=True)
    app.add_api_route("/examples/{name}", _get_example, include_in_schema=False)


def add_pages(app: FastAPI, names: Mapping[str, str], tabs: bool) -> None:
    """Add pages by their paths, the one that signs in, and the files that they load.

    Args:
        tabs: whether the pages of the playground are there to lead to.
    """
    for path, page in (*names.items(), (pages.SIGN_IN, pages.SIGN_IN)):
        app.add_api_route(f"/{path}", _page_route(page, tabs), include_in_schema=False)
    app.add_api_route("/static/{name}", _get_static, include_in_schema=False)


def _page_route(page: str, tabs: bool) -> Any:
    def get_page(request: Request) -> HTMLResponse:
        language = pages.choose_language(
            request.cookies.get("language"), request.headers.get("accept-language", "")
        )
        theme = pages.choose_theme(request.cookies.get("theme"))
        content = pages.page_html(page, language, theme, tabs)
        return HTMLResponse(content, headers=pages.HEADERS)

    return get_page


def _get_static(name: str) -> Response:
    headers = {"Cache-Control": "no-cache"}
    for language in pages.LANGUAGES:
        if name == f"strings.{language}.js":
            script = pages.strings_script(language)
            return Response(script, media_type="text/javascript", headers=headers)
    path = pages.STATIC / name
    # Only what lies in the folder itself: a name has no slash, and must be one that is there.
    if path.suffix not in _STATIC_TYPES or path.parent != pages.STATIC or not path.is_file():
        raise not_found("file")
    return FileResponse(path, media_type=_STATIC_TYPES[path.suffix], headers=headers)


def _get_example(name: str) -> FileResponse:
    if name not in pages.EXAMPLES:
        raise not_found("example")
    path = asset_path(f"examples/{name}")
    return FileResponse(path, media_type=pages.EXAMPLES[name])
