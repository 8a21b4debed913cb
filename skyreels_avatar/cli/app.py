"""The commands of `skyreels-avatar`, put together."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from skyreels_avatar import __version__
from skyreels_avatar.cli.camera import camera_command
from skyreels_avatar.cli.console import print_result, stderr
from skyreels_avatar.cli.demo import demo_command
from skyreels_avatar.cli.doctor import doctor_command
from skyreels_avatar.cli.evaluate import compare_command, evaluate_command
from skyreels_avatar.cli.generate import generate_command
from skyreels_avatar.cli.help_text import Command, command_group
from skyreels_avatar.cli.live import live_command
from skyreels_avatar.cli.mcp import mcp_command
from skyreels_avatar.cli.models import models_app
from skyreels_avatar.cli.plan import plan_command
from skyreels_avatar.cli.playground import playground_command
from skyreels_avatar.cli.render import render_command
from skyreels_avatar.cli.retalk import retalk_command
from skyreels_avatar.cli.serve import serve_command, token_command
from skyreels_avatar.cli.speak import speak_command, voices_command
from skyreels_avatar.cli.verify import verify_command

# In the order in which `--help` lists them, each with an example.
_COMMANDS = (
    ("demo", demo_command, "-o first.mp4"),
    ("generate", generate_command, '--image me.jpg --text "Hello!" --camera swing:40 -o hello.mp4'),
    ("retalk", retalk_command, "--video talk.mp4 --audio german.wav -o talk_de.mp4"),
    ("render", render_command, "film.yaml --workers 2 -o film.mp4"),
    ("plan", plan_command, "film.yaml --animatic preview.mp4"),
    ("camera", camera_command, "--image me.jpg --move pan_left:50 -o pan.mp4"),
    ("speak", speak_command, '"Good morning." --voice en-gb --subtitles srt -o morning.wav'),
    ("voices", voices_command, "--language de"),
    ("evaluate", evaluate_command, "talk.mp4 --reference me.jpg --html report.html"),
    ("compare", compare_command, "videos_a videos_b -o compare.html"),
    ("verify", verify_command, "talk.mp4"),
    ("playground", playground_command, ""),
    ("live", live_command, "--image me.jpg"),
    ("serve", serve_command, "--port 8080"),
    ("mcp", mcp_command, ""),
    ("token", token_command, "anna --tokens tokens.txt"),
    ("doctor", doctor_command, "--image me.jpg"),
)

app = command_group(
    help="Turn a portrait, a voice and a sentence into a directed talking video.",
    epilog='Example: skyreels-avatar generate --image me.jpg --audio me.wav --prompt "a man '
    'smiles" --camera push_in:60 -o talk.mp4',
)
for _name, _function, _example in _COMMANDS:
    _epilog = f"Example: skyreels-avatar {_name} {_example}".rstrip()
    app.command(name=_name, cls=Command, epilog=_epilog)(_function)
app.add_typer(models_app, name="models")


@app.command(name="version", cls=Command)
def version_command() -> None:
    """Print the version."""
    print_result(__version__)


def _print_version(wanted: bool) -> None:
    if wanted:
        version_command()
        raise typer.Exit()


@app.callback()
def _options(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log every step, and show tracebacks of errors.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only the result and errors.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    level = logging.ERROR if quiet else logging.INFO if verbose else logging.WARNING
    logging.getLogger().setLevel(level)
    stderr.quiet = quiet
