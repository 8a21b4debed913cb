"""`skyreels-avatar evaluate`: measures of talking videos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from skyreels_avatar.cli.console import print_json, print_output
from skyreels_avatar.cli.options import AsJson, Face


def evaluate_command(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO", help="Videos to measure.")],
    reference: Annotated[
        Path | None,
        typer.Option(help="The picture they were made from.", show_default="the first frame"),
    ] = None,
    face: Face = "auto",
    camera: Annotated[
        str | None,
        typer.Option(
            metavar="MOVE[:PERCENT]",
            help="The move that was asked for: measures how much of it the video shows.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure talking videos: lip sync, likeness, steadiness, camera. With --json, one list."""
    from skyreels_avatar.api.evaluation import evaluate

    reports = []
    for video in videos:
        report = evaluate(video, reference, face, camera=camera)
        reports.append(json.loads(report.to_json()))
        if not as_json:
            print_output(report.table())
    if as_json:
        print_json(reports)
