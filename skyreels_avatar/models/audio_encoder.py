"""Encode sound as audio tokens: log-mel spectrograms and a small convolutional encoder.

Everything here sees a fixed neighbourhood only, so a long track may be cut anywhere: a token does
not depend on where the cut is, as long as `AudioEncoder.context_frames` of sound lie beside it.
Loudness is normalised before (`AudioTrack.normalized`), never here.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
import torch.nn as nn
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin

from skyreels_avatar.models.sound import Sound

SAMPLE_RATE = 16000
NUM_MELS = 80
MEL_FRAMES_PER_TOKEN = 4
HOP = 160  # samples: 100 mel frames a second
WINDOW = 400  # samples: 25 ms
FFT_SIZE = 512
TIME_FACTOR = 4  # video frames of a latent frame, whose tokens the transformer was trained on
MARGIN = 4  # and of video frames on either side of them
_TOKENS_BESIDE = 8  # more than `audio_windows` reaches beyond a window on either side
_MEL_MARGIN = 2  # mel frames beside a cut whose 25 ms would reach beyond it
# Floor of log10 mel power (6 decades under the loudest 1 % of speech at the normalised loudness),
# and the map to about unit range (12 recordings: their louder frames have mean -1.7, std 1.55).
LOG_FLOOR = -4.0
LOG_MEAN = -1.6
LOG_STD = 1.5
SILENCE = (LOG_FLOOR - LOG_MEAN) / LOG_STD


def log_mel(samples: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Return the log-mel spectrogram of a sound, (L, 80) float32 at 100 Hz, about unit range.

    Args:
        samples: (S,) mono at 16 kHz, loudness normalised. L = ceil(S / 160).

    Frame l is centred on l x 10 ms and sees 25 ms; beyond the ends there is silence.
    """
    samples = torch.as_tensor(samples, dtype=torch.float32)
    if samples.dim() != 1:
        raise ValueError(f"log_mel takes mono samples (S,), got shape {tuple(samples.shape)}")
    num_frames = -(-samples.shape[0] // HOP)
    padded = nn.functional.pad(samples, (WINDOW // 2, WINDOW // 2 + HOP))
    window, filters = _window_and_filters()
    pieces = []
    for first in range(0, num_frames, 6000):  # a minute at a time: flat memory
        count = min(6000, num_frames - first)
        piece = padded[first * HOP : (first + count - 1) * HOP + WINDOW].unfold(0, WINDOW, HOP)
        power = torch.fft.rfft(piece * window, n=FFT_SIZE).abs().square()
        mel = (power @ filters).clamp(min=10**LOG_FLOOR).log10()
        pieces.append((mel - LOG_MEAN) / LOG_STD)
    return torch.cat(pieces) if pieces else torch.zeros(0, NUM_MELS)


def audio_windows(
    tokens: torch.Tensor, first_frame: int, num_latent_frames: int, margin: int = MARGIN
) -> torch.Tensor:
    """Gather the audio tokens round each latent frame.

    Latent frame 0 of a track is video frame 0; latent frame k covers video frames 4k-3 .. 4k.
    Every latent frame gets the tokens of "its" four frames, `margin` before and `margin` after;
    the single first frame counts as the last of its four. Beyond the track the edge is repeated.

    Args:
        tokens: (B, F, D), one per video frame of the whole track.
        first_frame: video frame (25 Hz) on which latent frame 0 of this window lies.
        num_latent_frames: T.

    Returns:
        (B, T, 4 + 2 margin, D).
    """
    last = first_frame + TIME_FACTOR * torch.arange(num_latent_frames)
    index = last[:, None] + torch.arange(1 - TIME_FACTOR - margin, 1 + margin)
    return tokens[:, index.clamp(0, tokens.shape[1] - 1).to(tokens.device)]


def convolved(conv: nn.Conv1d, tokens: torch.Tensor, padding: tuple[int, int]) -> torch.Tensor:
    """Return (B, L, D) of a convolution over tokens (B, F, C), zeros before and after them.

    As one matrix product: with so few tokens PyTorch's own takes the encoder a fifth longer.
    """
    padded = nn.functional.pad(tokens, (0, 0, *padding))
    (size,), (stride,) = conv.kernel_size, conv.stride
    pieces = padded.unfold(1, size, stride).flatten(2)  # B L C * size
    return nn.functional.linear(pieces, conv.weight.flatten(1), conv.bias)


class ResidualConv(nn.Module):
    """Refine tokens by a convolution over time and a pointwise feed-forward."""

    def __init__(self, dim: int, kernel_size: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.conv = nn.Conv1d(dim, dim, kernel_size, padding=kernel_size // 2)
        self.norm_ffn = nn.LayerNorm(dim)
        self.ffn = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Return (B, F, D)."""
        normed = nn.functional.gelu(self.norm(hidden_states))
        hidden_states = hidden_states + convolved(self.conv, normed, self.conv.padding * 2)
        return hidden_states + self.ffn(self.norm_ffn(hidden_states))


class AudioEncoder(ModelMixin, ConfigMixin):
    """Encode a log-mel spectrogram as one audio token per video frame (25 Hz).

    Token f is centred on the middle of video frame f, (f + 0.5) / 25 s = mel frame 4 f + 2, and
    sees 0.3 s to either side. Beyond the ends of the picture the encoder hears silence.

    Args:
        dim: width of the tokens that leave.
        hidden_dim: width inside.
        num_layers: residual blocks at 25 Hz, each seeing 2 tokens further.
        num_visemes: size of the auxiliary head, which only training uses.
    """

    context_frames = 32  # mel frames beside a cut that a token at most depends on (8 tokens)
    sample_rate, loudness = SAMPLE_RATE, "speech"

    @register_to_config
    def __init__(
        self, dim: int = 256, hidden_dim: int = 256, num_layers: int = 3, num_visemes: int = 8
    ):
        super().__init__()
        if num_layers > 3:
            raise ValueError(f"num_layers must be at most 3 (0.3 s of context), got {num_layers}")
        self.conv_in = nn.Conv1d(NUM_MELS, hidden_dim, 5, stride=2)  # at mel frames 2 i
        self.norm_in = nn.LayerNorm(hidden_dim)
        self.conv_down = nn.Conv1d(hidden_dim, hidden_dim, 5, stride=2)  # at mel frames 4 f + 2
        self.blocks = nn.ModuleList(ResidualConv(hidden_dim, 5) for _ in range(num_layers))
        self.norm_out = nn.LayerNorm(hidden_dim)
        self.proj_out = nn.Linear(hidden_dim, dim)
        self.viseme_head = nn.Linear(dim, num_visemes)

    @property
    def token_dim(self) -> int:
        """Width of an audio token."""
        return self.config.dim

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Return the tokens (B, F, D), F = ceil(L / 4), for log-mel spectrograms (B, L, 80)."""
        num_frames = log_mel.shape[1]
        num_tokens = -(-num_frames // MEL_FRAMES_PER_TOKEN)
        context = self.context_frames
        after = context + num_tokens * MEL_FRAMES_PER_TOKEN - num_frames
        padded = nn.functional.pad(log_mel, (0, 0, context, after), value=SILENCE)
        return self.encode(padded)[:, context // 4 : context // 4 + num_tokens]

    def encode_sound(self, sound: Sound) -> StreamedSound:
        """Return a sound that is encoded lazily, window by window."""
        return StreamedSound(self, sound)

    def encode(self, padded: torch.Tensor) -> torch.Tensor:
        """Return a token (B, L / 4, D) per 4 mel frames of log-mel spectrograms (B, L, 80).

        Those within `context_frames` of an edge see zeros beyond it.
        """
        hidden_states = convolved(self.conv_in, padded, (2, 1))  # (B, L / 2, D)
        hidden_states = nn.functional.gelu(self.norm_in(hidden_states))
        hidden_states = convolved(self.conv_down, hidden_states, (1, 2))  # (B, L / 4, D)
        for block in self.blocks:
            hidden_states = block(hidden_states)
        return self.proj_out(self.norm_out(hidden_states))


class StreamedSound:
    """A sound as audio tokens, encoded window by window."""

    def __init__(self, encoder: AudioEncoder, sound: Sound):
        self._encoder, self._sound = encoder, sound
        num_mels = -(-sound.num_samples // HOP)
        self.num_tokens = -(-num_mels // MEL_FRAMES_PER_TOKEN)

    def tokens(self, first_frame: int, num_latent_frames: int) -> torch.Tensor:
        """Return (1, T, N, D): the same tokens as those of the whole sound."""
        last_frame = first_frame + TIME_FACTOR * (num_latent_frames - 1)
        start = min(max(0, first_frame - _TOKENS_BESIDE), self.num_tokens - 1)
        stop = max(start + 1, min(last_frame + 1 + _TOKENS_BESIDE, self.num_tokens))
        tokens = self._tokens(start, stop)
        return audio_windows(tokens, first_frame - start, num_latent_frames)

    def no_audio(self, num_latent_frames: int) -> torch.Tensor:
        """Return zeros (1, T, N, D): in training the audio is left out by them."""
        shape = 1, num_latent_frames, TIME_FACTOR + 2 * MARGIN, self._encoder.token_dim
        return torch.zeros(shape, device=self._encoder.proj_out.weight.device)

    def _tokens(self, start: int, stop: int) -> torch.Tensor:
        """Return tokens start to stop (1, F, D)."""
        step, context = MEL_FRAMES_PER_TOKEN, self._encoder.context_frames
        begin, end = start * step - context, stop * step + context
        first = max(0, begin)
        first_sample = max(0, (first - _MEL_MARGIN) * HOP)
        last_sample = min((end + _MEL_MARGIN) * HOP, self._sound.num_samples)
        mel = log_mel(self._sound.read(first_sample, last_sample - first_sample))
        skip = first - first_sample // HOP
        mel = mel[skip : skip + end - first]
        beside = 0, 0, first - begin, end - first - len(mel)  # silence where there is no sound
        padded = nn.functional.pad(mel, beside, value=SILENCE)[None]
        tokens = self._encoder.encode(padded.to(self._encoder.proj_out.weight.device))
        return tokens[:, context // step : -context // step]


@cache
def _window_and_filters() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the Hann window (400,) and the triangular mel filters (257, 80), both float32."""
    window = torch.hann_window(WINDOW, dtype=torch.float64)
    mels = torch.linspace(_mel(60.0), _mel(7800.0), NUM_MELS + 2, dtype=torch.float64)
    edges_hz = 700.0 * (10 ** (mels / 2595.0) - 1.0)
    hz = torch.arange(FFT_SIZE // 2 + 1, dtype=torch.float64) * SAMPLE_RATE / FFT_SIZE
    rise = (hz[:, None] - edges_hz[:-2]) / (edges_hz[1:-1] - edges_hz[:-2])
    fall = (edges_hz[2:] - hz[:, None]) / (edges_hz[2:] - edges_hz[1:-1])
    filters = torch.minimum(rise, fall).clamp(min=0)
    # Low filters are narrower than a bin of the spectrum: each sums to 1, so none is empty.
    nearest = (hz[:, None] - edges_hz[1:-1]).abs().argmin(dim=0)
    empty = filters.sum(dim=0) == 0
    filters[nearest[empty], torch.nonzero(empty).flatten()] = 1.0
    filters = filters / filters.sum(dim=0)
    return window.float(), filters.float()


def _mel(hz: float) -> float:
    return 2595.0 * math.log10(1.0 + hz / 700.0)
