"""Cookies that stand for a token, for pages."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request, Response

from skyreels_avatar.apps.jobs.records import RequestError
from skyreels_avatar.apps.server.forms import SessionForm
from skyreels_avatar.apps.server.present import timestamp
from skyreels_avatar.apps.server.state import (
    SESSION_COOKIE,
    SESSION_S,
    current_user,
    make_session,
    state_of,
)

router = APIRouter(tags=["sessions"])


@router.post("/v1/session")
def post_session(form: SessionForm, request: Request, response: Response) -> dict[str, Any]:
    """Exchange a token for a cookie that a page of this server can use."""
    state = state_of(request)
    if state.tokens is None:
        return {"user": current_user(request)}
    client = request.client.host if request.client else "?"
    state.rates.check_failures(client)
    user = state.tokens.user_of(form.token.strip())
    if user is None:
        state.rates.count_failure(client)
        raise RequestError(
            "unauthorized", "this is not a token of this server", "ask the operator for one", 401
        )
    is_secure = state.base_url(request).startswith("https://")
    response.set_cookie(
        SESSION_COOKIE, make_session(state, user), max_age=SESSION_S, httponly=True,
        secure=is_secure, samesite="strict", path="/",
    )  # fmt: skip
    return {"user": user, "expires_at": timestamp(time.time() + SESSION_S)}


@router.delete("/v1/session", status_code=204)
def delete_session(response: Response) -> None:
    """Forget the cookie."""
    response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="strict")
