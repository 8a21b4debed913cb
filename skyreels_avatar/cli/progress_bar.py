"""Bars with the stage, the share that is done and the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from skyreels_avatar.cli.console import stderr

if TYPE_CHECKING:
    from skyreels_avatar.film.progress import FilmProgress
    from skyreels_avatar.progress import Progress as ShotProgress

_STAGE_WIDTH = 9  # of the longest stage: the bar does not jump from stage to stage


@contextmanager
def progress_bar() -> Iterator[Callable[[ShotProgress | FilmProgress], None]]:
    """Show a bar on a terminal while a run reports to the callback; of a film, shot and window."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", style="cyan"),
        console=stderr,
        transient=True,
        disable=stderr.quiet or not stderr.is_terminal,
    )
    task = bar.add_task("start", total=None, left="")

    def show(report: ShotProgress | FilmProgress) -> None:
        left_s = report.seconds_left
        bar.update(
            task,
            description=f"{_place(report)}{report.stage:<{_STAGE_WIDTH}}",
            completed=report.done,
            total=report.total or None,
            left="" if left_s is None else f"{left_s:.0f} s left",
        )

    with bar:
        yield show


def _place(report: ShotProgress | FilmProgress) -> str:
    """Return where in a film a report comes from: "shot 3 (1 of 2), window 4 of 7, "."""
    number = getattr(report, "number", 0)
    if not number:
        return ""
    windows = f", window {report.window} of {report.num_windows}" if report.num_windows else ""
    return f"shot {number} ({report.shot} of {report.num_shots}){windows}, "
