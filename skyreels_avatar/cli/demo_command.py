"""`skyreels-avatar demo`: a first video from the material that comes with the package."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from skyreels_avatar.cli.console import say
from skyreels_avatar.cli.options import Output, Overwrite
from skyreels_avatar.loading.tiers import asset_path


def register_demo_command(app: typer.Typer) -> None:
    """Add `demo` to the command line: one of its other commands, with the example material."""

    @app.command(name="demo")
    def demo_command(
        output: Output = Path("demo.mp4"),
        overwrite: Overwrite = False,
        film: Annotated[
            bool,
            typer.Option(
                "--film", metavar=" ", help="A film of three shots instead, in some minutes."
            ),
        ] = False,
    ) -> None:
        """Make a video of the portrait and the voice that come with this package."""
        arguments = [*demo_arguments(film), "--output", str(output)]
        arguments += ["--overwrite"] if overwrite else []
        line = shlex.join(["skyreels-avatar", *arguments])
        say(line, style="dim")
        app(args=arguments, prog_name="skyreels-avatar", standalone_mode=False)


def demo_arguments(film: bool) -> list[str]:
    """Return the command that makes the example video or film, but its output."""
    examples = asset_path("examples")
    if film:
        return ["render", str(examples / "film.yaml")]
    return [
        *("generate", "--image", str(examples / "portrait.png")),
        *("--audio", str(examples / "speech.wav"), "--prompt", "a woman speaks warmly and smiles"),
        *("--camera", "push_in:60", "--size", "512x512"),
    ]
