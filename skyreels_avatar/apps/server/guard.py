"""What holds for every request: who may ask from where, how large it may be, headers of answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

from skyreels_avatar.apps.jobs.limits import MEGABYTE
from skyreels_avatar.apps.server.settings import LOCAL_HOSTS, ServerSettings

Receive = Callable[[], Awaitable[Any]]
MAX_BODY_BYTES = 8 * MEGABYTE  # data: addresses are in it, too
_FORM_BYTES = MEGABYTE  # of a multipart form around its file
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: data:; "
        "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
}
_UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


class Guard:
    """A layer around the application that refuses what no route should see.

    A page of another site that is open in the user's browser must neither command a server on
    loopback nor one that knows a cookie: the Host must be ours (a name that somebody lets point to
    127.0.0.1 is not), and so must the Origin of whatever changes something.
    """

    def __init__(self, app: Any, settings: ServerSettings):
        self._app, self._settings = app, settings

    async def __call__(self, scope: Any, receive: Receive, send: Any) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        largest = self._largest(scope["path"])
        refused = self._refusal(scope, headers) or _size_refusal(headers, largest)
        sent = _with_headers(send)
        if refused is not None:
            await refused(scope, receive, sent)
            return
        await self._app(scope, _limited(receive, largest), sent)

    def _largest(self, path: str) -> int:
        if path in ("/v1/uploads", "/v1/files") or path.startswith("/fal-upload/"):
            return int(self._settings.limits.upload_mb * MEGABYTE) + _FORM_BYTES
        return MAX_BODY_BYTES

    def _refusal(self, scope: Any, headers: Headers) -> JSONResponse | None:
        host = headers.get("host", "")
        if self._settings.tokens is None and _name_of(host) not in self._local_names():
            return _answer(
                421, "wrong_host", f"this server is not called {host[:100]!r}",
                f"open http://{self._settings.host}:{self._settings.port}",
            )  # fmt: skip
        origin = headers.get("origin")
        if scope["method"] not in _UNSAFE or origin is None:
            return None
        by_cookie = self._settings.tokens is None or "authorization" not in headers
        if by_cookie and not self._is_own_origin(origin, host):
            return _answer(
                403, "wrong_origin", "a page of another site may not command this server",
                "open the server's own page, or send a token in the header Authorization",
            )  # fmt: skip
        return None

    def _local_names(self) -> tuple[str, ...]:
        public = self._settings.public_url
        return LOCAL_HOSTS + (() if public is None else (_name_of(urlsplit(public).netloc),))

    def _is_own_origin(self, origin: str, host: str) -> bool:
        public = self._settings.public_url
        own = {host} if public is None else {host, urlsplit(public).netloc}
        return urlsplit(origin).netloc in own


def _name_of(host: str) -> str:
    """Return a host without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _size_refusal(headers: Headers, largest: int) -> JSONResponse | None:
    told = headers.get("content-length", "0")
    if told.isdigit() and int(told) <= largest:
        return None
    return _answer(
        413, "too_large", f"the request is larger than {largest / MEGABYTE:.0f} MB",
        "send less; files go to /v1/uploads, each by itself",
    )  # fmt: skip


def _limited(receive: Receive, largest: int) -> Receive:
    num_bytes = 0

    async def limited() -> Any:
        nonlocal num_bytes
        message = await receive()
        num_bytes += len(message.get("body", b""))
        if num_bytes > largest:  # of a client that did not say so; it is treated as gone
            return {"type": "http.disconnect"}
        return message

    return limited


def _with_headers(send: Any) -> Any:
    async def with_headers(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return with_headers


def _answer(status: int, code: str, message: str, fix: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, "fix": fix}}, status)
