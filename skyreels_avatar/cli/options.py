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
    "Output", "Image and camera", "Voice", "Model", "Long videos and workers",
)  # fmt: skip
output_option = partial(typer.Option, rich_help_panel=OUTPUT)
picture_option = partial(typer.Option, rich_help_panel=PICTURE)
voice_option = partial(typer.Option, rich_help_panel=VOICE)
model_option = partial(typer.Option, rich_help_panel=MODEL)
workers_option = partial(typer.Option, rich_help_panel=WORKERS)

# Picture and camera

Image = Annotated[Path, picture_option(help="The portrait: a photo, painting or drawing.")]
Prompt = Annotated[
    str,
    picture_option(
        help="The performance and the lighting, in English: 'she smiles in warm evening light', "
        "'black and white', 'it gets dark'."
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
        help="512x512 (WIDTHxHEIGHT), 480p or 720p.", show_default="the aspect ratio of the image"
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
        help="Talking style: calm, natural, lively, or a .safetensors file learned from footage of "
        "a person."
    ),
]
Expressiveness = Annotated[
    float, picture_option(help="Amplitude of mouth, head and face motion, 0 to 200 percent.")
]
Negative = Annotated[str, picture_option(help="What to avoid in the video.")]

# Voice

Audio = Annotated[
    Path | None,
    voice_option(
        help="The voice: WAV, MP3, FLAC, M4A or the audio track of a video. With --speaker: the "
        "soundtrack of the video, instead of the mixed voices."
    ),
]
Speakers = Annotated[
    list[str] | None,
    voice_option(
        metavar="NAME=FACE,AUDIO",
        help="One of several speakers; repeatable. FACE is a number (0 is the largest) or a box "
        "x,y,w,h; AUDIO is whatever follows the last comma, empty for silence.",
    ),
]
Start = Annotated[float | None, voice_option(help="Start time in the audio, in seconds.")]
End = Annotated[
    float | None,
    voice_option(help="End time in the audio, in seconds; clamped to its length."),
]
SpokenText = Annotated[
    str | None,
    voice_option(help="Speak this text instead of --audio; - reads standard input."),
]
VoiceName = Annotated[
    str | None,
    voice_option(help="The voice for --text: a name listed by `voices`.", show_default="en-us"),
]
Subtitles = Annotated[
    str | None,
    voice_option(
        help="Write subtitles for --text: a .srt, .vtt, .lrc or .json file; a bare srt names it "
        "after the video."
    ),
]
Motion = Annotated[
    Path | None,
    picture_option(
        help="Play back this .json or .csv file of ARKit weights instead of following the voice "
        "and the prompt."
    ),
]
SaveMotion = Annotated[
    Path | None,
    output_option(
        help="Save the performance as ARKit weights, a .json or .csv file to edit and pass to "
        "--motion."
    ),
]
Vocals = Annotated[
    str | None,
    voice_option(
        help="What drives the mouth while --audio plays: a file with the vocals alone; on, vocals "
        "separated from --audio; auto, the same if there is music."
    ),
]
Gate = Annotated[
    str,
    voice_option(help="auto keeps the mouth at rest during music without a voice; or off."),
]

# Output

Output = Annotated[Path, output_option("--output", "-o", help="Output file, an .mp4.")]
Overwrite = Annotated[
    bool,
    output_option(
        "--overwrite",
        help="Overwrite existing files. Without it you are asked on a terminal, and scripts exit "
        "with code 2.",
    ),
]
Watermark = Annotated[
    bool,
    output_option(
        "--watermark/--no-watermark",
        help="Embed an invisible watermark, which `verify` finds even after re-encoding, scaling "
        "or cropping.",
    ),
]
Label = Annotated[
    str | None, output_option(help="Burn a label into a corner, such as 'AI-generated'.")
]
AsJson = Annotated[bool, output_option("--json", help="Print the result as JSON.")]

# Model

Tier = Annotated[
    str,
    model_option(help="Model tier: the name of a file in configs/, or a path to a YAML file."),
]
AnyTier = Annotated[
    str | None,
    model_option(
        help="Model tier: the name of a file in configs/, or a path to a YAML file.",
        show_default=DEFAULT_TIER,
    ),
]
Seed = Annotated[int, model_option(help="Random seed; the same seed gives the same frames.")]
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
        help="overlap: each window continues the previous one; keyframes: windows are independent."
    ),
]
Work = Annotated[
    Path | None,
    workers_option(help="Keep finished windows in this folder, to resume with the same command."),
]
Engine = Annotated[
    str | None,
    workers_option(
        help="Render windows in parallel: local for processes on this machine, ray for a cluster."
    ),
]
Workers = Annotated[
    int | None, workers_option(help="Number of workers that render windows in parallel.")
]
Address = Annotated[str | None, workers_option(help="Address of a running Ray cluster.")]


def parse_speakers(texts: Sequence[str] | None) -> tuple[Speaker, ...]:
    """Return the speakers that `--speaker` options describe.

    Raises:
        InputError: text of another form.
    """
    from skyreels_avatar.request.speaker import Speaker

    return tuple(Speaker.parse(text) for text in texts or ())


def text_or_stdin(text: str | None) -> str | None:
    """Return a text of the command line; "-" reads standard input.

    Raises:
        InputError: standard input is not UTF-8 text.
    """
    if text != "-":
        return text
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not UTF-8 text: {error}") from error
