"""`skyreels-avatar plan`: what a shot or a film takes, before anything is generated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from skyreels_avatar.cli import options as opt
from skyreels_avatar.cli.console import confirm_overwriting, print_json, print_output, say
from skyreels_avatar.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from skyreels_avatar.film.film_plan import FilmPlan
    from skyreels_avatar.pipeline.estimate import ShotEstimate


FULL_MOVE = 0.995  # from this share of a move on nothing is said


def plan_command(
    film: Annotated[
        Path | None,
        typer.Argument(metavar="FILM", help="A script; or pass --image with --audio or --text."),
    ] = None,
    image: Annotated[Path | None, opt.picture_option(help="The portrait of a shot.")] = None,
    audio: opt.Audio = None,
    camera: opt.Camera = "static",
    tier: opt.Tier = opt.DEFAULT_TIER,
    size: opt.Size = None,
    fps: opt.Fps = 25.0,
    steps: opt.Steps = None,
    guidance_scale: opt.TextScale = None,
    audio_guidance_scale: opt.AudioScale = None,
    negative_prompt: opt.Negative = "",
    speaker: opt.Speakers = None,
    audio_start: opt.Start = None,
    audio_end: opt.End = None,
    text: opt.SpokenText = None,
    voice: opt.VoiceName = None,
    windows: opt.Windows = "overlap",
    workers: opt.Workers = None,
    as_json: opt.AsJson = False,
    overwrite: opt.Overwrite = False,
    animatic: Annotated[
        Path | None,
        opt.output_option(
            help="For a script: also write its still images, moving and cut like the film, to "
            "this .mp4 file."
        ),
    ] = None,
) -> None:
    """Estimate time and memory of a shot or a film without rendering it."""
    confirm_overwriting([animatic], overwrite)
    if film is not None:
        _plan_film(film, tier, steps, animatic, as_json)
        return
    if image is None or (audio is None and text is None):
        raise typer.BadParameter("give a script, or --image and --audio or --text")
    from skyreels_avatar.pipeline.estimate import estimate
    from skyreels_avatar.request.generation_request import GenerationRequest
    from skyreels_avatar.request.sampling import SamplingParams
    from skyreels_avatar.request.shot import Shot

    shot = Shot(
        image, audio=audio, camera=camera, start_s=audio_start, end_s=audio_end,
        negative_prompt=negative_prompt, text=opt.text_or_stdin(text), voice=voice,
        speakers=opt.parse_speakers(speaker),
    )  # fmt: skip
    sampling = SamplingParams(steps, guidance_scale, audio_guidance_scale)
    request = GenerationRequest(shot, "output.mp4", tier, size, fps, sampling, windows=windows)
    _print_plan(estimate(request, workers), as_json)


def _plan_film(
    film: Path, tier: str, steps: int | None, animatic: Path | None, as_json: bool
) -> None:
    from skyreels_avatar.film.animatic import check_outputs, write_animatic
    from skyreels_avatar.film.film_plan import plan_script
    from skyreels_avatar.film.script_reader import read_script

    if animatic is not None:
        check_outputs({"animatic": animatic}, [film])
    script = read_script(film)
    _print_plan(plan_script(script, tier=tier, num_inference_steps=steps), as_json)
    if animatic is not None:
        with progress_bar() as on_progress:
            write_animatic(script, animatic, on_progress=on_progress)
        say(f"{animatic}  the cameras over the still pictures")


def _print_plan(plan: ShotEstimate | FilmPlan, as_json: bool) -> None:
    if as_json:
        print_json(plan.to_dict())
    else:
        print_output(plan.table() if hasattr(plan, "shots") else shot_table(plan))


def shot_table(shot: ShotEstimate) -> Table:
    """Return the estimate of a shot as rows of a name and a value."""
    table = Table(box=None, show_header=False, pad_edge=False)
    rows = {
        "video": f"{shot.width}x{shot.height}, {shot.num_frames} frames at {shot.fps:g} fps, "
        f"{shot.duration_s:.2f} s",
        "windows": f"{len(shot.segments)} of up to {max(s.num_frames for s in shot.segments)} "
        f"motion frames, {shot.num_inference_steps} steps each",
        "memory": f"about {shot.memory_mb / 1000:.1f} GB, for any length",
        "time": f"about {shot.seconds:.0f} s on {shot.machine}",
    }
    if shot.picture:
        rows["picture"] = "; ".join(issue.message for issue in shot.picture)
    if small := [(name, share) for name, share in shot.camera_limits if share < FULL_MOVE]:
        limits = (f"100 % of {name} is {share:.0%} of the whole move" for name, share in small)
        rows["camera"] = "; ".join(limits) + ": this picture has no more room"
    if shot.num_workers > 1:
        rows["time"] += " for each worker"
        rows["workers"] = _rounds(shot)
    for card in shot.cards:
        memory = f"{card.device_gb:.0f} GB, {card.host_gb:.0f} GB of the host"
        needs = f"about {card.seconds:.0f} s, {memory}"
        rows[f"on {card.name}"] = f"{needs}: {card.policy}" if card.seconds else card.policy
    for name, value in rows.items():
        table.add_row(name, value)
    for segment in shot.segments:
        first, last = segment.keep[0], segment.keep[1] - 1
        num_known = segment.num_known_frames + segment.num_last_frames
        known = f", {num_known} known" if num_known else ""
        kept = f"motion frames {first} to {last} of" if last >= first else "motion frames:"
        table.add_row(
            f"  {segment.role} {segment.index + 1}",
            f"{kept} {segment.num_frames} from {segment.first_frame}{known}",
        )
    return table


def _rounds(shot: ShotEstimate) -> str:
    first, pictures = shot.rounds
    listed = f"{shot.num_workers}; {pictures} rounds of windows with their pictures"
    if any(segment.role == "keyframe" for segment in shot.segments):
        return f"{listed}, after {first} rounds of key frames"
    return f"{listed}, after one has sampled {first} windows in turn" if first else listed
