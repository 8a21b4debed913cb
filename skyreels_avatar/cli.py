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
from rich.console import Console
from rich.text import Text

from skyreels_avatar import __version__
from skyreels_avatar.apps.demo_command import register_demo_command
from skyreels_avatar.apps.film_commands import plan_film, render_command
from skyreels_avatar.apps.hub_commands import models_app
from skyreels_avatar.apps.memory import keep_freed_memory
from skyreels_avatar.apps.plan_table import plan_table
from skyreels_avatar.apps.process import quiet_native_code, stopped_by_termination
from skyreels_avatar.apps.progress_bar import progress_bar
from skyreels_avatar.apps.retalk_commands import retalk_command
from skyreels_avatar.apps.studio_options import Audio, Memory, Speakers, parsed_speakers
from skyreels_avatar.apps.voice_commands import (
    Gate,
    SaidText,
    Subtitles,
    Vocals,
    VoiceName,
    register_voice_commands,
    text_of,
)
from skyreels_avatar.errors import AvatarError, Cancelled, InputError

if TYPE_CHECKING:
    from skyreels_avatar.script import GenerationRequest

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A portrait, a voice and a sentence become a directed talking video.",
)
app.add_typer(models_app, name="models")
app.command(name="retalk")(retalk_command)
register_voice_commands(app)
register_demo_command(app)
app.command(name="render")(render_command)
stderr = Console(stderr=True, soft_wrap=True, highlight=False)
stdout = Console(soft_wrap=True, highlight=False)

Image = Annotated[Path, typer.Option(help="The portrait: photo, painting or drawing.")]
Prompt = Annotated[
    str,
    typer.Option(
        help="How the person performs, in English; and the light: 'she smiles in warm evening "
        "light', 'black and white', 'it gets dark'."
    ),
]
Camera = Annotated[str, typer.Option(help="MOVE or MOVE:PERCENT, for example push_in:60.")]
Output = Annotated[Path, typer.Option(help="The video to write, ending in .mp4.")]
Size = Annotated[
    str | None,
    typer.Option(help="512x512 (WIDTHxHEIGHT), 480p or 720p; else the picture's own aspect."),
]
Fps = Annotated[float, typer.Option(help="Frames per second, 1 to 120.")]
Tier = Annotated[str, typer.Option(help="A name in configs/, or the path of a yaml file.")]
Face = Annotated[
    str,
    typer.Option(help="auto, a number (0 is the largest), x,y, a box x,y,w,h, or a photo."),
]
Seed = Annotated[int, typer.Option(help="Same seed, same frames.")]
Steps = Annotated[int | None, typer.Option(help="Denoising steps; else the tier's own number.")]
TextScale = Annotated[float | None, typer.Option(help="Weight of the prompt; 1 is off.")]
AudioScale = Annotated[float | None, typer.Option(help="Weight of the voice; 1 is off.")]
Negative = Annotated[str, typer.Option(help="What should not be seen.")]
Start = Annotated[float | None, typer.Option(help="Use the sound from this second on.")]
End = Annotated[float | None, typer.Option(help="Use the sound up to this second.")]

Windows = Annotated[
    str, typer.Option(help="overlap: each goes on from the last; keyframes: all side by side.")
]
Engine = Annotated[
    str | None,
    typer.Option(help="Who makes the windows: local = processes here, ray = a cluster."),
]
Workers = Annotated[int | None, typer.Option(help="How many make windows side by side.")]
Work = Annotated[
    Path | None,
    typer.Option(help="Keep finished windows in this folder; started again, a run goes on there."),
]


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option(help="Show what is done, and traces of errors.")] = False,
) -> None:
    logging.getLogger().setLevel(logging.INFO if verbose else logging.WARNING)


@app.command(name="generate")
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
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster that runs.")] = None,
) -> None:
    """Make a talking video of a portrait."""
    request = _request(locals())
    from skyreels_avatar.generate import generate_request

    with progress_bar(stderr) as on_progress, _kept_in(work):
        if engine is None and workers is None:
            result = generate_request(request, on_progress, work_folder=work)
            num_found = result.num_found
        else:
            from skyreels_avatar.apps.farm import make_windows, shared_folder

            with shared_folder(work, request.output) as folder:
                num_found = make_windows(
                    [request], folder, engine or "local", workers, address, on_progress
                )
                result = generate_request(request, on_progress, work_folder=folder)
    if num_found:
        stderr.print(f"went on with {num_found} of {result.num_frames} frames from {work}")
    if engine is None and workers is None:
        stages = dict(result.seconds)
        total_s = stages.pop("total")
        said = ", ".join(f"{name} {seconds:.1f}" for name, seconds in stages.items())
        stderr.print(f"[dim]{total_s:.1f} s in all; side by side: {said}[/dim]")
    stdout.print(
        f"{result.path}  {result.width}x{result.height}, {result.num_frames} frames at "
        f"{result.fps:g} fps, {result.duration_s:.2f} s",
        markup=False,
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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    animatic: Annotated[
        Path | None, typer.Option(help="Of a script: write its stills, cut and moving, here.")
    ] = None,
) -> None:
    """Say what generating a shot or a film would take, without loading any weights."""
    if film is not None:
        return plan_film(film, tier, 0, steps, as_json, animatic)
    if image is None or (audio is None and text is None):
        raise typer.BadParameter("give a script, or --image and --audio or --text")
    request = _request({"prompt": "", "output": Path("output.mp4"), **locals()})
    from skyreels_avatar.generate import estimate

    shot = estimate(request, workers)
    if as_json:
        stdout.print(json.dumps(shot.to_dict(), indent=2), markup=False)
    else:
        stdout.print(plan_table(shot))


@app.command(name="camera")
def camera_command(
    image: Image,
    move: Annotated[str, typer.Option(help="MOVE or MOVE:PERCENT, for example pan_left:50.")],
    seconds: Annotated[float, typer.Option(help="Length of the video.")] = 4.0,
    output: Output = Path("reference.mp4"),
    size: Size = None,
    fps: Fps = 25.0,
    face: Face = "auto",
) -> None:
    """Write the reference video: the still picture seen through a camera move."""
    from skyreels_avatar.generate import write_reference

    with progress_bar(stderr) as on_progress:
        num_frames = write_reference(
            image, move, output, seconds, size=size, fps=fps, face=face, on_progress=on_progress
        )
    stdout.print(f"{output}  {num_frames} frames at {fps:g} fps", markup=False)


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
            stdout.print(report.table())
    if as_json:
        stdout.print(json.dumps(reports, indent=2), markup=False)


@app.command(name="doctor")
def doctor_command(
    tier: Tier = "nano",
    load: Annotated[
        bool, typer.Option("--load", help="Load the networks too, which takes seconds.")
    ] = False,
) -> None:
    """Say what this machine has, what is missing, and what adds it."""
    from skyreels_avatar.apps.doctor import as_text, examine, examine_extras

    findings = examine(tier, load)
    stdout.print(as_text(findings, "missing"))
    stdout.print("Optional extras:")
    stdout.print(as_text(examine_extras(), "none"), end="")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(FAILED)


@app.command(name="version")
def version_command() -> None:
    """Print the version."""
    stdout.print(__version__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    keep_freed_memory()
    gc.set_threshold(500_000)  # importing PyTorch makes half a million objects, which all stay
    code = run(sys.argv[1:] if arguments is None else arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking PyTorch down object by object takes most of a second


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code: 0, 1 failed, 2 wrong input, 130 stopped."""
    # torch reads this when it is imported, inside the commands: threads that wait must not spin.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # NumPy's matrices here are small, and its threads would wait spinning beside those that work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with _log_lines(), stopped_by_termination(), quiet_native_code("--verbose" in arguments):
        try:
            code = app(args=list(arguments), prog_name="skyreels-avatar", standalone_mode=False)
        except BaseException as error:
            code = _failure(error)
    if code == INTERRUPTED:
        stderr.print("stopped; no video was written")
    return code if isinstance(code, int) else DONE


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
        for problem in getattr(error, "problems", ())[:-1]:
            stderr.print(Text("error: ", style="bold red") + Text(problem))
            message = error.problems[-1]
    elif isinstance(error, AvatarError):
        code, message = FAILED, str(error)
    elif isinstance(error, MemoryError):
        code, message = FAILED, "out of memory; give a smaller --size"
    else:
        code, message = FAILED, f"{type(error).__name__}: {error} (--verbose shows where)"
    stderr.print(Text("error: ", style="bold red") + Text(" ".join(message.split())))
    if logging.getLogger().isEnabledFor(logging.INFO):
        traceback.print_exception(error)
    return code


def _request(options: dict) -> GenerationRequest:
    """Return the checked request that options of the command line describe."""
    from skyreels_avatar.script import GenerationRequest, SamplingParams, Shot

    shot = Shot(
        image=options["image"],
        audio=options["audio"],
        prompt=options["prompt"],
        camera=options["camera"],
        start_s=options["audio_start"],
        end_s=options["audio_end"],
        face=options.get("face", "auto"),
        negative_prompt=options.get("negative_prompt", ""),
        text=None if options["text"] is None else text_of(options["text"]),
        voice=options["voice"],
        vocals=options.get("vocals"),
        gate=options.get("gate", "auto"),
        speakers=parsed_speakers(options["speaker"]),
    )
    scales = options["guidance_scale"], options["audio_guidance_scale"]
    sampling = SamplingParams(options["steps"], *scales, options.get("seed", 0))
    how = (options[name] for name in ("output", "tier", "size", "fps"))
    more = {name: options.get(name) for name in ("subtitles", "windows", "memory")}
    return GenerationRequest(shot, *how, sampling, **more)


@contextmanager
def _kept_in(work: Path | None) -> Iterator[None]:
    """Say, when a run is stopped, where it can be gone on with."""
    try:
        yield
    except (KeyboardInterrupt, Cancelled):
        if work is not None:
            stderr.print(f"finished windows are in {work}; the same command goes on with them")
        raise


@contextmanager
def _log_lines() -> Iterator[None]:
    """Print log records as lines on stderr, and warnings of other packages not at all."""
    import warnings

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name.partition(".")[0] in ("skyreels_avatar", "camera"):
                level = record.levelname.lower()
                stderr.print(f"{level}: {record.getMessage()}", markup=False)

    root, lines = logging.getLogger(), Lines()
    before = root.level
    root.addHandler(lines)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(lines)
        root.setLevel(before)
