"""`skyreels-avatar retalk`: new words for an existing video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skyreels_avatar.cli.console import confirm_overwriting, print_result, say, stderr
from skyreels_avatar.cli.options import OUTPUT, Overwrite
from skyreels_avatar.cli.progress_bar import progress_bar
from skyreels_avatar.cli.studio_options import parsed_speakers
from skyreels_avatar.cli.voice_commands import (
    Gate,
    SaidText,
    Subtitles,
    Vocals,
    VoiceName,
    text_of,
)

Keep = Annotated[
    str,
    typer.Option(
        help="lips: only mouth and jaw change; face: the face; none: head and shoulders, too."
    ),
]
Length = Annotated[
    str,
    typer.Option(
        help="Where lengths differ: audio (as long as the sound), video (as long as the "
        "video), loop, bounce or remap the video to the sound, or silence (the longer of both)."
    ),
]
Whose = Annotated[
    str,
    typer.Option(
        help="auto (who speaks, else the largest), a number, x,y or x,y,w,h in the first "
        "frame, or a photo of the person."
    ),
]


def retalk_command(
    video: Annotated[Path, typer.Option(help="The footage; the person may speak in it.")],
    audio: Annotated[
        list[Path] | None,
        typer.Option(help="The new voice. Several times, for dubbing: one video for each."),
    ] = None,
    speaker: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FACE,AUDIO",
            help="One of several persons, repeatable: FACE as --face, AUDIO the voice, nothing = "
            "stays as in the video.",
        ),
    ] = None,
    text: SaidText = None,
    voice: VoiceName = None,
    subtitles: Subtitles = None,
    vocals: Vocals = None,
    gate: Gate = "auto",
    prompt: Annotated[str, typer.Option(help="How the person performs, in English.")] = "",
    keep: Keep = "face",
    length: Length = "audio",
    face: Whose = "auto",
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The video, ending in .mp4; with several voices the name of each is added. Spans "
            "without a mouth are written beside it, into NAME.unseen.json; a file of that name "
            "that no retalk wrote is never replaced.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("output.mp4"),
    tier: Annotated[str | None, typer.Option(help="A name in configs/, or a yaml file.")] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames per second, 1 to 120; else the video's own.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same frames.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Denoising steps; else the tier's own.")] = None,
    audio_start: Annotated[float | None, typer.Option(help="Use the sound from here on.")] = None,
    audio_end: Annotated[float | None, typer.Option(help="Use the sound up to here.")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Let the person in a video say something else; all the rest stays as it is."""
    with progress_bar(stderr):  # the first second goes into imports
        from skyreels_avatar.api.retalking import dub, files_of

    confirm_overwriting(files_of(output, audio or [], subtitles), overwrite)
    with progress_bar(stderr) as on_progress:
        results = dub(
            video,
            audio or [],
            prompt,
            keep=keep,
            length=length,
            output=output,
            tier=tier,
            seed=seed,
            fps=fps,
            face=face,
            text=None if text is None else text_of(text),
            voice=voice,
            subtitles=subtitles,
            vocals=vocals,
            gate=gate,
            speakers=parsed_speakers(speaker),
            steps=steps,
            audio_start=audio_start,
            audio_end=audio_end,
            on_progress=on_progress,
        )
    for result in results:
        say(f"{result.seconds['total']:.1f} s in all", style="dim")
        print_result(
            f"{result.path}  {result.width}x{result.height}, {result.num_frames} frames at "
            f"{result.fps:g} fps, {result.duration_s:.2f} s"
        )
