"""Features of speech at one row per video frame, from wav2vec 2.0.

The convolution features (about 50 a second) are brought to the frame rate of the video before the
transformer, which therefore runs at that rate. Source: the audio encoders of Hallo, MultiTalk and
SkyReels-V3; wav2vec 2.0 (arXiv 2006.11477).
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from transformers import Wav2Vec2Model

from skyreels_avatar.models.audio_projector import AudioProjector
from skyreels_avatar.models.sound import Sound

SAMPLE_RATE = 16_000
CHUNK_S, CONTEXT_S = 60.0, 8.0
"""Longer sounds are encoded in chunks with so much context on either side, since the memory of
attention is quadratic in the length."""
_EPSILON = 1e-7


class SpeechEncoder(nn.Module):
    """Wav2vec 2.0 at the frame rate of a video; the features are those of all layers.

    Args:
        model: the network, filled.
        fps: rows a second.
        normalise: bring the signal to zero mean and unit variance first, as the checkpoint's
            `preprocessor_config.json` says (`do_normalize`).
    """

    def __init__(self, model: Wav2Vec2Model, fps: float = 25.0, normalize: bool = True):
        super().__init__()
        self.model = model
        self.fps = fps
        self.normalize = normalize

    def num_rows(self, num_samples: int) -> int:
        """Return how many video frames a signal lasts, rounded up."""
        return math.ceil(num_samples / SAMPLE_RATE * self.fps)

    @torch.no_grad()
    def forward(self, samples: np.ndarray) -> torch.Tensor:
        """Return features (F, layers, channels) of a mono signal (N,) at 16 kHz."""
        wave = torch.from_numpy(np.asarray(samples, np.float32))
        if self.normalize:
            spread = (wave.var(unbiased=False) + _EPSILON).sqrt()
            wave = (wave - wave.mean()) / spread
        chunk, context = (round(s * self.fps) for s in (CHUNK_S, CONTEXT_S))
        num_rows, step = self.num_rows(len(wave)), round(SAMPLE_RATE / self.fps)
        if num_rows <= chunk + context:
            return self._encode(wave, num_rows)
        pieces = []
        for start in range(0, num_rows, chunk):
            stop = min(start + chunk, num_rows)
            first, last = max(0, start - context), min(num_rows, stop + context)
            piece = self._encode(wave[first * step : last * step], last - first)
            pieces.append(piece[start - first : stop - first])
        return torch.cat(pieces)

    def _encode(self, wave: torch.Tensor, num_rows: int) -> torch.Tensor:
        """Return (num_rows, layers, channels) of a normalised signal (N,)."""
        wave = wave[None].to(next(self.model.parameters()).device)
        features = self.model.feature_extractor(wave)  # (1, C, about 50 a second)
        features = F.interpolate(features, size=num_rows, mode="linear", align_corners=True)
        hidden, _ = self.model.feature_projection(features.transpose(1, 2))
        return torch.stack(self._layers(hidden), dim=2)[0]

    def _layers(self, hidden: torch.Tensor) -> list[torch.Tensor]:
        """Return the output of each layer of the transformer for (1, F, C).

        By hooks, since the interface differs between versions of transformers.
        """
        outputs: list[torch.Tensor] = []

        def keep(_module, _inputs, output) -> None:
            outputs.append(output[0] if isinstance(output, tuple) else output)

        hooks = [layer.register_forward_hook(keep) for layer in self.model.encoder.layers]
        try:
            self.model.encoder(hidden)
        finally:
            for hook in hooks:
                hook.remove()
        return outputs


class SpeechTokens(nn.Module):
    """A speech encoder and the projector that a transformer was trained with."""

    sample_rate, loudness = SAMPLE_RATE, "broadcast"

    def __init__(self, encoder: SpeechEncoder, projector: AudioProjector):
        super().__init__()
        self.encoder, self.projector = encoder, projector

    @property
    def token_dim(self) -> int:
        """Width of an audio token."""
        return self.projector.config.out_dim

    def encode_sound(self, sound: Sound) -> ProjectedSound:
        """Encode a whole sound: attention spans all of it."""
        features = self.encoder(sound.read(0, sound.num_samples))
        return ProjectedSound(features.to(self.projector.dtype), self.projector)


class ProjectedSound:
    """Features of a whole sound (F, layers, channels), projected window by window."""

    def __init__(self, features: torch.Tensor, projector: AudioProjector):
        self._features, self._projector = features, projector

    def tokens(self, first_frame: int, num_latent_frames: int) -> torch.Tensor:
        """Return the tokens (1, T, N, D) round each latent frame of a window."""
        return self._projector.tokens(self._features, first_frame, num_latent_frames)

    def continued(self, num_frames: int) -> ProjectedSound:
        """Return the sound with its features appended backwards up to a number of rows."""
        rows = torch.arange(num_frames)
        count = len(self._features)
        mirrored = torch.where(rows < count, rows, (2 * count - 1 - rows).clamp_min(0))
        return ProjectedSound(self._features[mirrored], self._projector)

    def no_audio(self, num_latent_frames: int) -> torch.Tensor:
        """Return the tokens (1, T, N, D) of features that are zero.

        As trained: they go through the projector, whose biases make other tokens than zeros.
        """
        return self._projector.tokens(torch.zeros_like(self._features[:1]), 0, num_latent_frames)
