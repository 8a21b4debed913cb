"""`skyreels-avatar render`: a film of the shots in a script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skyreels_avatar.cli import options as opt
from skyreels_avatar.cli.console import confirm_overwriting, print_json, print_result, say
from skyreels_avatar.cli.progress_bar import progress_bar
from skyreels_avatar.errors import Cancelled, InputError

if TYPE_CHECKING:
    from skyreels_avatar.film.render import FilmResult

_MOST_NUMBERS = 10_000


def render_command(
    film: Annotated[Path, typer.Argument(metavar="FILM", help="The script, a YAML file.")],
    output: Annotated[
        Path, opt.output_option("--output", "-o", help="Output file, an .mp4.")
    ] = Path("film.mp4"),
    tier: opt.AnyTier = None,
    seed: opt.Seed = 0,
    steps: opt.Steps = None,
    guidance_scale: opt.TextScale = None,
    audio_guidance_scale: opt.AudioScale = None,
    only: Annotated[
        str, opt.output_option(help="Render only these shots, such as 3,5 or 2-4.")
    ] = "",
    resume: Annotated[
        bool,
        opt.output_option("--resume/--no-resume", help="Reuse shots rendered by an earlier run."),
    ] = True,
    work: Annotated[
        Path | None,
        opt.workers_option(help="Where finished shots are kept.", show_default="OUTPUT.work"),
    ] = None,
    otio: Annotated[
        Path | None,
        opt.output_option(help="Also export the timeline for video editors, an .otio file."),
    ] = None,
    engine: opt.Engine = None,
    workers: opt.Workers = None,
    address: opt.Address = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
) -> None:
    """Render a film from a script; unchanged shots are not rendered again.

    The seed applies to shots that set none. A film is overwritten without asking if its work
    folder shows that an earlier run rendered it.
    """
    with progress_bar():  # the first second goes into imports
        from skyreels_avatar.api.rendering import render
        from skyreels_avatar.film.edit_list import check_edit_list, write_edit_list
        from skyreels_avatar.film.render import MANIFEST, WORK_SUFFIX, check_outputs, is_manifest
        from skyreels_avatar.film.script_reader import read_script

    numbers, script = shot_numbers(only), read_script(film)
    if otio is not None:
        check_edit_list(otio)
    check_outputs({"output": output, "edit list": otio}, [film, script, work])
    kept = work or output.with_name(output.name + WORK_SUFFIX)
    is_ours = is_manifest(kept / MANIFEST, output)
    confirm_overwriting([output, otio], overwrite or is_ours)
    try:
        with progress_bar() as on_progress:
            result = render(
                script, output, tier=tier, seed=seed, steps=steps, guidance_scale=guidance_scale,
                audio_guidance_scale=audio_guidance_scale, only=numbers, resume=resume, work=work,
                engine=engine, workers=workers, address=address, on_progress=on_progress,
            )  # fmt: skip
    except (KeyboardInterrupt, Cancelled):
        say(f"finished shots are in {kept}; the same command resumes there")
        raise
    if otio is not None:
        write_edit_list(result, script, otio)
    _report(result, as_json)


def shot_numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of shots in "3,5" or "2-4,7".

    Raises:
        InputError: it is not such a list.
    """
    numbers: list[int] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)) or len(part) > 11:
            raise InputError(f"--only takes numbers of shots like 3,5 or 2-4, got {text!r}")
        numbers += range(int(first), int(last or first) + 1)
        if len(numbers) > _MOST_NUMBERS:
            raise InputError(f"--only names too many shots: {text!r}")
    return tuple(numbers)


def _report(result: FilmResult, as_json: bool) -> None:
    new = [shot for shot in result.shots if shot.is_new]
    for shot in new:
        say(f"shot {shot.number}: {shot.path}")
    kept = len(result.shots) - len(new)
    say(f"{result.seconds:.1f} s; shots: {len(new)} made, {kept} kept", style="dim")
    if as_json:
        print_json(_plain(result))
    elif result.path is None:
        missing = ", ".join(map(str, result.missing))
        print_result(f"no film yet: shots {missing} are missing; leave out --only to make them")
    else:
        print_result(
            f"{result.path}  {result.width}x{result.height}, {len(result.shots)} shots, "
            f"{result.num_frames} frames at {result.fps:g} fps, {result.duration_s:.2f} s"
        )


def _plain(result: FilmResult) -> dict[str, Any]:
    """Return what was made, each shot by its number, place in the film and video."""
    shots = [
        {
            "number": shot.number,
            "path": shot.path,
            "is_new": shot.is_new,
            "start_s": shot.placed.start_s,
            "end_s": shot.placed.end_s,
            "first_frame": shot.placed.first_frame,
            "num_frames": shot.placed.num_frames,
        }
        for shot in result.shots
    ]
    return {**vars(result), "shots": shots}
