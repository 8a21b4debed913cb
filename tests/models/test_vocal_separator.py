"""Two U-Nets divide a sound: nothing is lost, and pieces fit together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skyreels_avatar.models.vocal_separator import SAMPLE_RATE, VocalSeparator


def published(network: VocalSeparator) -> dict[str, torch.Tensor]:
    """Return the numbers of networks under the names and in the layouts of TensorFlow."""
    tensors = {}
    for number, stem in enumerate(network.stems):
        convs = [*stem.convs, stem.mask]
        for kind, layers, each in (("conv2d", convs, 7), ("conv2d_transpose", stem.ups, 6)):
            for index, layer in enumerate(layers):
                name = f"{kind}_{each * number + index}".removesuffix("_0")
                tensors[f"{name}/kernel"] = layer.weight.data.permute(2, 3, 1, 0)
                tensors[f"{name}/bias"] = layer.bias.data
        for index, layer in enumerate([*stem.norms, *stem.up_norms]):
            name = f"batch_normalization_{12 * number + index}".removesuffix("_0")
            tensors[f"{name}/gamma"], tensors[f"{name}/beta"] = layer.weight.data, layer.bias.data
            tensors[f"{name}/moving_mean"] = layer.running_mean
            tensors[f"{name}/moving_variance"] = layer.running_var
    return tensors


@pytest.fixture(scope="module")
def network() -> VocalSeparator:
    torch.manual_seed(0)
    return VocalSeparator()


def test_the_published_layout_is_read(network: VocalSeparator) -> None:
    tensors = published(network)
    assert tensors["conv2d/kernel"].shape == (5, 5, 2, 16)
    assert tensors["conv2d_transpose/kernel"].shape == (5, 5, 256, 512)
    assert sum(tensor.numel() for tensor in tensors.values()) == 19_653_518  # as published
    torch.manual_seed(5)
    again = VocalSeparator.of(tensors)
    magnitudes = torch.rand(1, 2, 64, 1024)
    assert torch.equal(again.stems[1](magnitudes), network.stems[1](magnitudes))
    with pytest.raises(KeyError):
        VocalSeparator.of({})


def test_voice_and_rest_are_the_sound_below_11_khz(network: VocalSeparator) -> None:
    seconds = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    tone = 0.3 * np.sin(2 * np.pi * 440 * seconds) + 0.1 * np.sin(2 * np.pi * 5000 * seconds)
    sound = np.stack([tone, 0.5 * tone]).astype(np.float32)
    made = np.concatenate(
        list(network.pieces(lambda a, b: sound[:, a:b].copy(), sound.shape[1])), -1
    )
    assert made.shape == (2, 2, sound.shape[1])
    inside = slice(4096, -4096)
    assert np.abs(made.sum(0) - sound)[:, inside].max() < 1e-3


def test_pieces_cover_a_long_sound_without_gaps(network: VocalSeparator, monkeypatch) -> None:
    monkeypatch.setattr(VocalSeparator, "forward", lambda self, x: torch.stack([x, -x]))
    sound = np.random.default_rng(0).standard_normal((2, 1_300_000)).astype(np.float32)
    pieces = list(network.pieces(lambda a, b: sound[:, a:b].copy(), sound.shape[1]))
    assert len(pieces) == 3
    assert np.array_equal(np.concatenate(pieces, -1)[0], sound)
