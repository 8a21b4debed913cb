"""`skyreels-avatar speak` and `voices`: text to speech without a video."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from skyreels_avatar.apps.console import confirm_overwriting, print_output, print_result
from skyreels_avatar.apps.options import OUTPUT, VOICE, Overwrite
from skyreels_avatar.errors import InputError

SaidText = Annotated[
    str | None,
    typer.Option(
        help="Say this instead of --audio; - reads it from standard input.", rich_help_panel=VOICE
    ),
]
VoiceName = Annotated[
    str | None,
    typer.Option(
        help="Who says it: a name that `voices` lists, or a language. [default: en-us]",
        rich_help_panel=VOICE,
    ),
]
Subtitles = Annotated[
    str | None,
    typer.Option(
        help="Of --text: .srt, .vtt, .lrc or .json; srt alone means beside the video.",
        rich_help_panel=VOICE,
    ),
]
Vocals = Annotated[
    Path | None,
    typer.Option(
        help="What moves the mouth instead of --audio: its voice alone, as long.",
        rich_help_panel=VOICE,
    ),
]
Gate = Annotated[
    str,
    typer.Option(
        help="auto rests the mouth where instruments play without a voice; or off.",
        rich_help_panel=VOICE,
    ),
]


def register_voice_commands(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(name="speak")(speak_command)
    app.command(name="voices")(voices_command)


def speak_command(
    text: Annotated[
        str | None, typer.Argument(help="What to say; - reads it from standard input.")
    ] = None,
    voice: Annotated[
        str, typer.Option(help="A name that `voices` lists, or a language.")
    ] = "en-us",
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The sound: .wav, .flac, .ogg.", rich_help_panel=OUTPUT
        ),
    ] = Path("speech.wav"),
    overwrite: Overwrite = False,
    file: Annotated[Path | None, typer.Option(help="Read the text from this file.")] = None,
    speed: Annotated[float, typer.Option(help="0.5 to 2.5 times the voice's own.")] = 1.0,
    pitch: Annotated[float, typer.Option(help="0 (low) to 100 (high).")] = 50.0,
    subtitles: Annotated[
        str | None,
        typer.Option(help=".srt, .vtt, .lrc or .json; srt alone means beside the sound."),
    ] = None,
) -> None:
    """Say a text into a sound file, offline, with subtitles if wanted."""
    from skyreels_avatar.text_to_speech import read_text, speak, subtitle_path

    words = None if subtitles is None else subtitle_path(subtitles, output)
    confirm_overwriting([output, words], overwrite)
    if (text is None) == (file is None):
        raise InputError('give either the text, as in speak "hello", or --file, and not both')
    said = read_text(file) if text is None else text_of(text)
    spoken = speak(said, output, voice, speed=speed, pitch=pitch, subtitles=subtitles)
    print_result(f"{output}  {spoken.audio.duration_s:.2f} s, {len(spoken.words)} words")


def voices_command(
    language: Annotated[
        str | None, typer.Option(help="Only voices of a language, such as de or pt-br.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar=" ", help="Print JSON, with all timbres.")
    ] = False,
) -> None:
    """List the voices of `speak` and `generate --text`, and what adds those not installed.

    MOS is how natural a voice sounds, 1 to 5, as the network distillMOS rates it.
    """
    from skyreels_avatar.text_to_speech import voices

    found = voices(language)
    if as_json:
        print_output(json.dumps([asdict(voice) for voice in found], indent=1, ensure_ascii=False))
        return
    print_output(_row("name", "language", "sex", "engine", "MOS", "installed"))
    for voice in found:
        mos = "" if voice.mos is None else f"{voice.mos:.1f}"
        here = "yes" if voice.installed else "no"
        print_output(_row(voice.name, voice.title, voice.sex, voice.engine, mos, here))
    if any(voice.variants for voice in found):
        print_output("a timbre may follow the name: +f1 to +f5, +m1 to +m8; --json has them all")
    for command, engine in {voice.install: voice.engine for voice in found}.items():
        if command:
            print_output(f"more {engine} voices: {command}")


def _row(name: str, language: str, sex: str, engine: str, mos: str, installed: str) -> str:
    return f"{name:23} {language[:26]:26} {sex:6} {engine:6} {mos:3} {installed}".rstrip()


def text_of(text: str) -> str:
    """Return a text of the command line; "-" stands for what standard input holds.

    Raises:
        InputError: standard input is no text in UTF-8.
    """
    if text != "-":
        return text
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is no text in UTF-8: {error}") from error
