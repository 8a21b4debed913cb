"""Options of the command line: who speaks, and what of a GPU may be taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyreels_avatar.cli.options import TIER, VOICE

if TYPE_CHECKING:
    from skyreels_avatar.request.speaker import Speaker

Audio = Annotated[
    Path | None,
    typer.Option(
        help="The voice: WAV, MP3, FLAC, M4A or a video's sound. With speakers: what the video "
        "plays instead of their voices together.",
        rich_help_panel=VOICE,
    ),
]
Speakers = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=FACE,AUDIO",
        help="One of several persons who speak, repeatable: FACE is a number (0 is the largest) or "
        "a box x,y,w,h; what follows the last comma is the sound, nothing is silence.",
        rich_help_panel=VOICE,
    ),
]

Memory = Annotated[
    str | None,
    typer.Option(
        help="Of a GPU that may be taken: auto, full, or like 24gb; else the tier's own.",
        rich_help_panel=TIER,
    ),
]


def parsed_speakers(texts: Sequence[str] | None) -> tuple[Speaker, ...]:
    """Return the speakers that were given.

    Raises:
        InputError: text of another form.
    """
    from skyreels_avatar.request.speaker import Speaker

    return tuple(Speaker.parse(text) for text in texts or ())
