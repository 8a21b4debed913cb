"""`skyreels-avatar speak` and `voices`: text to speech without a video."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from skyreels_avatar.cli import options as opt
from skyreels_avatar.cli.console import (
    confirm_overwriting,
    print_json,
    print_output,
    print_result,
)
from skyreels_avatar.errors import InputError


def speak_command(
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="The text to speak; - reads standard input."),
    ] = None,
    voice: Annotated[str, typer.Option(help="A name listed by `voices`, or a language.")] = "en-us",
    output: Annotated[
        Path, opt.output_option("--output", "-o", help="Output file, a .wav, .flac or .ogg.")
    ] = Path("speech.wav"),
    overwrite: opt.Overwrite = False,
    file: Annotated[Path | None, typer.Option(help="Read the text from this file.")] = None,
    speed: Annotated[float, typer.Option(help="Speaking rate, 0.5 to 2.5.")] = 1.0,
    pitch: Annotated[float, typer.Option(help="Pitch, 0 (low) to 100 (high).")] = 50.0,
    subtitles: Annotated[
        str | None,
        opt.output_option(
            help="Also write subtitles: a .srt, .vtt, .lrc or .json file; a bare srt names it "
            "after the audio."
        ),
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Synthesize speech from text to an audio file, offline, with optional subtitles."""
    from skyreels_avatar.api.text_to_speech import read_text, speak, subtitle_path

    subtitle_file = None if subtitles is None else subtitle_path(subtitles, output)
    confirm_overwriting([output, subtitle_file], overwrite)
    if (text is None) == (file is None):
        raise InputError('give either the text, as in speak "hello", or --file, and not both')
    words = read_text(file) if text is None else opt.text_or_stdin(text)
    spoken = speak(words, output, voice, speed=speed, pitch=pitch, subtitles=subtitles)
    duration_s = spoken.audio.duration_s
    if as_json:
        files = {"path": output, "subtitles": subtitle_file}
        print_json({**files, "duration_s": duration_s, "words": [asdict(w) for w in spoken.words]})
    else:
        print_result(f"{output}  {duration_s:.2f} s, {len(spoken.words)} words")


def voices_command(
    language: Annotated[
        str | None, typer.Option(help="Only voices for this language, such as de or pt-br.")
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """List the voices for `speak` and `generate --text`, and how to install more.

    MOS is how natural a voice sounds, 1 to 5, as the network distillMOS rates it.
    """
    from skyreels_avatar.api.text_to_speech import voices

    found = voices(language)
    if as_json:
        print_json(found)
        return
    print_output(_row("name", "language", "sex", "engine", "MOS", "installed"))
    for voice in found:
        mos = "" if voice.mos is None else f"{voice.mos:.1f}"
        here = "yes" if voice.installed else "no"
        print_output(_row(voice.name, voice.title, voice.sex, voice.engine, mos, here))
    if any(voice.variants for voice in found):
        print_output("a timbre may follow the name: +f1 to +f5, +m1 to +m8; --json lists them all")
    for command, engine in {voice.install: voice.engine for voice in found}.items():
        if command:
            print_output(f"more {engine} voices: {command}")


def _row(name: str, language: str, sex: str, engine: str, mos: str, installed: str) -> str:
    return f"{name:23} {language[:26]:26} {sex:6} {engine:6} {mos:3} {installed}".rstrip()
