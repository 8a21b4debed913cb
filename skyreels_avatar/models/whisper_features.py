"""Features of speech at one row per video frame, from the encoder of Whisper.

Source: LongCat-Video-Avatar 1.5 (MIT); Whisper (arXiv 2212.04356).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from transformers import WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

SAMPLE_RATE = 16_000
CHUNK = 30 * SAMPLE_RATE  # samples; shorter ones are filled up with silence
ENCODER_FPS = 50
_NUM_GROUPS = 4  # of layers whose mean is taken; the last layer stands alone after them


class WhisperFeatures(nn.Module):
    """The means of four groups of layers of Whisper, and its last layer, at the rate of a video.

    Args:
        model: the encoder, filled; the number of its layers is a multiple of four.
        fps: rows a second.
    """

    def __init__(self, model: WhisperEncoder, fps: float = 25.0):
        super().__init__()
        self.model, self.fps = model, fps
        self._to_mel = WhisperFeatureExtractor(feature_size=model.config.num_mel_bins)

    @torch.no_grad()
    def forward(self, samples: np.ndarray) -> torch.Tensor:
        """Return features (F, 5, channels) of a mono signal (N,) at 16 kHz."""
        samples = np.asarray(samples, np.float32)
        num_rows = max(1, int(len(samples) / SAMPLE_RATE * self.fps))
        chunks = [self._encode(samples[at : at + CHUNK]) for at in range(0, len(samples), CHUNK)]
        num_encoded = round(num_rows * ENCODER_FPS / self.fps)
        encoded = torch.cat(chunks)[:num_encoded]  # (T, 5, C)
        rows = F.interpolate(
            encoded.permute(1, 2, 0), size=num_rows, mode="linear", align_corners=True
        )
        return rows.permute(2, 0, 1)

    def _encode(self, samples: np.ndarray) -> torch.Tensor:
        """Return (1500, 5, channels) of up to 30 seconds."""
        mel = self._to_mel(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        weight = next(self.model.parameters())
        states = self.model(mel.to(weight), output_hidden_states=True).hidden_states
        layers = torch.stack(states[:-1]).unflatten(0, (_NUM_GROUPS, -1)).mean(1)
        return torch.cat([layers, states[-1][None]])[:, 0].transpose(0, 1)
