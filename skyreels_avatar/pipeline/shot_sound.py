"""The voices of a shot as the networks hear them: at one loudness, encoded window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from skyreels_avatar.media.audio import AudioTrack, speech_block_size, speech_gain
from skyreels_avatar.media.audio_stream import SpooledAudio
from skyreels_avatar.media.loudness import normalize_loudness
from skyreels_avatar.models.sound import EncodedSound, Sound, SoundEncoder
from skyreels_avatar.planning.segments import Segment


class ShotSound:
    """The voices of a shot as audio tokens.

    Args:
        voices: one of each speaker.
        encoder: of the tier.
        separate: each person is a batch of its own; else all voices are tokens of one.
        num_frames: how far the sounds go on, backwards, beyond their ends; 0 = they end.
    """

    def __init__(
        self,
        voices: Sequence[AudioTrack],
        encoder: SoundEncoder,
        separate: bool,
        num_frames: int = 0,
    ):
        prepare = LOUDNESS[encoder.loudness]
        self._sounds = [
            encoder.encode_sound(prepare(voice, encoder.sample_rate)) for voice in voices
        ]
        if num_frames:
            self._sounds = [_continued(sound, num_frames) for sound in self._sounds]
        self._axis = 0 if separate else 2

    def window(self, segment: Segment, num_latent_frames: int) -> torch.Tensor:
        """Return the tokens round each latent frame of a window.

        Returns:
            (P, T, N, D) of P persons that are separate, else (1, T, P N, D).
        """
        window = segment.first_frame, num_latent_frames
        return torch.cat([sound.tokens(*window) for sound in self._sounds], dim=self._axis)

    def no_audio(self, num_latent_frames: int) -> torch.Tensor:
        """Return the tokens, as of `window`, that stand for "nothing is heard".

        As trained: those who share the latents hear one silence, (1, T, N, D).
        """
        sounds = self._sounds if self._axis == 0 else self._sounds[:1]
        return torch.cat([_no_audio(sound, num_latent_frames) for sound in sounds])


def _continued(sound: EncodedSound, num_frames: int) -> EncodedSound:
    """Return a sound that goes on up to a number of frames, where it can."""
    return sound.continued(num_frames) if hasattr(sound, "continued") else sound


def _no_audio(sound: EncodedSound, num_latent_frames: int) -> torch.Tensor:
    """Return what stands for "nothing is heard": zeros unless a sound says something else."""
    if hasattr(sound, "no_audio"):
        return sound.no_audio(num_latent_frames)
    return torch.zeros_like(sound.tokens(0, num_latent_frames))


class _SpooledSpeech:
    """A voice on disk, since in memory it would grow with the length."""

    def __init__(self, voice: AudioTrack, sample_rate: int):
        self._sound = SpooledAudio(voice.mono(), sample_rate=sample_rate)
        self.num_samples = self._sound.num_samples
        blocks = (block[0] for block in self._sound.blocks(speech_block_size(sample_rate)))
        self._gain = np.float32(speech_gain(blocks, sample_rate))

    def read(self, start: int, count: int) -> np.ndarray:
        return self._sound.read(start, count)[0] * self._gain


class _BroadcastSpeech:
    """A voice in memory at the loudness of broadcasts."""

    def __init__(self, voice: AudioTrack, sample_rate: int):
        self._samples = normalize_loudness(voice.mono().resampled(sample_rate)).samples
        self.num_samples = len(self._samples)

    def read(self, start: int, count: int) -> np.ndarray:
        return self._samples[start : start + count]


LOUDNESS: dict[str, Callable[[AudioTrack, int], Sound]] = {
    "speech": _SpooledSpeech,
    "broadcast": _BroadcastSpeech,
}
"""How a voice is prepared for an encoder, by its `loudness`."""
