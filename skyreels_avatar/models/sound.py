"""The interface of audio encoders: tokens round each latent frame of any window of a sound.

An encoder with a fixed receptive field reads a sound window by window; one that attends to all of
it reads the whole at once. The interface is the same.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch


class Sound(Protocol):
    """A mono sound at the sample rate and the loudness of an encoder, read a piece at a time."""

    num_samples: int

    def read(self, start: int, count: int) -> np.ndarray:
        """Return samples (count,) float32 from a sample on."""


class EncodedSound(Protocol):
    """An encoded sound."""

    def tokens(self, first_frame: int, num_latent_frames: int) -> torch.Tensor:
        """Return the tokens (1, T, N, D) round each latent frame of a window.

        Args:
            first_frame: motion frame at which the window starts.
        """

    def no_audio(self, num_latent_frames: int) -> torch.Tensor:
        """Return the tokens (1, T, N, D) that stand for "nothing is heard", for guidance.

        May be left out where zeros do.
        """

    def continued(self, num_frames: int) -> EncodedSound:
        """Return the sound that goes on, backwards, up to a number of motion frames.

        May be left out where no network was trained on it.
        """


class SoundEncoder(Protocol):
    """The audio encoder of a tier.

    Attributes:
        sample_rate: Hz, of the sounds it takes.
        loudness: to which they are brought: "speech" (the level of its louder frames, measured
            and read from disk, so that length costs no memory) or "broadcast" (BS.1770, -23 LUFS,
            in memory).
        token_dim: width of an audio token.
    """

    sample_rate: int
    loudness: str
    token_dim: int

    def encode_sound(self, sound: Sound) -> EncodedSound:
        """Return an encoded sound; a streaming encoder works when tokens are requested."""
