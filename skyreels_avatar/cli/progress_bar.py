"""A bar with stage and time left for whatever takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

if TYPE_CHECKING:
    from skyreels_avatar.progress import Progress as Report


class _TimeLeft(ProgressColumn):
    """The seconds left that the pass itself estimates."""

    def render(self, task) -> Text:
        seconds = task.fields.get("seconds_left")
        return Text("" if seconds is None else f"{seconds:.0f} s left", style="cyan")


@contextmanager
def progress_bar(console: Console) -> Iterator[Callable[[Report], None]]:
    """Show a bar with stage and time left while a run reports to the yielded callback."""
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %")
    bar = Progress(
        *columns,
        TimeElapsedColumn(),
        _TimeLeft(),
        console=console,
        transient=True,
        disable=console.quiet or not console.is_terminal,
    )
    task = bar.add_task("start", total=None, seconds_left=None)

    def show(report: Report) -> None:
        bar.update(
            task,
            description=f"{report.stage:<9}",
            completed=report.done,
            total=report.total or None,
            seconds_left=report.seconds_left,
        )

    with bar:
        yield show
