"""The command line: arguments become requests, errors become one line and an exit code."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyreels_avatar import __version__
from skyreels_avatar.cli.console import (
    confirm_overwriting,
    flush_streams,
    log_lines,
    open_standard_streams,
    print_output,
    print_result,
    say,
    say_error,
    stderr,
)
from skyreels_avatar.cli.demo_command import register_demo_command
from skyreels_avatar.cli.film_commands import plan_film, render_command
from skyreels_avatar.cli.hub_commands import models_app
from skyreels_avatar.cli.options import (
    Address,
    AsJson,
    AudioScale,
    Camera,
    End,
    Engine,
    Face,
    Fps,
    Image,
    Move,
    Negative,
    Output,
    Overwrite,
    Prompt,
    Seed,
    Size,
    Start,
    Steps,
    TextScale,
    Tier,
    Windows,
    Work,
    Workers,
)
from skyreels_avatar.cli.plan_table import plan_table
from skyreels_avatar.cli.process import INTERRUPTED, quiet_native_code, stopped_by_signals
from skyreels_avatar.cli.progress_bar import progress_bar
from skyreels_avatar.cli.requests import camera_of, request_of
from skyreels_avatar.cli.retalk_commands import retalk_command
from skyreels_avatar.cli.studio_options import Audio, Memory, Speakers
from skyreels_avatar.cli.verify_command import register_verify_command
from skyreels_avatar.cli.voice_commands import (
    Gate,
    SaidText,
    Subtitles,
    Vocals,
    VoiceName,
    register_voice_commands,
)
from skyreels_avatar.errors import AvatarError, Cancelled, InputError
from skyreels_avatar.workers.allocator import reuse_freed_memory

if TYPE_CHECKING:
    pass

DONE, FAILED, WRONG_INPUT = 0, 1, 2

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A portrait, a voice and a sentence become a directed talking video.",
    epilog='Example: skyreels-avatar generate --image me.jpg --audio me.wav --prompt "a man '
    'smiles" --camera push_in:60 -o talk.mp4',
)
app.add_typer(models_app, name="models")
app.command(name="retalk")(retalk_command)
register_voice_commands(app)
register_demo_command(app)
register_verify_command(app)
app.command(name="render")(render_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_result(__version__)
        raise typer.Exit()


@app.callback()
def _options(
    verbose: Annotated[
        bool,
        typer.Option("--verbose", metavar=" ", help="Show what is done, and traces of errors."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", metavar=" ", help="Show errors and the result alone.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    level = logging.ERROR if quiet else logging.INFO if verbose else logging.WARNING
    logging.getLogger().setLevel(level)
    stderr.quiet = quiet


@app.command(
    name="generate",
    epilog='Example: skyreels-avatar generate --image me.jpg --text "Hello!" --camera swing:40 '
    "-o hello.mp4",
)
def generate_command(
    image: Image,
    audio: Audio = None,
    prompt: Prompt = "",
    camera: Camera = "static",
    output: Output = Path("output.mp4"),
    tier: Tier = "nano",
    seed: Seed = 0,
    size: Size = None,
    fps: Fps = 25.0,
    steps: Steps = None,
    guidance_scale: TextScale = None,
    audio_guidance_scale: AudioScale = None,
    negative_prompt: Negative = "",
    face: Face = "auto",
    speaker: Speakers = None,
    memory: Memory = None,
    audio_start: Start = None,
    audio_end: End = None,
    text: SaidText = None,
    voice: VoiceName = None,
    subtitles: Subtitles = None,
    vocals: Vocals = None,
    gate: Gate = "auto",
    work: Work = None,
    windows: Windows = "overlap",
    engine: Engine = None,
    workers: Workers = None,
    address: Address = None,
    overwrite: Overwrite = False,
) -> None:
    """Make a talking video of a portrait."""
    request = request_of(locals())
    confirm_overwriting([request.output, request.subtitles], overwrite)
    with progress_bar(stderr) as on_progress, _kept_in(work):
        from skyreels_avatar.workers.shot import generate_request

        if engine is None and workers is None:
            result = generate_request(request, on_progress, work_folder=work)
            num_found = result.num_found
        else:
            from skyreels_avatar.workers.farm import make_windows, shared_folder

            with shared_folder(work, request.output) as folder:
                num_found = make_windows(
                    [request], folder, engine or "local", workers, address, on_progress
                )
                result = generate_request(request, on_progress, work_folder=folder)
    if num_found:
        say(f"went on with {num_found} of {result.num_frames} frames from {work}")
    if engine is None and workers is None:
        stages = dict(result.seconds)
        total_s = stages.pop("total")
        said = ", ".join(f"{name} {seconds:.1f}" for name, seconds in stages.items())
        say(f"{total_s:.1f} s in all; side by side: {said}", style="dim")
    print_result(
        f"{result.path}  {result.width}x{result.height}, {result.num_frames} frames at "
        f"{result.fps:g} fps, {result.duration_s:.2f} s{camera_of(request)}"
    )


@app.command(name="plan")
def plan_command(
    film: Annotated[Path | None, typer.Argument(help="A script; or give --image, --audio.")] = None,
    image: Image | None = None,
    audio: Audio | None = None,
    camera: Camera = "static",
    tier: Tier = "nano",
    size: Size = None,
    fps: Fps = 25.0,
    steps: Steps = None,
    guidance_scale: TextScale = None,
    audio_guidance_scale: AudioScale = None,
    negative_prompt: Negative = "",
    speaker: Speakers = None,
    audio_start: Start = None,
    audio_end: End = None,
    text: SaidText = None,
    voice: VoiceName = None,
    windows: Windows = "overlap",
    workers: Workers = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
    animatic: Annotated[
        Path | None, typer.Option(help="Of a script: write its stills, cut and moving, here.")
    ] = None,
) -> None:
    """Say what generating a shot or a film would take, without loading any weights."""
    confirm_overwriting([animatic], overwrite)
    if film is not None:
        return plan_film(film, tier, 0, steps, as_json, animatic)
    if image is None or (audio is None and text is None):
        raise typer.BadParameter("give a script, or --image and --audio or --text")
    request = request_of({"prompt": "", "output": Path("output.mp4"), **locals()})
    from skyreels_avatar.pipeline.estimate import estimate

    shot = estimate(request, workers)
    if as_json:
        print_output(json.dumps(shot.to_dict(), indent=2))
    else:
        print_output(plan_table(shot))


@app.command(name="camera")
def camera_command(
    image: Image,
    move: Move,
    seconds: Annotated[float, typer.Option(help="Length of the video.")] = 4.0,
    output: Output = Path("reference.mp4"),
    size: Size = None,
    fps: Fps = 25.0,
    face: Face = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Write the reference video: the still picture seen through a camera move."""
    confirm_overwriting([output], overwrite)
    with progress_bar(stderr) as on_progress:
        from skyreels_avatar.pipeline.reference_video import write_reference

        num_frames = write_reference(
            image, move, output, seconds, size=size, fps=fps, face=face, on_progress=on_progress
        )
    print_result(f"{output}  {num_frames} frames at {fps:g} fps")


@app.command(name="evaluate")
def evaluate_command(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="Videos to measure.")],
    reference: Annotated[
        Path | None, typer.Option(help="The picture they were made from; else the first frame.")
    ] = None,
    face: Face = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one list.")] = False,
) -> None:
    """Measure talking videos: lips against sound, likeness, steadiness."""
    from skyreels_avatar.evaluation.report import evaluate

    reports = []
    for video in videos:
        report = evaluate(video, reference, face)
        reports.append(json.loads(report.to_json()))
        if not as_json:
            print_output(report.table())
    if as_json:
        print_output(json.dumps(reports, indent=2))


@app.command(name="doctor")
def doctor_command(
    tier: Tier = "nano",
    load: Annotated[
        bool,
        typer.Option("--load", metavar=" ", help="Load the networks too, which takes seconds."),
    ] = False,
    image: Annotated[
        Path | None, typer.Option(help="Say instead whether this picture can be animated well.")
    ] = None,
) -> None:
    """Say what this machine has, what is missing, and what adds it."""
    from skyreels_avatar.api.doctor import as_text, examine, examine_extras, examine_portrait

    if image is not None:
        lines, is_usable = examine_portrait(image)
        print_output("\n".join(lines))
        if not is_usable:
            raise typer.Exit(WRONG_INPUT)
        return
    findings = examine(tier, load)
    print_output(as_text(findings, "missing"))
    print_output("Optional extras:")
    print_output(as_text(examine_extras(), "none"))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(FAILED)


@app.command(name="version")
def version_command() -> None:
    """Print the version."""
    print_result(__version__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    open_standard_streams()
    reuse_freed_memory()
    gc.set_threshold(500_000)  # importing PyTorch makes half a million objects, which all stay
    code = run(sys.argv[1:] if arguments is None else arguments)
    flush_streams()
    os._exit(code)  # taking PyTorch down object by object takes most of a second


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code: 0, 1 failed, 2 wrong input, 130 stopped."""
    # torch reads this when it is imported, inside the commands: threads that wait must not spin.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # NumPy's matrices here are small, and its threads would wait spinning beside those that work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = _flags_first(arguments)
    verbose = "--verbose" in arguments
    with log_lines(), stopped_by_signals() as asked, quiet_native_code(verbose):
        try:
            code = app(args=arguments, prog_name="skyreels-avatar", standalone_mode=False)
        except BaseException as error:
            code = _failure(error)
    if code == INTERRUPTED:
        say("stopped; no video was written")
        code = asked.exit_code
    return code if isinstance(code, int) else DONE


def _flags_first(arguments: Sequence[str]) -> list[str]:
    """Return arguments with --quiet and --verbose before the command, wherever they stood."""
    flags = [one for one in arguments if one in ("--quiet", "-q", "--verbose")]
    return flags + [one for one in arguments if one not in flags]


def _failure(error: BaseException) -> int:
    """Print one line about an error and return its exit code."""
    if isinstance(error, (KeyboardInterrupt, Cancelled, typer.Abort)):
        return INTERRUPTED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    if hasattr(error, "format_message"):
        # The argument parser's own: a missing option, a word where a number belongs.
        code, message = WRONG_INPUT, error.format_message()
        if not message:  # no arguments at all: the help has been printed
            return code
        message += " (see --help)"
    elif isinstance(error, InputError):
        code, message = WRONG_INPUT, str(error)
        if error.parameter is not None:
            message += f" (--{error.parameter.replace('_', '-')})"
        for problem in getattr(error, "problems", ())[:-1]:
            say_error(problem)
            message = error.problems[-1]
    elif isinstance(error, AvatarError):
        code, message = FAILED, str(error)
    elif isinstance(error, MemoryError):
        code, message = FAILED, "out of memory; give a smaller --size"
    else:
        code, message = FAILED, f"{type(error).__name__}: {error} (--verbose shows where)"
    say_error(" ".join(message.split()))
    if logging.getLogger().isEnabledFor(logging.INFO):
        say("".join(traceback.format_exception(error)))
    return code


@contextmanager
def _kept_in(work: Path | None) -> Iterator[None]:
    """Say, when a run is stopped, where it can be gone on with."""
    try:
        yield
    except (KeyboardInterrupt, Cancelled):
        if work is not None:
            say(f"finished windows are in {work}; the same command goes on with them")
        raise
