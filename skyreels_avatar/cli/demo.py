"""`skyreels-avatar demo`: a first video from the material that comes with the package."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from skyreels_avatar.cli.console import say
from skyreels_avatar.cli.options import AsJson, Output, Overwrite
from skyreels_avatar.folders import asset_path


def demo_command(
    context: typer.Context,
    output: Output = Path("demo.mp4"),
    overwrite: Overwrite = False,
    film: Annotated[
        bool, typer.Option("--film", help="Render a film of three shots, which takes minutes.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Render a video from the example portrait and voice of this package."""
    arguments = [*demo_arguments(film), "--output", str(output)]
    arguments += ["--overwrite"] if overwrite else []
    arguments += ["--json"] if as_json else []
    program = context.find_root()
    say(shlex.join([program.info_name or "", *arguments]), style="dim")
    program.command.main(arguments, prog_name=program.info_name, standalone_mode=False)


def demo_arguments(film: bool) -> list[str]:
    """Return the command that makes the example video or film, without its output."""
    examples = asset_path("examples")
    if film:
        return ["render", str(examples / "film.yaml")]
    return [
        *("generate", "--image", str(examples / "portrait.png")),
        *("--audio", str(examples / "speech.wav"), "--prompt", "a woman speaks warmly and smiles"),
        *("--camera", "push_in:60", "--size", "512x512"),
    ]
