"""`skyreels-avatar serve` and `token`: the HTTP server, and its users' tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skyreels_avatar.cli.console import print_result, say

_ACCESS, _WORK, _LIMITS = "Access", "Jobs and workers", "Limits"

Data = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the queue, uploads and results.",
        show_default="~/.local/share/skyreels-avatar/server",
        rich_help_panel=_WORK,
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen on.", rich_help_panel=_ACCESS)]
Port = Annotated[int, typer.Option(help="Port; 0 picks a free one.", rich_help_panel=_ACCESS)]
Tokens = Annotated[
    Path | None,
    typer.Option(
        help="File with users and hashes of their tokens; `skyreels-avatar token` adds to it. "
        "Without it there is a single user, on this machine only.",
        rich_help_panel=_ACCESS,
    ),
]
PublicUrl = Annotated[
    str | None,
    typer.Option(
        help="The URL by which clients reach the server behind a proxy.",
        rich_help_panel=_ACCESS,
    ),
]
ConsentOption = Annotated[
    str,
    typer.Option(
        "--consent",
        help="Whether jobs that show a person require a consent statement: yes, no, or auto "
        "(yes with --tokens).",
        rich_help_panel=_ACCESS,
    ),
]
FetchUrls = Annotated[
    bool,
    typer.Option(
        "--fetch-urls",
        help="Allow http URLs as inputs of the Replicate and fal APIs.",
        rich_help_panel=_ACCESS,
    ),
]
PrivateAddresses = Annotated[
    bool,
    typer.Option(
        "--private-addresses",
        help="Allow webhooks and fetched inputs to reach private networks.",
        rich_help_panel=_ACCESS,
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="Database URL of the queue, such as postgresql+psycopg://user@host/name.",
        show_default="SQLite in the data folder",
        rich_help_panel=_WORK,
    ),
]
NumWorkers = Annotated[
    int,
    typer.Option(
        "--workers",
        help="Worker processes, each running one job at a time. 0: workers run elsewhere.",
        rich_help_panel=_WORK,
    ),
]
EngineName = Annotated[
    str | None,
    typer.Option("--engine", help="ray: render windows on a Ray cluster.", rich_help_panel=_WORK),
]
EngineAddress = Annotated[
    str | None, typer.Option("--address", help="Address of the Ray cluster.", rich_help_panel=_WORK)
]
Keep = Annotated[
    float, typer.Option("--keep-hours", help="How long results are kept.", rich_help_panel=_LIMITS)
]
UploadMb = Annotated[
    float, typer.Option("--upload-mb", help="Largest upload, in MB.", rich_help_panel=_LIMITS)
]
MaxQueued = Annotated[
    int,
    typer.Option(
        "--max-queued", help="Waiting and running jobs per user.", rich_help_panel=_LIMITS
    ),
]
MaxSeconds = Annotated[
    float,
    typer.Option(
        "--max-seconds", help="Longest audio or video, in seconds.", rich_help_panel=_LIMITS
    ),
]


def serve_command(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    tokens: Tokens = None,
    public_url: PublicUrl = None,
    consent: ConsentOption = "auto",
    fetch_urls: FetchUrls = False,
    private_addresses: PrivateAddresses = False,
    data: Data = None,
    database: DatabaseOption = None,
    workers: NumWorkers = 1,
    engine: EngineName = None,
    address: EngineAddress = None,
    keep_hours: Keep = 168.0,
    upload_mb: UploadMb = 512.0,
    max_queued: MaxQueued = 100,
    max_seconds: MaxSeconds = 600.0,
) -> None:
    """Run the HTTP job server: a durable queue, workers and an API."""
    # The server first: it says which extra brings what is missing.
    from skyreels_avatar.apps.server.run import serve  # isort: skip
    from skyreels_avatar.apps.jobs.limits import Limits
    from skyreels_avatar.apps.jobs.run import Engine
    from skyreels_avatar.apps.jobs.storage import default_data_folder
    from skyreels_avatar.apps.server.settings import ServerSettings
    from skyreels_avatar.checks import check_choice, check_number, user_path

    check_choice("consent", consent, ("auto", "yes", "no"))
    for name, value in (("keep-hours", keep_hours), ("upload-mb", upload_mb),
                        ("max-queued", max_queued), ("max-seconds", max_seconds)):  # fmt: skip
        check_number(name, value, 0.001, 1e6)
    limits = Limits(
        upload_mb=upload_mb, queued_per_user=max_queued, audio_s=max_seconds, video_s=max_seconds,
        keep_s=keep_hours * 3600,
    )  # fmt: skip
    settings = ServerSettings(
        data=default_data_folder() if data is None else user_path(data).absolute(),
        host=host, port=port, tokens=None if tokens is None else user_path(tokens),
        database=database, workers=workers, engine=Engine(engine, None, address), limits=limits,
        public_url=public_url, consent={"auto": None, "yes": True, "no": False}[consent],
        fetch_urls=fetch_urls, private_addresses=private_addresses,
    )  # fmt: skip
    serve(settings, lambda url: say(f"SkyReels Avatar is at {url}, its API at {url}/docs"))
    say("stopped; jobs that were running go on when the server starts again")


def token_command(
    name: Annotated[str, typer.Argument(help="Name of the user, such as anna.")],
    tokens: Annotated[Path, typer.Option(help="The tokens file; created if missing.")],
) -> None:
    """Create a token for a user of the server and print it, once."""
    from skyreels_avatar.apps.server.tokens import add_token
    from skyreels_avatar.checks import user_path

    print_result(add_token(user_path(tokens), name))
