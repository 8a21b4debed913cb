"""Read the sounds of a shot: what the video plays, and what the networks hear."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import InputError
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.audio_decoding import AudioTooLongError
from skyreels_avatar.media.mix import mix, silence
from skyreels_avatar.media.speech import DEFAULT_VOICE, speak
from skyreels_avatar.media.spoken_text import SpokenText
from skyreels_avatar.media.voice_activity import mute_nonvocal
from skyreels_avatar.pipeline.vocals import separate_voice
from skyreels_avatar.request.shot import SEPARATIONS, Shot

logger = logging.getLogger(__name__)

# Separators and codecs add or drop a frame or two at the ends.
MAX_VOCALS_APART_S = 0.1


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
        InputError: the sound, the text or the voice cannot be used, or the vocals are not as long
            as the sound.
        CheckpointError: the voice is to be separated, and the networks for it are not here.
        MissingExtraError: there is a text, and no engine to say it.
    """
    spoken = None
    if shot.text is not None:
        spoken = speak(shot.text, shot.voice or DEFAULT_VOICE)
        spoken = spoken.cut(shot.start_s, spoken.audio.reached(shot.end_s))
        return ShotVoice(spoken.audio, spoken.audio, spoken)
    audio, shot = _read_sound(shot)
    driving = audio if shot.vocals_file is None else _vocals(shot.vocals_file, audio)
    if shot.start_s is not None or shot.end_s is not None:
        end_s = audio.reached(shot.end_s)
        audio, driving = (track.cut(shot.start_s, end_s) for track in (audio, driving))
    if shot.vocals in SEPARATIONS:
        driving = separate_voice(audio, only_from_music=shot.vocals == "auto")
    return ShotVoice(audio, mute_nonvocal(driving) if shot.gate == "auto" else driving)


def read_speakers(shot: Shot) -> tuple[AudioTrack, tuple[AudioTrack, ...]]:
    """Return what the video plays, and the voice of each speaker, all of one length.

    Raises:
        MediaError: a sound that cannot be read, or that does not reach as far as is asked for.
    """
    spoken = [None if one.audio is None else AudioTrack.load(one.audio) for one in shot.speakers]
    heard = [track for track in spoken if track is not None]
    played = mix(heard) if shot.audio is None else AudioTrack.load(shot.audio)
    length_s = played.duration_s
    voices = [silence(length_s) if one is None else one.lasting(length_s) for one in spoken]
    if len(shot.speakers) == 1 and not heard:
        voices = [played]
    if shot.start_s is not None or shot.end_s is not None:
        end_s = played.reached(shot.end_s)
        played, *voices = (one.cut(shot.start_s, end_s) for one in (played, *voices))
    return played, tuple(voices) or (played,)


def _read_sound(shot: Shot) -> tuple[AudioTrack, Shot]:
    """Return the sound of a shot, and the shot with its piece of that sound.

    Of a sound that is too long for memory the piece alone is read.
    """
    try:
        return AudioTrack.load(shot.audio), shot
    except AudioTooLongError:
        if shot.vocals_file is not None or (shot.start_s is None and shot.end_s is None):
            raise
    piece = AudioTrack.load(shot.audio, shot.start_s, shot.end_s)
    wanted_s = None if shot.end_s is None else shot.end_s - (shot.start_s or 0.0)
    if wanted_s is not None and wanted_s > piece.duration_s + 1 / piece.sample_rate:
        logger.warning(
            "the sound ends at %.2f s, before the %g s that were asked for; it is used to its end",
            (shot.start_s or 0.0) + piece.duration_s, shot.end_s,
        )  # fmt: skip
    return piece, replace(shot, start_s=None, end_s=None)


def _vocals(path: Path, audio: AudioTrack) -> AudioTrack:
    """Read the vocals of a sound and give them exactly its length."""
    vocals = AudioTrack.load(path)
    if abs(vocals.duration_s - audio.duration_s) > MAX_VOCALS_APART_S:
        raise InputError(
            f"the vocals {path} last {vocals.duration_s:.2f} s and the sound {audio.path} "
            f"{audio.duration_s:.2f} s; give vocals of the same recording, at most "
            f"{MAX_VOCALS_APART_S:g} s shorter or longer"
        )
    wanted = round(audio.duration_s * vocals.sample_rate)
    samples = np.zeros(wanted, np.float32)
    samples[: len(vocals.samples)] = vocals.samples[:wanted]
    return AudioTrack(samples, vocals.sample_rate, vocals.path)
