"""The addresses of a live face: connect, say, interrupt, direct, show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from skyreels_avatar.apps.jobs.records import RequestError, without_folders
from skyreels_avatar.apps.live.forms import ConnectForm, PortraitForm, SayForm, SetForm
from skyreels_avatar.apps.live.host import LiveHost
from skyreels_avatar.apps.live.peers import Peers
from skyreels_avatar.apps.server.catalog import installed_voices
from skyreels_avatar.apps.server.state import current_user, state_of
from skyreels_avatar.errors import AvatarError

router = APIRouter(tags=["live"], dependencies=[Depends(current_user)])


@dataclass
class LiveState:
    """What the routes share.

    Attributes:
        peers: browsers that look on; made in the event loop of the server.
    """

    host: LiveHost
    peers: Peers


def _live(request: Request) -> LiveState:
    return request.app.state.live


@router.get("/v1/live")
def get_live(request: Request) -> dict[str, Any]:
    """Return who speaks, what waits, how many pictures a second come, and how many look on."""
    live = _live(request)
    return live.host.state() | {"viewers": live.peers.count}


@router.get("/v1/live/options")
def get_live_options(request: Request) -> dict[str, Any]:
    """Return the voices, and whether a portrait needs a statement of consent."""
    needs_consent = state_of(request).settings.needs_consent
    return {"voices": list(installed_voices()), "consent_required": needs_consent}


@router.post("/v1/live/connect")
async def post_connect(form: ConnectForm, request: Request) -> dict[str, str]:
    """Answer the offer of a browser: an SDP with its candidates, one picture, one sound."""
    try:
        name, answer = await _live(request).peers.connect(form.sdp)
    except AvatarError as error:
        raise _refused(error) from error
    return {"id": name, "sdp": answer}


@router.delete("/v1/live/connect/{name}", status_code=204)
async def delete_connect(name: str, request: Request) -> None:
    """End a connection."""
    await _live(request).peers.disconnect(name)


@router.post("/v1/live/say", status_code=202)
def post_say(form: SayForm, request: Request) -> dict[str, Any]:
    """Say a text after what waits already."""
    _call(_live(request).host.say, form.text, form.voice)
    return get_live(request)


@router.post("/v1/live/interrupt")
def post_interrupt(request: Request) -> dict[str, Any]:
    """Drop what waits, and close the mouth."""
    _call(_live(request).host.interrupt)
    return get_live(request)


@router.post("/v1/live/set")
def post_set(form: SetForm, request: Request) -> dict[str, Any]:
    """Change prompt, camera or expressiveness."""
    _call(_live(request).host.set, **form.model_dump(exclude_unset=True))
    return get_live(request)


@router.post("/v1/live/portrait")
async def post_portrait(
    form: PortraitForm, request: Request, user: str = Depends(current_user)
) -> dict[str, Any]:
    """Show an uploaded portrait, as soon as it is prepared."""
    state = state_of(request)
    if state.settings.needs_consent and not form.consent:
        raise RequestError(
            "consent_required", "a portrait needs a statement of consent",
            "set consent: the person agrees, or nobody real is shown", 422, field="consent",
        )  # fmt: skip
    upload = await run_in_threadpool(state.storage.upload, user, form.image)
    if upload.kind != "image":
        raise RequestError(
            "invalid_input", f"upload {upload.id} is not a picture", "give the id of one", 422,
            field="image",
        )  # fmt: skip
    path = state.storage.upload_path(upload)
    await run_in_threadpool(_call, _live(request).host.show, path)
    return get_live(request)


def _call(function: Any, *values: Any, **named: Any) -> None:
    try:
        function(*values, **named)
    except AvatarError as error:
        raise _refused(error) from error


def _refused(error: AvatarError) -> RequestError:
    field = getattr(error, "parameter", None)
    fix = f"change {field}" if field else "change what was given"
    return RequestError("invalid_input", without_folders(str(error)), fix, 422, field=field)
