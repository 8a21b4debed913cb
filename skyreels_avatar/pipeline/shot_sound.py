"""The voices of a shot as the networks hear them, encoded window by window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from skyreels_avatar.media.audio import AudioTrack
from skyreels_avatar.media.audio_stream import SpooledAudio
from skyreels_avatar.media.loudness import normalize_loudness
from skyreels_avatar.media.speech_level import speech_block_size, speech_gain
from skyreels_avatar.models.audio_encoder import (
    HOP,
    MEL_FRAMES_PER_TOKEN,
    SAMPLE_RATE,
    AudioEncoder,
    audio_windows,
    log_mel,
)
from skyreels_avatar.planning.segments import Segment

_TOKENS_BESIDE = 8  # more than `audio_windows` reaches beyond a window on either side
_MEL_MARGIN = 2  # mel frames beside a cut whose 25 ms would reach beyond it


def open_sound(voices: Sequence[AudioTrack], encoder: torch.nn.Module) -> ShotSound | SpeechSound:
    """Return the voices of a shot as the encoder of a tier hears them."""
    if isinstance(encoder, AudioEncoder):
        sounds = [ShotSound(voice, encoder) for voice in voices]
        return sounds[0] if len(sounds) == 1 else GroupSound(sounds)
    return SpeechSound(voices, encoder)


class SpeechSound:
    """The voices of a shot as features of a speech encoder, projected window by window."""

    def __init__(self, voices: Sequence[AudioTrack], tokens: torch.nn.Module):
        self._features = []
        for voice in voices:
            heard = normalize_loudness(voice.mono().resampled(SAMPLE_RATE))
            self._features.append(tokens.encoder(heard.samples).to(tokens.projector.dtype))
        self._projector = tokens.projector

    def window(self, segment: Segment, num_latent_frames: int) -> torch.Tensor:
        """Return (1, T, P N, D): of all persons the tokens round each latent frame of a window."""
        window = segment.first_frame, num_latent_frames
        return torch.cat([self._projector.tokens(one, *window) for one in self._features], dim=2)


class GroupSound:
    """The voices of several persons, stacked along the batch."""

    def __init__(self, sounds: Sequence[ShotSound]):
        self._sounds = sounds

    def window(self, segment: Segment, num_latent_frames: int) -> torch.Tensor:
        """Return (P, T, N, D): of each person the tokens round each latent frame of a window."""
        return torch.cat([sound.window(segment, num_latent_frames) for sound in self._sounds])


class ShotSound:
    """The voice of a shot as audio tokens, encoded window by window."""

    def __init__(self, audio: AudioTrack, encoder: AudioEncoder):
        # On disk, since in memory it would grow with the length.
        self._sound = SpooledAudio(audio.mono(), sample_rate=SAMPLE_RATE)
        blocks = (block[0] for block in self._sound.blocks(speech_block_size(SAMPLE_RATE)))
        self._gain = np.float32(speech_gain(blocks, SAMPLE_RATE))
        self._encoder = encoder
        num_mels = -(-self._sound.num_samples // HOP)
        self.num_tokens = -(-num_mels // MEL_FRAMES_PER_TOKEN)

    def tokens(self, start: int, stop: int) -> torch.Tensor:
        """Return tokens start to stop (1, F, D): the same as those of the whole sound."""
        step, context = MEL_FRAMES_PER_TOKEN, self._encoder.context_frames
        first = max(0, start * step - context)
        first_sample = max(0, (first - _MEL_MARGIN) * HOP)
        last_sample = (stop * step + context + _MEL_MARGIN) * HOP
        last_sample = min(last_sample, self._sound.num_samples)
        samples = self._sound.read(first_sample, last_sample - first_sample)[0]
        mel = log_mel(samples * self._gain)
        skip = first - first_sample // HOP
        mel = mel[skip : skip + stop * step + context - first]
        tokens = self._encoder(mel[None].to(self._encoder.device))
        return tokens[:, start - first // step : stop - first // step]

    def window(self, segment: Segment, num_latent_frames: int) -> torch.Tensor:
        """Return (1, T, N, D): the tokens round each latent frame of a window."""
        start = min(max(0, segment.first_frame - _TOKENS_BESIDE), self.num_tokens - 1)
        stop = max(start + 1, min(segment.stop + _TOKENS_BESIDE, self.num_tokens))
        tokens = self.tokens(start, stop)
        return audio_windows(tokens, segment.first_frame - start, num_latent_frames)
