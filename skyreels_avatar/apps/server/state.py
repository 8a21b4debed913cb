"""What the routes of a server share."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from anyio import CapacityLimiter
from fastapi import Request

from skyreels_avatar.apps.jobs.interactive import Interactive
from skyreels_avatar.apps.jobs.queue import JobQueue
from skyreels_avatar.apps.jobs.records import RequestError
from skyreels_avatar.apps.jobs.storage import Storage
from skyreels_avatar.apps.server.rates import RateLimiter
from skyreels_avatar.apps.server.settings import ServerSettings
from skyreels_avatar.apps.server.tokens import LOCAL_USER, Signer, TokenFile

SESSION_COOKIE = "skyreels_session"
SESSION_S = 12 * 3600
_NUM_LOOKING = 2
_ROUND_S = 600  # addresses of files change this rarely, so that browsers keep what they have


@dataclass
class ServerState:
    """What the routes share.

    Attributes:
        tokens: None where there is one local user.
        interactive: answers what cannot wait in the queue.
        closing: set when the server stops; streams end then.
        streams: how many event streams each user holds open.
        looking: how many uploads are decoded at a time.
    """

    settings: ServerSettings
    queue: JobQueue
    storage: Storage
    signer: Signer
    tokens: TokenFile | None
    interactive: Interactive
    rates: RateLimiter
    closing: threading.Event
    streams: dict[str, int] = field(default_factory=dict)
    looking: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_NUM_LOOKING))

    def base_url(self, request: Request | None) -> str:
        """Return how clients reach this server, without a slash at the end."""
        if self.settings.public_url is not None:
            return self.settings.public_url.rstrip("/")
        if request is None:
            return f"http://{self.settings.host}:{self.settings.port}"
        return str(request.base_url).rstrip("/")

    def file_url(self, base_url: str, owner_id: str, name: str) -> str:
        """Return the signed address of a file of a job or an upload."""
        until = time.time() + self.settings.address_s
        expires = int(until // _ROUND_S + 1) * _ROUND_S
        signature = self.signer.sign("file", f"{owner_id}/{name}", expires)
        address = f"{base_url}/v1/files/{owner_id}/{name}"
        return f"{address}?expires={expires}&signature={signature}"


def state_of(request: Request) -> ServerState:
    """Return what the routes share."""
    return request.app.state.server


def current_user(request: Request) -> str:
    """Return the user who asks, within the rate that users have.

    Raises:
        RequestError: nobody the server knows, or too many requests.
    """
    state = state_of(request)
    user = _user_of(request, state)
    state.rates.count(f"user {user}", state.settings.limits.requests_per_minute)
    return user


def _user_of(request: Request, state: ServerState) -> str:
    if state.tokens is None:
        return LOCAL_USER
    client = request.client.host if request.client else "?"
    state.rates.check_failures(client)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token", "key") and token.strip():
        user = state.tokens.user_of(token.strip())
    else:
        user = session_user(state, request.cookies.get(SESSION_COOKIE, ""))
    if user is None:
        state.rates.count_failure(client)
        raise RequestError(
            "unauthorized", "this needs a token of this server",
            "send the header Authorization: Bearer TOKEN; the operator makes tokens with "
            "`skyreels-avatar token`", 401,
        )  # fmt: skip
    return user


def make_session(state: ServerState, user: str) -> str:
    """Return the value of a cookie that stands for a user's token for some hours."""
    expires = int(time.time()) + SESSION_S
    return f"{user}|{expires}|{state.signer.sign('session', user, expires)}"


def session_user(state: ServerState, cookie: str) -> str | None:
    """Return the user of a session cookie that is valid, and whose token was not taken away."""
    user, _, rest = cookie.partition("|")
    expires, _, signature = rest.partition("|")
    if not expires.isdigit() or state.tokens is None:
        return None
    if not state.signer.is_valid("session", user, int(expires), signature):
        return None
    return user if state.tokens.has_user(user) else None
