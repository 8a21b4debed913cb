"""The application of a live face: its page and addresses, uploads and sessions as of a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from skyreels_avatar import __version__
from skyreels_avatar.apps.live.host import LiveHost
from skyreels_avatar.apps.live.peers import Peers
from skyreels_avatar.errors import MissingExtraError

try:
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse
    from starlette.concurrency import run_in_threadpool
except ImportError as error:
    raise MissingExtraError("fastapi", "live") from error

from skyreels_avatar.apps.live.routes import LiveState
from skyreels_avatar.apps.live.routes import router as live_router
from skyreels_avatar.apps.playground import pages
from skyreels_avatar.apps.playground.routes import add_pages
from skyreels_avatar.apps.server import sessions, uploads
from skyreels_avatar.apps.server.app import add_errors, make_state
from skyreels_avatar.apps.server.docs_page import docs_page
from skyreels_avatar.apps.server.guard import Guard
from skyreels_avatar.apps.server.settings import ServerSettings

_CLEAN_S = 600.0


def create_live_app(settings: ServerSettings, host: LiveHost) -> FastAPI:
    """Return the application that shows a face, which the caller closes.

    Raises:
        InputError: the data folder or the token file cannot be used.
    """
    state = make_state(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        app.state.live = LiveState(host, Peers(host))
        cleaning = asyncio.create_task(_remove_expired())
        try:
            yield
        finally:
            cleaning.cancel()
            await app.state.live.peers.close()
            state.interactive.stop()
            state.queue.database.close()

    async def _remove_expired() -> None:
        while True:
            await run_in_threadpool(state.storage.remove_expired)
            await asyncio.sleep(_CLEAN_S)

    app = FastAPI(
        title="SkyReels Avatar, live", version=__version__, lifespan=lifespan, docs_url=None,
        redoc_url=None, description="A face that says what it is told.",
    )  # fmt: skip
    app.state.server = state
    for router in (uploads.router, sessions.router, live_router):
        app.include_router(router)
    add_errors(app)
    add_pages(app, {"": pages.LIVE}, tabs=False)
    app.add_api_route("/healthz", _get_health, tags=["server"])
    app.add_api_route(
        "/docs", lambda: HTMLResponse(docs_page(app.openapi())), include_in_schema=False
    )
    app.add_middleware(Guard, settings=settings)
    return app


def _get_health() -> dict[str, str]:
    """Tell that the server answers."""
    return {"status": "ok"}
