"""The application: routes, errors, what starts and stops with it."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from skyreels_avatar import __version__
from skyreels_avatar.errors import MissingExtraError

try:
    from fastapi import FastAPI, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import HTMLResponse, JSONResponse
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
except ImportError as error:
    raise MissingExtraError("fastapi", "serve") from error

from skyreels_avatar.apps.jobs.database import Database
from skyreels_avatar.apps.jobs.inputs import INPUTS, form_error
from skyreels_avatar.apps.jobs.interactive import Interactive
from skyreels_avatar.apps.jobs.queue import JobQueue
from skyreels_avatar.apps.jobs.records import RequestError
from skyreels_avatar.apps.jobs.storage import Storage, make_data_folder, read_secret
from skyreels_avatar.apps.jobs.supervisor import Supervisor
from skyreels_avatar.apps.playground.routes import add_playground
from skyreels_avatar.apps.server import (
    catalog,
    events,
    fal,
    fal_storage,
    file_routes,
    job_routes,
    replicate,
    sessions,
    uploads,
)
from skyreels_avatar.apps.server.docs_page import docs_page
from skyreels_avatar.apps.server.guard import Guard
from skyreels_avatar.apps.server.rates import RateLimiter
from skyreels_avatar.apps.server.settings import ServerSettings
from skyreels_avatar.apps.server.state import ServerState
from skyreels_avatar.apps.server.tokens import Signer, TokenFile
from skyreels_avatar.apps.server.webhooks import WebhookSender

logger = logging.getLogger(__name__)
_ROUTERS = (
    uploads.router, job_routes.router, events.router, file_routes.router, catalog.router,
    sessions.router, replicate.router, fal_storage.router, fal.router,
)  # fmt: skip


def create_app(settings: ServerSettings) -> FastAPI:
    """Return the application of a server; its workers start and stop with it.

    Raises:
        InputError: the data folder, the database or the token file cannot be used.
    """
    state = make_state(settings)
    supervisor = Supervisor(
        state.queue, state.storage, settings.workers, settings.engine, settings.verbose
    )

    webhooks = WebhookSender(state)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(supervisor.start)
        state.interactive.warm_up()
        webhooks.start()
        try:
            yield
        finally:
            state.closing.set()
            webhooks.stop()
            await run_in_threadpool(supervisor.stop)
            state.interactive.stop()
            state.queue.database.close()

    app = FastAPI(
        title="SkyReels Avatar", version=__version__, lifespan=lifespan, docs_url=None,
        redoc_url=None, description="Talking videos from a picture, a voice and a sentence.",
        openapi_url="/openapi.json",
    )  # fmt: skip
    app.state.server, app.state.supervisor, app.state.webhooks = state, supervisor, webhooks
    for router in _ROUTERS:
        app.include_router(router)
    _describe_inputs(app)
    add_errors(app)
    _add_pages(app, state)
    add_playground(app)
    app.add_middleware(Guard, settings=settings)
    return app


def make_state(settings: ServerSettings) -> ServerState:
    """Return what the routes of a server share, its data folder made.

    Raises:
        InputError: the data folder, the database or the token file cannot be used.
    """
    make_data_folder(settings.data)
    if settings.database is None:
        database = Database.in_folder(settings.data)
    else:
        database = Database(settings.database)
    return ServerState(
        settings,
        JobQueue(database, settings.limits),
        Storage(settings.data, database),
        Signer(read_secret(settings.data)),
        None if settings.tokens is None else TokenFile(settings.tokens),
        Interactive(),
        RateLimiter(),
        threading.Event(),
    )


def _describe_inputs(app: FastAPI) -> None:
    """Add what the input of each kind of job holds to the description of the API."""
    whole = app.openapi

    def openapi() -> dict[str, Any]:
        schema = whole()
        schemas = schema["components"]["schemas"]
        for form in INPUTS.values():
            if form.__name__ not in schemas:
                own = form.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas |= own.pop("$defs", {}) | {form.__name__: own}
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def add_errors(app: FastAPI) -> None:
    """Let every error leave as JSON: what is wrong, and what to do."""

    @app.exception_handler(RequestError)
    async def refused(_: Request, error: RequestError) -> JSONResponse:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(form_error(error.errors()))

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "not_found", 405: "method_not_allowed"}
        code = codes.get(error.status_code, "bad_request")
        fix = "see /docs for the addresses and methods that there are"
        return error_response(RequestError(code, str(error.detail), fix, error.status_code))

    @app.exception_handler(Exception)
    async def internal(_: Request, error: Exception) -> JSONResponse:
        logger.exception("a request failed", exc_info=error)
        message, fix = "the server failed", "try again; tell the operator if it stays so"
        return error_response(RequestError("internal", message, fix, 500))


def error_response(error: RequestError) -> JSONResponse:
    """Return an error as a response."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    content = {"code": error.code, "message": error.message, "fix": error.fix}
    if error.field is not None:
        content["field"] = error.field
    return JSONResponse({"error": content}, error.status, headers)


def _add_pages(app: FastAPI, state: ServerState) -> None:
    @app.get("/healthz", tags=["server"])
    def get_health() -> dict[str, str]:
        """Tell that the server answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["server"])
    def get_ready() -> Any:
        """Tell whether the database answers and workers run."""
        try:
            num_running = len(state.queue.running())
        except Exception:
            return JSONResponse({"status": "database unavailable"}, 503)
        ids = app.state.supervisor.process_ids()
        ready = bool(ids) or state.settings.workers == 0
        found = {"status": "ok" if ready else "no worker", "workers": len(ids),
                 "running": num_running}  # fmt: skip
        return JSONResponse(found, 200 if ready else 503)

    @app.get("/docs", include_in_schema=False)
    def get_docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))
