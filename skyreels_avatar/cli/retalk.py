"""`skyreels-avatar retalk`: new words for an existing video."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from skyreels_avatar.cli import options as opt
from skyreels_avatar.cli.console import confirm_overwriting, print_json, print_result, say
from skyreels_avatar.cli.generate import video_line
from skyreels_avatar.cli.progress_bar import progress_bar

Keep = Annotated[
    str,
    opt.picture_option(
        help="How much may change. lips: mouth and jaw; face: the whole face; none: head and "
        "shoulders as well."
    ),
]
Length = Annotated[
    str,
    opt.picture_option(
        help="When lengths differ. audio: as long as the audio; video: as long as the video; loop, "
        "bounce or remap the video to the audio; silence: as long as the longer of the two."
    ),
]
FootageFace = Annotated[
    str,
    opt.picture_option(
        help="Whose mouth: auto (the active speaker, otherwise the largest face), a number, a "
        "point x,y or a box x,y,w,h in the first frame, or a photo of the person."
    ),
]
Voices = Annotated[
    list[Path] | None,
    opt.voice_option(
        metavar="FILE", help="The new voice. Repeatable, for dubbing: one video per voice."
    ),
]
FootageSpeakers = Annotated[
    list[str] | None,
    opt.voice_option(
        metavar="NAME=FACE,AUDIO",
        help="One of several speakers; repeatable. FACE as in --face; AUDIO is the new "
        "voice, nothing to leave this person as in the video.",
    ),
]


def retalk_command(
    video: Annotated[
        Path,
        opt.picture_option(help="The footage; the person may be speaking in it."),
    ],
    audio: Voices = None,
    speaker: FootageSpeakers = None,
    text: opt.SpokenText = None,
    voice: opt.VoiceName = None,
    subtitles: opt.Subtitles = None,
    vocals: opt.Vocals = None,
    gate: opt.Gate = "auto",
    prompt: opt.Prompt = "",
    keep: Keep = "face",
    length: Length = "audio",
    face: FootageFace = "auto",
    output: Annotated[
        Path,
        opt.output_option(
            "--output",
            "-o",
            help="The video, an .mp4 file; with several voices the name of each is added. Spans in "
            "which no mouth is visible are listed in NAME.unseen.json.",
        ),
    ] = Path("output.mp4"),
    tier: opt.AnyTier = None,
    fps: Annotated[
        float | None,
        opt.picture_option(help="Frames per second, 1 to 120.", show_default="those of the video"),
    ] = None,
    seed: opt.Seed = 0,
    steps: opt.Steps = None,
    audio_start: opt.Start = None,
    audio_end: opt.End = None,
    label: opt.Label = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
) -> None:
    """Dub a video: give a person new words and leave the rest untouched.

    With --json, one list: a result for each voice.
    """
    with progress_bar():  # the first second goes into imports
        from skyreels_avatar.api.retalking import dubbed_paths, footage_request, make_videos
        from skyreels_avatar.request.sampling import SamplingParams
        from skyreels_avatar.request.shot import Shot

    voices = audio or []
    shot = Shot(
        video=video, audio=voices[0] if voices else None, prompt=prompt, start_s=audio_start,
        end_s=audio_end, face=face, keep=keep, length=length, text=opt.text_or_stdin(text),
        voice=voice, vocals=vocals, gate=gate, speakers=opt.parse_speakers(speaker), label=label,
    )  # fmt: skip
    shots = [replace(shot, audio=path) for path in voices] or [shot]
    sampling = SamplingParams(steps, seed=seed)
    requests = [
        footage_request(shot, path, tier, fps, sampling, subtitles)
        for shot, path in zip(shots, dubbed_paths(output, voices))
    ]
    files = [file for request in requests for file in (request.output, request.subtitles)]
    confirm_overwriting(files, overwrite)
    with progress_bar() as on_progress:
        results = make_videos(requests, on_progress)
    for result in results:
        say(f"{result.seconds['total']:.1f} s in all", style="dim")
    if as_json:
        print_json(results)
        return
    for result in results:
        print_result(video_line(result))
