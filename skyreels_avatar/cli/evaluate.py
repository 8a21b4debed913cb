"""`skyreels-avatar evaluate` and `compare`: metrics of talking videos, and blind preferences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from skyreels_avatar.cli.console import print_json, print_output, print_result
from skyreels_avatar.cli.options import AsJson, Face


def evaluate_command(
    videos: Annotated[
        list[Path],
        typer.Argument(metavar="VIDEO|FOLDER", help="Videos to measure, or folders of them."),
    ],
    reference: Annotated[
        Path | None,
        typer.Option(help="The image they were generated from.", show_default="the first frame"),
    ] = None,
    face: Face = "auto",
    camera: Annotated[
        str | None,
        typer.Option(
            metavar="MOVE[:PERCENT]",
            help="The requested camera move: measures how much of it the video shows.",
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            help="The transcript, in English: aligns phonemes for closures, rounding and tuck.",
            show_default="VIDEO.txt, else as it is heard",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Also measure how far the videos are from those in this folder, as a distance of "
            "distributions with its 95 % interval; five videos on each side.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="PAGE.html",
            help="Also write a page with tables, plots, frames and players. "
            "Videos of different folders are compared as different systems.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate talking videos by a fixed protocol. With --json, one list.

    Every metric is shown next to its value for real speech and, where it judges
    lips, for a puppet whose mouth just opens with loudness.

    Sync-C and Sync-D come from our own network; LSE-C and LSE-D of the SyncNet of
    2016 stand beside them after `models pull syncnet`. Closures, rounding and
    tuck are what lips do on p b m, w o u and f v (extra "phonemes"), and gain is
    what they do beyond chance. Head, gaze and brows are compared with real
    speakers, and the face with the reference by an embedding. Camera accuracy
    needs --camera, drift ten seconds. See docs/evaluation.md for how each is
    computed.
    """
    from skyreels_avatar.api.evaluation import compare_sets, evaluate, find_videos
    from skyreels_avatar.evaluation.html_report import write_html
    from skyreels_avatar.evaluation.report import distance_table

    reports = []
    for video in find_videos(videos):
        report = evaluate(video, reference, face, camera=camera, text=text)
        reports.append(report)
        if not as_json:
            print_output(report.table())
    others = [evaluate(video) for video in find_videos([against])] if against else []
    distance = compare_sets(reports, others) if against else None
    if distance is not None and not as_json:
        print_output(distance_table(distance, against.name))
    if html is not None:
        write_html([*reports, *others], html, distance)
    if as_json:
        found = [json.loads(report.to_json()) for report in reports]
        print_json(found if distance is None else {"videos": found, "distance": distance})
    elif html is not None:
        print_result(html)


def compare_command(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER FOLDER | ANSWERS.csv ...",
            help="Two folders with videos of the same names, or CSV files of answers.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PAGE.html", help="The page to write.")
    ] = Path("compare.html"),
    as_json: AsJson = False,
) -> None:
    """Build a blind A/B test page for two systems, or tally its answers.

    From two folders it builds a page that shows their videos side by side, in random order and on
    random sides; each rater saves a CSV file of answers. Given those files, it reports how often
    the first folder (A) was preferred, with a 95 % interval.
    """
    from skyreels_avatar.errors import InputError
    from skyreels_avatar.evaluation.blind_test import read_answers, write_blind_test

    if len(folders) == 2 and all(folder.is_dir() for folder in folders):
        pairs = write_blind_test(*folders, output)
        if as_json:
            print_json({"page": output, "pairs": pairs})
        else:
            print_result(output)
        return
    if not all(file.is_file() for file in folders):
        raise InputError("compare takes two folders of videos, or files of answers (CSV)")
    found = read_answers(folders)
    if as_json:
        print_json(found)
        return
    print_result(
        f"A preferred in {found.share:.0%} of {found.answers} answers by {found.raters} people "
        f"(95 % interval {found.low:.0%} to {found.high:.0%}); left side chosen in {found.left:.0%}"
    )
