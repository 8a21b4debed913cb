"""Listen on a socket until the process is asked to stop."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from skyreels_avatar.apps.server.app import create_app
from skyreels_avatar.apps.server.settings import ServerSettings
from skyreels_avatar.errors import InputError, MissingExtraError

_GRACE_S = 10


def serve(
    settings: ServerSettings,
    on_start: Callable[[str], object],
    make_app: Callable[[ServerSettings], Any] = create_app,
) -> None:
    """Serve an application over HTTP until SIGINT or SIGTERM.

    Args:
        on_start: called with the address once it can be reached.
        make_app: returns the application: that of jobs, or another with its state.

    Raises:
        InputError: the port is taken, or something of the settings cannot be used.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise MissingExtraError("uvicorn", "serve") from error

    listening = _listen(settings)
    with listening:
        settings = replace(settings, port=listening.getsockname()[1])
        app = make_app(settings)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=_GRACE_S, timeout_keep_alive=30,
            proxy_headers=settings.public_url is not None,
        )  # fmt: skip

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                if not self.should_exit:
                    host = f"[{settings.host}]" if ":" in settings.host else settings.host
                    on_start(f"http://{host}:{settings.port}")

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                app.state.server.closing.set()  # streams of events end, which would last for ever
                await super().shutdown(sockets)

        with contextlib.suppress(KeyboardInterrupt):
            Server(config).run(sockets=[listening])


def _listen(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise InputError(
            f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}; give "
            "another port or host",
            parameter="port",
        ) from error
    return listening
