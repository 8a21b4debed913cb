"""`skyreels-avatar models ...`: list and fetch published weights."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from skyreels_avatar.cli.console import print_json, print_output, stderr
from skyreels_avatar.cli.help_text import Command, command_group
from skyreels_avatar.cli.options import AsJson

models_app = command_group(help="List and download published weights.")


@models_app.command(name="list", cls=Command, epilog="Example: skyreels-avatar models list --json")
def models_list_command(as_json: AsJson = False) -> None:
    """List the published weights, their licenses, and which are downloaded."""
    from skyreels_avatar.folders import models_folder
    from skyreels_avatar.loading.model_hub import MODELS, is_here

    folder = models_folder()
    if as_json:
        print_json(
            [
                {**asdict(model), "here": is_here(model), "folder": folder / model.name}
                for model in MODELS
            ]
        )
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("GB", justify="right")
    table.add_column("license", no_wrap=True)
    table.add_column("used for")
    table.add_column("here")
    for model in MODELS:
        here = "yes" if is_here(model) else ""
        table.add_row(model.name, f"{model.size_gb:.1f}", model.licence, Text(model.fills), here)
    print_output(table)
    print_output(f"folder: {folder}")


@models_app.command(
    name="pull", cls=Command, epilog="Example: skyreels-avatar models pull wan2.1-vae umt5-xxl"
)
def models_pull_command(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help="A name listed by `models list`.")
    ],
    as_json: AsJson = False,
) -> None:
    """Download published weights from the Hugging Face hub and check them; resumable.

    With --json, one list.
    """
    from skyreels_avatar.loading.model_hub import find_model, pull

    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    fetched = []
    for model in [find_model(name) for name in names]:
        with Progress(*columns, console=stderr, transient=True) as bar:
            task = bar.add_task(model.name, total=1.0)

            def show(stage: str, share: float, bar: Progress = bar, task=task) -> None:
                bar.update(task, description=stage, completed=share)

            fetched.append({"name": model.name, "folder": pull(model, show)})
        if not as_json:
            print_output(f"{model.name}  {fetched[-1]['folder']}")
    if as_json:
        print_json(fetched)
