"""Options that commands share: types for typer, with their help, in groups."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyreels_avatar.errors import InputError

if TYPE_CHECKING:
    from skyreels_avatar.request.speaker import Speaker

DEFAULT_TIER = "nano"
MOVES = "static, push_in, push_out, pan_left, pan_right, crane_up, crane_down, swing"
OUTPUT, PICTURE, VOICE, MODEL, WORKERS = (
    "Output", "Picture and camera", "Voice", "Model", "Long videos and workers",
)  # fmt: skip
output_option = partial(typer.Option, rich_help_panel=OUTPUT)
picture_option = partial(typer.Option, rich_help_panel=PICTURE)
voice_option = partial(typer.Option, rich_help_panel=VOICE)
model_option = partial(typer.Option, rich_help_panel=MODEL)
workers_option = partial(typer.Option, rich_help_panel=WORKERS)

# Picture and camera

Image = Annotated[Path, picture_option(help="The portrait: photo, painting or drawing.")]
Prompt = Annotated[
    str,
    picture_option(
        help="How the person performs, in English, and the light: 'she smiles in warm evening "
        "light', 'black and white', 'it gets dark'."
    ),
]
Camera = Annotated[
    str,
    picture_option(
        metavar="MOVE[:PERCENT]",
        help=f"A camera move and its strength, such as push_in:60. Moves: {MOVES}.",
    ),
]
Move = Annotated[
    str,
    picture_option(
        metavar="MOVE[:PERCENT]",
        help=f"A camera move and its strength, such as pan_left:50. Moves: {MOVES}.",
    ),
]
Size = Annotated[
    str | None,
    picture_option(
        help="512x512 (WIDTHxHEIGHT), 480p or 720p.", show_default="the aspect ratio of the picture"
    ),
]
Fps = Annotated[float, picture_option(help="Frames per second, 1 to 120.")]
Face = Annotated[
    str,
    picture_option(
        help="Which face: auto, a number (0 is the largest), a point x,y, a box x,y,w,h, or a "
        "photo of the person."
    ),
]
Style = Annotated[
    str,
    picture_option(
        help="What kind of talker performs: calm, natural or lively, or a person's own style, a "
        ".safetensors file."
    ),
]
Expressiveness = Annotated[
    float, picture_option(help="How far mouth, head and face move, 0 to 200 percent.")
]
Negative = Annotated[str, picture_option(help="What the video should not show.")]

# Voice

Audio = Annotated[
    Path | None,
    voice_option(
        help="The voice: WAV, MP3, FLAC, M4A or the sound of a video. With --speaker: the sound "
        "track of the video, in place of their voices mixed."
    ),
]
Speakers = Annotated[
    list[str] | None,
    voice_option(
        metavar="NAME=FACE,AUDIO",
        help="One of several people who speak; repeatable. FACE is a number (0 is the largest) or "
        "a box x,y,w,h; AUDIO is what follows the last comma, nothing for silence.",
    ),
]
Start = Annotated[float | None, voice_option(help="Where in the sound to start, in seconds.")]
End = Annotated[
    float | None,
    voice_option(help="Where in the sound to stop, in seconds; beyond its end means its end."),
]
SpokenText = Annotated[
    str | None,
    voice_option(help="Speak this text instead of --audio; - reads it from standard input."),
]
VoiceName = Annotated[
    str | None,
    voice_option(help="The voice of --text: a name that `voices` lists.", show_default="en-us"),
]
Subtitles = Annotated[
    str | None,
    voice_option(
        help="Write the subtitles of --text: a .srt, .vtt, .lrc or .json file; srt alone names it "
        "after the video."
    ),
]
Motion = Annotated[
    Path | None,
    picture_option(
        help="Perform this .json or .csv file of ARKit weights in place of what voice and prompt "
        "ask for."
    ),
]
SaveMotion = Annotated[
    Path | None,
    output_option(
        help="Write the performance as ARKit weights, a .json or .csv file to edit and give to "
        "--motion."
    ),
]
Vocals = Annotated[
    str | None,
    voice_option(
        help="What moves the mouth while --audio is heard: the file of the voice alone; on, the "
        "voice separated from --audio; auto, that where there is music."
    ),
]
Gate = Annotated[
    str,
    voice_option(help="auto keeps the mouth at rest where there is music without a voice; or off."),
]

# Output

Output = Annotated[Path, output_option("--output", "-o", help="The video, an .mp4 file.")]
Overwrite = Annotated[
    bool,
    output_option(
        "--overwrite",
        help="Replace existing files. Without it a terminal is asked, and a script ends with exit "
        "code 2.",
    ),
]
Watermark = Annotated[
    bool,
    output_option(
        "--watermark/--no-watermark",
        help="An invisible watermark in the pixels, which `verify` finds after the video was "
        "encoded again, scaled or cropped.",
    ),
]
Label = Annotated[
    str | None, output_option(help="Words in a corner of the picture, such as 'AI-generated'.")
]
AsJson = Annotated[bool, output_option("--json", help="Print the result as JSON.")]

# Model

Tier = Annotated[
    str,
    model_option(help="The networks: the name of a file in configs/, or the path of a YAML file."),
]
AnyTier = Annotated[
    str | None,
    model_option(
        help="The networks: the name of a file in configs/, or the path of a YAML file.",
        show_default=DEFAULT_TIER,
    ),
]
Seed = Annotated[int, model_option(help="The same seed gives the same frames.")]
Steps = Annotated[int | None, model_option(help="Denoising steps.", show_default="the tier's")]
TextScale = Annotated[
    float | None, model_option(help="Weight of the prompt; 1 is off.", show_default="the tier's")
]
AudioScale = Annotated[
    float | None, model_option(help="Weight of the voice; 1 is off.", show_default="the tier's")
]
Memory = Annotated[
    str | None,
    model_option(
        help="GPU memory to use: auto, full, or a limit such as 24gb.", show_default="the tier's"
    ),
]

# Long videos and workers

Windows = Annotated[
    str,
    workers_option(
        help="overlap: each window continues the one before; keyframes: windows are independent."
    ),
]
Work = Annotated[
    Path | None,
    workers_option(help="Keep finished windows in this folder; the same command resumes there."),
]
Engine = Annotated[
    str | None,
    workers_option(
        help="Make windows in parallel: local for processes on this machine, ray for a cluster."
    ),
]
Workers = Annotated[int | None, workers_option(help="How many workers make windows in parallel.")]
Address = Annotated[str | None, workers_option(help="The address of a running Ray cluster.")]


def parse_speakers(texts: Sequence[str] | None) -> tuple[Speaker, ...]:
    """Return the speakers that `--speaker` options describe.

    Raises:
        InputError: text of another form.
    """
    from skyreels_avatar.request.speaker import Speaker

    return tuple(Speaker.parse(text) for text in texts or ())


def text_or_stdin(text: str | None) -> str | None:
    """Return a text of the command line; "-" stands for what standard input holds.

    Raises:
        InputError: standard input is not UTF-8 text.
    """
    if text != "-":
        return text
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not UTF-8 text: {error}") from error
