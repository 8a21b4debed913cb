"""Options that commands share: types for typer, with their help, in groups."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MOVES = "static, push_in, push_out, pan_left, pan_right, crane_up, crane_down, swing"
OUTPUT, LOOK, VOICE, TIER, LONG = (
    "Output", "Picture and camera", "Voice", "Model", "Long videos and workers",
)  # fmt: skip

Image = Annotated[
    Path,
    typer.Option(help="The portrait: photo, painting or drawing.", rich_help_panel=LOOK),
]
Prompt = Annotated[
    str,
    typer.Option(
        help="How the person performs, in English; and the light: 'she smiles in warm evening "
        "light', 'black and white', 'it gets dark'.",
        rich_help_panel=LOOK,
    ),
]
Camera = Annotated[
    str,
    typer.Option(
        metavar="MOVE[:PERCENT]",
        help=f"A camera move and its strength, such as push_in:60. Moves: {MOVES}.",
        rich_help_panel=LOOK,
    ),
]
Move = Annotated[
    str,
    typer.Option(
        metavar="MOVE[:PERCENT]",
        help=f"A camera move and its strength, such as pan_left:50. Moves: {MOVES}.",
        rich_help_panel=LOOK,
    ),
]
Output = Annotated[
    Path,
    typer.Option("--output", "-o", help="The video, ending in .mp4.", rich_help_panel=OUTPUT),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        metavar=" ",
        help="Replace files that exist; else a terminal is asked, and a script gets exit code 2.",
        rich_help_panel=OUTPUT,
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        help="512x512 (WIDTHxHEIGHT), 480p or 720p; else the picture's own aspect.",
        rich_help_panel=LOOK,
    ),
]
Fps = Annotated[float, typer.Option(help="Frames per second, 1 to 120.", rich_help_panel=LOOK)]
Tier = Annotated[
    str,
    typer.Option(help="A name in configs/, or the path of a yaml file.", rich_help_panel=TIER),
]
Face = Annotated[
    str,
    typer.Option(
        help="auto, a number (0 is the largest), x,y, a box x,y,w,h, or a photo.",
        rich_help_panel=LOOK,
    ),
]
Seed = Annotated[int, typer.Option(help="Same seed, same frames.", rich_help_panel=TIER)]
Steps = Annotated[
    int | None,
    typer.Option(help="Denoising steps; else the tier's own number.", rich_help_panel=TIER),
]
TextScale = Annotated[
    float | None, typer.Option(help="Weight of the prompt; 1 is off.", rich_help_panel=TIER)
]
AudioScale = Annotated[
    float | None, typer.Option(help="Weight of the voice; 1 is off.", rich_help_panel=TIER)
]
Negative = Annotated[str, typer.Option(help="What should not be seen.", rich_help_panel=LOOK)]
Start = Annotated[
    float | None,
    typer.Option(help="Use the sound from this second on.", rich_help_panel=VOICE),
]
End = Annotated[
    float | None,
    typer.Option(
        help="Use the sound up to this second; beyond its end, to its end.", rich_help_panel=VOICE
    ),
]
Windows = Annotated[
    str,
    typer.Option(
        help="overlap: each goes on from the last; keyframes: all side by side.",
        rich_help_panel=LONG,
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        help="Who makes the windows: local = processes here, ray = a cluster.",
        rich_help_panel=LONG,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(help="How many make windows side by side.", rich_help_panel=LONG),
]
Address = Annotated[
    str | None, typer.Option(help="Of a Ray cluster that runs.", rich_help_panel=LONG)
]
Work = Annotated[
    Path | None,
    typer.Option(
        help="Keep finished windows in this folder; started again, a run goes on there.",
        rich_help_panel=LONG,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", metavar=" ", help="Print JSON.")]
