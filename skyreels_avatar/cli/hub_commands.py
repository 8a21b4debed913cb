"""`skyreels-avatar models ...`: list and fetch public weights."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from skyreels_avatar.cli.console import print_output, stderr

models_app = typer.Typer(no_args_is_help=True, help="Public weights: list them, fetch them.")


@models_app.command(name="list")
def models_list_command() -> None:
    """Show the public weights that are known, their licences, and which are here."""
    from skyreels_avatar.loading.model_hub import MODELS, is_here
    from skyreels_avatar.loading.tiers import models_folder

    for model in MODELS:
        here = "  (here)" if is_here(model) else ""
        print_output(
            f"{model.name:24} {model.size_gb:5.1f} GB  {model.licence:26} {model.fills}{here}"
        )
    print_output(f"kept in {models_folder()}")


@models_app.command(name="pull")
def models_pull_command(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="As `models list` says.")],
) -> None:
    """Fetch public weights from the Hugging Face hub, go on where it stopped, and check them."""
    from skyreels_avatar.loading.model_hub import find_model, pull

    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    for model in [find_model(name) for name in names]:
        with Progress(*columns, console=stderr, transient=True) as bar:
            task = bar.add_task(model.name, total=1.0)

            def show(what: str, share: float, bar: Progress = bar, task=task) -> None:
                bar.update(task, description=what, completed=share)

            folder = pull(model, show)
        print_output(f"{model.name}  {folder}")
