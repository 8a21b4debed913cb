"""The public verbs `speak` and `voices`: text to speech as files."""

from __future__ import annotations

from pathlib import Path

from skyreels_avatar.checks import user_path
from skyreels_avatar.media import speech
from skyreels_avatar.media.outputs import check_outputs, check_regular
from skyreels_avatar.media.speech import DEFAULT_VOICE, read_text
from skyreels_avatar.media.spoken_text import SpokenText
from skyreels_avatar.media.subtitles import subtitle_path, write_subtitles
from skyreels_avatar.media.voice import Voice

__all__ = ["DEFAULT_VOICE", "read_text", "speak", "subtitle_path", "voices"]


def speak(
    text: str,
    output: str | Path = "speech.wav",
    voice: str = DEFAULT_VOICE,
    *,
    speed: float = 1.0,
    pitch: float = 50.0,
    subtitles: str | Path | None = None,
) -> SpokenText:
    """Say a text into a sound file, and return it with the times of its words.

    Args:
        text: in the language of the voice; punctuation makes pauses, numbers are read out.
        output: .wav, .flac or .ogg.
        voice: a name that `voices` returns, or a language: "fr" is its best installed voice.
        speed: 0.5 to 2.5 times the voice's own.
        pitch: 0 (low) to 100 (high); 50 is the voice's own.
        subtitles: .srt, .vtt, .lrc or .json; "srt" alone names it after the sound. None = none.

    Raises:
        InputError: something given cannot be used.
        MissingExtraError: the voice's package is not installed.
    """
    output = user_path(output)
    check_regular(output, "sound")
    lines = None if subtitles is None else subtitle_path(subtitles, output)
    check_outputs({"sound": output, "subtitles": lines}, [])
    spoken = speech.speak(text, voice, speed=speed, pitch=pitch)
    spoken.audio.save(output)
    if lines is not None:
        write_subtitles(spoken, lines)
    return spoken


def voices(language: str | None = None) -> tuple[Voice, ...]:
    """Return the voices that `speak` and `generate` take, those not installed too.

    Args:
        language: a tag such as "de" or "pt-br"; "en" finds "en-us", too. None means all.

    Raises:
        InputError: no voice speaks that language; near ones are named.
        MissingExtraError: no engine is installed.
    """
    return speech.list_voices(language)
