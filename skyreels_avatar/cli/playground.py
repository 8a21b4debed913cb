"""`skyreels-avatar playground`: the pages in a browser, on this machine alone."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from typing import Annotated

import typer

from skyreels_avatar.cli.console import print_result, say
from skyreels_avatar.cli.serve import Data, NumWorkers, Port


def playground_command(
    port: Port = 8080,
    data: Data = None,
    workers: NumWorkers = 1,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = True,
) -> None:
    """Open the playground: the browser interface, on this machine only."""
    say("starting, which takes some seconds", style="dim")
    # The server first: it says which extra brings what is missing.
    from skyreels_avatar.apps.server.run import serve  # isort: skip
    from skyreels_avatar.apps.jobs.storage import default_data_folder
    from skyreels_avatar.apps.server.settings import ServerSettings
    from skyreels_avatar.checks import user_path

    settings = ServerSettings(
        data=default_data_folder() if data is None else user_path(data).absolute(),
        port=port,
        workers=workers,
    )

    def on_start(url: str) -> None:
        print_result(f"the playground is at {url}  (Ctrl+C stops it)")
        if open_browser and can_open_browser():
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    serve(settings, on_start)
    say("stopped; jobs that were running go on when the playground starts again")


def can_open_browser() -> bool:
    """Tell whether a browser with a window can be opened here, and not one of a terminal."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False
    return not (os.environ.get("SSH_CONNECTION") and not sys.platform.startswith("linux"))
