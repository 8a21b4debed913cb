"""Text to speech as files: what `skyreels-avatar speak` and `voices` do."""

from __future__ import annotations

from pathlib import Path

from skyreels_avatar.checks import user_path
from skyreels_avatar.media.outputs import check_outputs, check_regular
from skyreels_avatar.media.speech import (
    DEFAULT_VOICE,
    SpokenText,
    list_voices,
    read_text,
    speak,
)
from skyreels_avatar.media.subtitles import subtitle_path, write_subtitles

__all__ = ["DEFAULT_VOICE", "list_voices", "read_text", "subtitle_path", "write_speech"]


def write_speech(
    text: str,
    output: str | Path = "speech.wav",
    voice: str = DEFAULT_VOICE,
    *,
    speed: float = 1.0,
    pitch: float = 50.0,
    subtitles: str | Path | None = None,
) -> SpokenText:
    """Speak a text into a sound file, and return it with the times of its words.

    Args:
        text, voice, speed, pitch: see `media.speech.speak`.
        output: .wav, .flac or .ogg.
        subtitles: .srt, .vtt, .lrc or .json; "srt" alone means beside the sound. None writes none.

    Raises:
        InputError: something given cannot be used.
        MissingExtraError: the voice's package is not installed.
    """
    output = user_path(output)
    check_regular(output, "sound")
    lines = None if subtitles is None else subtitle_path(subtitles, output)
    check_outputs({"sound": output, "subtitles": lines}, [])
    spoken = speak(text, voice, speed=speed, pitch=pitch)
    spoken.audio.save(output)
    if lines is not None:
        write_subtitles(spoken, lines)
    return spoken
