"""The sound of a shot: what the video plays, and what the networks hear."""

from __future__ import annotations

from dataclasses import dataclass

from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.speech import DEFAULT_VOICE, SpokenText, speak
from skyreels_avatar.script import Shot


@dataclass(frozen=True, eq=False)
class ShotVoice:
    """The sound of a shot.

    Attributes:
        audio: what the video plays.
        driving: what the networks hear, as long as `audio`.
        spoken: the words of `audio`, where it was made of a text.
    """

    audio: AudioTrack
    driving: AudioTrack
    spoken: SpokenText | None = None


def read_voice(shot: Shot) -> ShotVoice:
    """Read the sound of a shot, or say its text, and cut the piece that is used out of it.

    Raises:
        InputError: the sound, the text or the voice cannot be used.
        MissingExtraError: there is a text, and no engine to say it.
    """
    spoken = None
    if shot.text is not None:
        spoken = speak(shot.text, shot.voice or DEFAULT_VOICE).cut(shot.start_s, shot.end_s)
        audio = spoken.audio
    else:
        audio = AudioTrack.load(shot.audio)
        if shot.start_s is not None or shot.end_s is not None:
            audio = audio.cut(shot.start_s, shot.end_s)
    return ShotVoice(audio, audio, spoken)
