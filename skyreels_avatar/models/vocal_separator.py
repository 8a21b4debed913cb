"""Separate the voice of a song from its instruments: Spleeter's two U-Nets over spectrograms.

Each network looks at the magnitudes of a stereo spectrogram and says what share of each is its own;
the shares of both, squared, divide the sound.

Source: Hennequin et al., "Spleeter: a fast and efficient music source separation tool with
pre-trained models" (JOSS 2020), `spleeter/model/functions/unet.py`, configuration "2stems".
Differs from it: pieces of sound overlap, so that nothing is cut off at their ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

SAMPLE_RATE = 44_100
STEMS = ("vocals", "accompaniment")
_WINDOW, _HOP = 4096, 1024
_FRAMES, _BINS = 512, 1024  # of a piece; higher frequencies, from 11 kHz on, are left out
_STRIDE = 64  # frames that the networks make one of
_MARGIN = 16  # frames at either end of a piece that only the network sees
_FILTERS = (16, 32, 64, 128, 256, 512)
_EPSILON = 1e-3  # of Keras' batch normalization
_Tensors = Mapping[str, torch.Tensor]


class _UNet(nn.Module):
    """Estimate the magnitudes (B, 2, T, 1024) of one stem from those of the mix, T = 64 k."""

    def __init__(self):
        super().__init__()
        down = (2, *_FILTERS)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 5, 2) for a, b in zip(down, _FILTERS))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, _EPSILON) for width in _FILTERS)
        up = (*_FILTERS[-2::-1], 1)
        wide = (_FILTERS[-1], *(2 * width for width in up[:-1]))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 5, 2) for a, b in zip(wide, up))
        self.up_norms = nn.ModuleList(nn.BatchNorm2d(width, _EPSILON) for width in up)
        self.mask = nn.Conv2d(1, 2, 4, dilation=2)

    def forward(self, magnitudes: torch.Tensor) -> torch.Tensor:
        skips, hidden = [], magnitudes
        for conv, norm in zip(self.convs, self.norms):
            skips.append(conv(F.pad(hidden, (1, 2, 1, 2))))  # TensorFlow's "same"
            hidden = F.leaky_relu(norm(skips[-1]), 0.2)
        hidden = skips.pop()
        for up, norm in zip(self.ups, self.up_norms):
            hidden = norm(F.relu(up(hidden)[:, :, 1:-2, 1:-2]))
            if skips:
                hidden = torch.cat([skips.pop(), hidden], 1)
        return self.mask(F.pad(hidden, (3, 3, 3, 3))).sigmoid() * magnitudes

    def load(self, tensors: _Tensors, number: int) -> None:
        """Take the numbers of the network that was built as the `number`-th."""

        def named(kind: str, index: int) -> str:
            return kind if index == 0 else f"{kind}_{index}"

        def fill(layer: nn.Module, name: str, axes: tuple[int, ...]) -> None:
            layer.weight.data = tensors[f"{name}/kernel"].permute(axes).contiguous()
            layer.bias.data = tensors[f"{name}/bias"]

        for index, layer in enumerate([*self.convs, self.mask]):
            fill(layer, named("conv2d", 7 * number + index), (3, 2, 0, 1))
        for index, layer in enumerate(self.ups):
            fill(layer, named("conv2d_transpose", 6 * number + index), (3, 2, 0, 1))
        for index, layer in enumerate([*self.norms, *self.up_norms]):
            name = named("batch_normalization", 12 * number + index)
            for ours, theirs in (
                ("weight", "gamma"), ("bias", "beta"),
                ("running_mean", "moving_mean"), ("running_var", "moving_variance"),
            ):  # fmt: skip
                getattr(layer, ours).data = tensors[f"{name}/{theirs}"]


class VocalSeparator(nn.Module):
    """Split a stereo sound into its voice and the rest."""

    def __init__(self):
        super().__init__()
        self.stems = nn.ModuleList(_UNet() for _ in STEMS)
        self.eval().requires_grad_(False)

    @classmethod
    def of(cls, tensors: _Tensors) -> VocalSeparator:
        """Return the networks with the numbers of a published checkpoint.

        Raises:
            KeyError: a tensor is missing.
        """
        made = cls()
        for number, stem in enumerate(made.stems):
            stem.load(tensors, number)
        return made

    @torch.no_grad()
    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return (2, 2, S): voice and rest of a piece (2, S) at 44.1 kHz, S = 1024 (64 k - 1)."""
        window = torch.hann_window(_WINDOW)
        spectrum = torch.stft(samples, _WINDOW, _HOP, window=window, return_complex=True)
        seen = spectrum[:, :_BINS]
        magnitudes = seen.abs().transpose(1, 2)[None]  # 1 2 T 1024
        power = torch.cat([stem(magnitudes) for stem in self.stems]).square() + 0.5e-10
        share = (power / power.sum(0, keepdim=True)).transpose(2, 3)
        stems = torch.zeros(2, *spectrum.shape, dtype=spectrum.dtype)
        stems[:, :, :_BINS] = share * seen
        flat = torch.istft(
            stems.flatten(0, 1), _WINDOW, _HOP, window=window, length=samples.shape[1]
        )
        return flat.unflatten(0, (2, 2))

    def pieces(
        self, read: Callable[[int, int], np.ndarray], num_samples: int
    ) -> Iterator[np.ndarray]:
        """Yield (2, 2, S'): voice and rest of neighboring pieces of a sound of any length.

        Args:
            read: returns samples (2, S) at 44.1 kHz from one to another.
        """
        margin = _MARGIN * _HOP
        needed = -(-(num_samples + 2 * margin) // _HOP) + 1
        whole = (min(_FRAMES, -(-needed // _STRIDE) * _STRIDE) - 1) * _HOP
        for start in range(0, num_samples, whole - 2 * margin):
            stop = min(start + whole - 2 * margin, num_samples)
            low, high = max(0, start - margin), min(stop + margin, num_samples)
            piece = torch.zeros(2, whole)
            at = low - (start - margin)
            piece[:, at : at + high - low] = torch.from_numpy(read(low, high))
            made = self(piece)
            yield made[..., margin : margin + stop - start].numpy()
