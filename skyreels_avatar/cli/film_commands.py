"""`skyreels-avatar render` and `plan` of a film: scripts in files, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from skyreels_avatar.cli.console import (
    confirm_overwriting,
    print_output,
    print_result,
    say,
    stderr,
)
from skyreels_avatar.cli.options import OUTPUT, Address, Overwrite
from skyreels_avatar.errors import Cancelled, InputError

if TYPE_CHECKING:
    from skyreels_avatar.film.progress import FilmProgress
    from skyreels_avatar.film.render import FilmResult


def render_command(
    film: Annotated[Path, typer.Argument(metavar="FILM", help="The script, a YAML file.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The film, ending in .mp4.", rich_help_panel=OUTPUT),
    ] = Path("film.mp4"),
    tier: Annotated[
        str | None, typer.Option(help="A name in configs/, or the path of a yaml file.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the shots that have none of their own.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Denoising steps of all shots.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="Weight of the prompt.")] = None,
    audio_guidance_scale: Annotated[float | None, typer.Option(help="Weight of the voice.")] = None,
    only: Annotated[str, typer.Option(help="Numbers of shots, like 3,5; others stay.")] = "",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume", metavar=" ", help="Keep what an earlier run has made."
        ),
    ] = True,
    work: Annotated[
        Path | None, typer.Option(help="Where finished shots are kept; else OUTPUT.work.")
    ] = None,
    otio: Annotated[
        Path | None, typer.Option(help="Also write an edit list for editors, ending in .otio.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Side by side: local = processes here, ray = a cluster.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="How many make windows side by side.")] = None,
    address: Address = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a film of the shots in a script; shots that have not changed are not made again.

    A film is replaced without asking where its own work folder shows that an earlier run made it.
    """
    with _progress_bar():  # the first second goes into imports
        from skyreels_avatar.api.rendering import render
        from skyreels_avatar.film.edit_list import check_edit_list, write_edit_list
        from skyreels_avatar.film.read import read_script
        from skyreels_avatar.film.render import MANIFEST, WORK_SUFFIX, check_outputs, is_manifest

    numbers, script = shot_numbers(only), read_script(film)
    if otio is not None:
        check_edit_list(otio)
    check_outputs({"output": output, "edit list": otio}, [film, script, work])
    kept = work or output.with_name(output.name + WORK_SUFFIX)
    is_ours = is_manifest(kept / MANIFEST, output)
    confirm_overwriting([output, otio], overwrite or is_ours)
    try:
        with _progress_bar() as on_progress:
            result = render(
                script,
                output,
                tier=tier,
                seed=seed,
                steps=steps,
                guidance_scale=guidance_scale,
                audio_guidance_scale=audio_guidance_scale,
                only=numbers,
                resume=resume,
                work=work,
                on_progress=on_progress,
                engine=engine,
                workers=workers,
                address=address,
            )
    except (KeyboardInterrupt, Cancelled):
        say(f"finished shots are kept in {kept}; the same command goes on there")
        raise
    if otio is not None:
        write_edit_list(result, script, otio)
    _report(result)


def shot_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of shots in "3,5" or "2-4,7".

    Raises:
        InputError: it is no such list.
    """
    numbers: list[int] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)) or len(part) > 11:
            raise InputError(f"--only takes numbers of shots like 3,5 or 2-4, got {text!r}")
        numbers += range(int(first), int(last or first) + 1)
        if len(numbers) > 10_000:
            raise InputError(f"--only names too many shots: {text!r}")
    return tuple(numbers)


def plan_film(
    film: Path, tier: str, seed: int, steps: int | None, as_json: bool, animatic: Path | None
) -> None:
    """Print what a film would take; with `animatic`, write its stills through its cameras."""
    from skyreels_avatar.film.animatic import check_outputs, write_animatic
    from skyreels_avatar.film.film_plan import plan_script
    from skyreels_avatar.film.read import read_script

    if animatic is not None:
        check_outputs({"animatic": animatic}, [film])
    script = read_script(film)
    plan = plan_script(script, tier=tier, seed=seed, num_inference_steps=steps)
    if as_json:
        print_output(json.dumps(plan.to_dict(), indent=2))
    else:
        print_output(plan.table())
    if animatic is not None:
        with _progress_bar() as on_progress:
            write_animatic(script, animatic, on_progress=on_progress)
        say(f"{animatic}  the cameras over the stills")


def _report(result: FilmResult) -> None:
    new = [shot for shot in result.shots if shot.is_new]
    for shot in new:
        say(f"shot {shot.number}: {shot.path}")
    kept = len(result.shots) - len(new)
    say(f"{result.seconds:.1f} s; shots: {len(new)} made, {kept} kept", style="dim")
    if result.path is None:
        missing = ", ".join(map(str, result.missing))
        print_result(f"no film yet: shots {missing} are not made; leave --only out to make them")
        return
    print_result(
        f"{result.path}  {result.width}x{result.height}, {len(result.shots)} shots, "
        f"{result.num_frames} frames at {result.fps:g} fps, {result.duration_s:.2f} s"
    )


@contextmanager
def _progress_bar() -> Iterator[Callable[[FilmProgress], None]]:
    """Show a bar with shot, window, stage and time left while a film is made."""
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %")
    left = TextColumn("{task.fields[left]}", style="cyan")
    bar = Progress(
        *columns,
        TimeElapsedColumn(),
        left,
        console=stderr,
        transient=True,
        disable=stderr.quiet or not stderr.is_terminal,
    )
    task = bar.add_task("start", total=None, left="")

    def show(report: FilmProgress) -> None:
        where = ""
        if report.number:
            where = f"shot {report.number} ({report.shot} of {report.num_shots})"
            if report.num_windows:
                where += f", window {report.window} of {report.num_windows}, "
        left_s = report.seconds_left
        bar.update(
            task,
            description=f"{where}{report.stage}",
            completed=report.done,
            total=report.total or None,
            left="" if left_s is None else f"{left_s:.0f} s left",
        )

    with bar:
        yield show
