"""Options that commands share: types for typer, with their help, in groups."""

from __future__ import annotations

import sys
from collections.abc import Sequence
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

# Picture and camera

Image = Annotated[
    Path,
    typer.Option(help="The portrait: photo, painting or drawing.", rich_help_panel=PICTURE),
]
Prompt = Annotated[
    str,
    typer.Option(
        help="How the person performs, in English, and the light: 'she smiles in warm evening "
        "light', 'black and white', 'it gets dark'.",
        rich_help_panel=PICTURE,
    ),
]
Camera = Annotated[
    str,
    typer.Option(
        metavar="MOVE[:PERCENT]",
        help=f"A camera move and its strength, such as push_in:60. Moves: {MOVES}.",
        rich_help_panel=PICTURE,
    ),
]
Move = Annotated[
    str,
    typer.Option(
        metavar="MOVE[:PERCENT]",
        help=f"A camera move and its strength, such as pan_left:50. Moves: {MOVES}.",
        rich_help_panel=PICTURE,
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        help="512x512 (WIDTHxHEIGHT), 480p or 720p.",
        show_default="the aspect ratio of the picture",
        rich_help_panel=PICTURE,
    ),
]
Fps = Annotated[float, typer.Option(help="Frames per second, 1 to 120.", rich_help_panel=PICTURE)]
Face = Annotated[
    str,
    typer.Option(
        help="Which face: auto, a number (0 is the largest), a point x,y, a box x,y,w,h, or a "
        "photo of the person.",
        rich_help_panel=PICTURE,
    ),
]
Style = Annotated[
    str,
    typer.Option(
        help="What kind of talker performs: calm, natural or lively.", rich_help_panel=PICTURE
    ),
]
Expressiveness = Annotated[
    float,
    typer.Option(
        help="How far mouth, head and face move, 0 to 200 percent.", rich_help_panel=PICTURE
    ),
]
Negative = Annotated[
    str, typer.Option(help="What the video should not show.", rich_help_panel=PICTURE)
]

# Voice

Audio = Annotated[
    Path | None,
    typer.Option(
        help="The voice: WAV, MP3, FLAC, M4A or the sound of a video. With --speaker: the sound "
        "track of the video, in place of their voices mixed.",
        rich_help_panel=VOICE,
    ),
]
Speakers = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=FACE,AUDIO",
        help="One of several people who speak; repeatable. FACE is a number (0 is the largest) or "
        "a box x,y,w,h; AUDIO is what follows the last comma, nothing for silence.",
        rich_help_panel=VOICE,
    ),
]
Start = Annotated[
    float | None,
    typer.Option(help="Where in the sound to start, in seconds.", rich_help_panel=VOICE),
]
End = Annotated[
    float | None,
    typer.Option(
        help="Where in the sound to stop, in seconds; beyond its end means its end.",
        rich_help_panel=VOICE,
    ),
]
SpokenText = Annotated[
    str | None,
    typer.Option(
        help="Speak this text instead of --audio; - reads it from standard input.",
        rich_help_panel=VOICE,
    ),
]
VoiceName = Annotated[
    str | None,
    typer.Option(
        help="The voice of --text: a name that `voices` lists.",
        show_default="en-us",
        rich_help_panel=VOICE,
    ),
]
Subtitles = Annotated[
    str | None,
    typer.Option(
        help="Write the subtitles of --text: a .srt, .vtt, .lrc or .json file; srt alone names it "
        "after the video.",
        rich_help_panel=VOICE,
    ),
]
Motion = Annotated[
    Path | None,
    typer.Option(
        help="Perform this .json or .csv file of ARKit weights in place of what voice and prompt "
        "ask for.",
        rich_help_panel=PICTURE,
    ),
]
SaveMotion = Annotated[
    Path | None,
    typer.Option(
        help="Write the performance as ARKit weights, a .json or .csv file to edit and give to "
        "--motion.",
        rich_help_panel=OUTPUT,
    ),
]
Vocals = Annotated[
    Path | None,
    typer.Option(
        help="The voice alone, as long as --audio: it drives the mouth, and --audio is heard.",
        rich_help_panel=VOICE,
    ),
]
Gate = Annotated[
    str,
    typer.Option(
        help="auto keeps the mouth at rest where there is music without a voice; or off.",
        rich_help_panel=VOICE,
    ),
]

# Output

Output = Annotated[
    Path,
    typer.Option("--output", "-o", help="The video, an .mp4 file.", rich_help_panel=OUTPUT),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace existing files. Without it a terminal is asked, and a script ends with exit "
        "code 2.",
        rich_help_panel=OUTPUT,
    ),
]
Watermark = Annotated[
    bool,
    typer.Option(
        "--watermark/--no-watermark",
        help="An invisible watermark in the pixels, which `verify` finds after the video was "
        "encoded again, scaled or cropped.",
        rich_help_panel=OUTPUT,
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        help="Words in a corner of the picture, such as 'AI-generated'.", rich_help_panel=OUTPUT
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print the result as JSON.", rich_help_panel=OUTPUT),
]

# Model

Tier = Annotated[
    str,
    typer.Option(
        help="The networks: the name of a file in configs/, or the path of a YAML file.",
        rich_help_panel=MODEL,
    ),
]
AnyTier = Annotated[
    str | None,
    typer.Option(
        help="The networks: the name of a file in configs/, or the path of a YAML file.",
        show_default=DEFAULT_TIER,
        rich_help_panel=MODEL,
    ),
]
Seed = Annotated[
    int, typer.Option(help="The same seed gives the same frames.", rich_help_panel=MODEL)
]
Steps = Annotated[
    int | None,
    typer.Option(help="Denoising steps.", show_default="the tier's", rich_help_panel=MODEL),
]
TextScale = Annotated[
    float | None,
    typer.Option(
        help="Weight of the prompt; 1 is off.", show_default="the tier's", rich_help_panel=MODEL
    ),
]
AudioScale = Annotated[
    float | None,
    typer.Option(
        help="Weight of the voice; 1 is off.", show_default="the tier's", rich_help_panel=MODEL
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        help="GPU memory to use: auto, full, or a limit such as 24gb.",
        show_default="the tier's",
        rich_help_panel=MODEL,
    ),
]

# Long videos and workers

Windows = Annotated[
    str,
    typer.Option(
        help="overlap: each window continues the one before; keyframes: windows are independent.",
        rich_help_panel=WORKERS,
    ),
]
Work = Annotated[
    Path | None,
    typer.Option(
        help="Keep finished windows in this folder; the same command resumes there.",
        rich_help_panel=WORKERS,
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        help="Make windows in parallel: local for processes on this machine, ray for a cluster.",
        rich_help_panel=WORKERS,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(help="How many workers make windows in parallel.", rich_help_panel=WORKERS),
]
Address = Annotated[
    str | None,
    typer.Option(help="The address of a running Ray cluster.", rich_help_panel=WORKERS),
]


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
