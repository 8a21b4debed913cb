"""`skyreels-avatar live`: a live avatar in a browser, in a broadcast, or run by a script."""

from __future__ import annotations

import contextlib
import threading
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from skyreels_avatar.cli.console import print_result, say
from skyreels_avatar.cli.playground import can_open_browser
from skyreels_avatar.cli.serve import Host, Port, PublicUrl, Tokens
from skyreels_avatar.errors import InputError

Portrait = Annotated[
    Path | None,
    typer.Option("--image", help="The portrait, or a saved avatar; a script may set it instead."),
]
LiveSize = Annotated[
    str | None, typer.Option("--size", help="WIDTHxHEIGHT.", show_default="384x384")
]
LiveFps = Annotated[
    float | None, typer.Option("--fps", help="Frames per second, 5 to 60.", show_default="25")
]
LiveVoice = Annotated[
    str | None,
    typer.Option("--voice", help="The voice for typed text: a name listed by `voices`."),
]
LivePrompt = Annotated[
    str | None,
    typer.Option("--prompt", help="The performance: 'a woman speaks warmly and smiles'."),
]
LiveCamera = Annotated[
    str | None,
    typer.Option(
        "--camera", metavar="MOVE[:PERCENT]", help="A camera move.", show_default="static"
    ),
]
LiveExpressiveness = Annotated[
    float | None,
    typer.Option(
        "--expressiveness",
        help="Amplitude of mouth, head and face motion, 0 to 200 percent.",
        show_default="100",
    ),
]
LiveSeed = Annotated[
    int | None,
    typer.Option(
        "--seed", help="Random seed; the same seed gives the same motion.", show_default="0"
    ),
]
ScriptFile = Annotated[
    Path | None,
    typer.Option("--script", help="A YAML file with what a host says and shows, in a loop."),
]
Push = Annotated[
    list[str] | None,
    typer.Option(
        "--push",
        help="Stream to rtmp://, rtmps://, udp://, tcp:// or srt:// (if FFmpeg supports it), to a "
        ".ts, .mkv, .flv or .mp4 file, or to - (MPEG-TS on standard output); repeatable.",
    ),
]
Page = Annotated[bool, typer.Option("--page/--no-page", help="Serve the browser page.")]


def live_command(
    image: Portrait = None,
    script: ScriptFile = None,
    prompt: LivePrompt = None,
    camera: LiveCamera = None,
    size: LiveSize = None,
    fps: LiveFps = None,
    expressiveness: LiveExpressiveness = None,
    seed: LiveSeed = None,
    voice: LiveVoice = None,
    push: Push = None,
    page: Page = True,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    tokens: Tokens = None,
    public_url: PublicUrl = None,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = True,
) -> None:
    """Stream a live avatar that says what you type, speak or script."""
    from skyreels_avatar.apps.live.air import OnAir, read_air
    from skyreels_avatar.apps.live.broadcast import parse_target

    given = {"image": image, "prompt": prompt, "camera": camera, "size": size, "fps": fps,
             "expressiveness": expressiveness, "seed": seed, "voice": voice}  # fmt: skip
    settings, plan = read_air({k: v for k, v in given.items() if v is not None}, script)
    targets = tuple(parse_target(one) for one in push or ())
    if not (page or targets):
        raise InputError("--no-page without --push has no viewers; give --push", parameter="push")
    serving = _serving(host, port, tokens, public_url) if page else None
    say("preparing the portrait, which takes some seconds", style="dim")
    tell = say if any(one.address == "pipe:1" for one in targets) else print_result
    with OnAir(settings, plan, targets) as air:
        for one in targets:
            tell(f"sending to {one}")
        if serving is None:
            with contextlib.suppress(KeyboardInterrupt):  # that is how it ends
                air.wait()
        else:
            _serve(air, serving, tell, open_browser)
    say("off air")


def _serving(host: str, port: int, tokens: Path | None, public_url: str | None) -> Any:
    import skyreels_avatar.apps.live.app  # noqa: F401 - it says which extra is missing
    from skyreels_avatar.apps.jobs.storage import default_data_folder
    from skyreels_avatar.apps.server.settings import ServerSettings
    from skyreels_avatar.checks import user_path

    return ServerSettings(
        data=default_data_folder().with_name("live"), host=host, port=port, workers=0,
        tokens=None if tokens is None else user_path(tokens), public_url=public_url,
    )  # fmt: skip


def _serve(air: Any, settings: Any, tell: Any, open_browser: bool) -> None:
    from skyreels_avatar.apps.live.app import create_live_app
    from skyreels_avatar.apps.server.run import serve

    def on_start(url: str) -> None:
        tell(f"the face is live at {url}  (Ctrl+C stops it)")
        if open_browser and can_open_browser():
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    serve(settings, on_start, lambda made: create_live_app(made, air.host))
