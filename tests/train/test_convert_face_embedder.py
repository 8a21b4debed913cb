"""The published file is read layer by layer, and its affine layers go into the convolutions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.models.face_embedder import FaceEmbedder
from train.convert_face_embedder import fill, main, read_layers

SIZES = {"widths": (4,), "num_blocks": (1,), "dim": 5}


def _integer(value: int) -> bytes:
    raw = value.to_bytes((max(value.bit_length(), 1) + 7) // 8, "little")
    return bytes([len(raw)]) + raw


def _layer(name: str, values: np.ndarray, sizes: tuple[int, ...] = ()) -> bytes:
    shape = (*values.shape, 1, 1, 1, 1)[:4]
    numbers = b"".join(_integer(number) for number in (*sizes, 2, *shape))
    return b"\x01" + bytes([len(name)]) + name.encode() + numbers + values.astype("<f4").tobytes()


def _convolution(rng, width: int, inputs: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    weights = rng.standard_normal(width * inputs * side * side + width)
    return weights, rng.standard_normal(2 * width)


@pytest.fixture
def published(rng) -> tuple[bytes, list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """A small network in the published format, and its numbers."""
    pairs = [_convolution(rng, 4, *sizes) for sizes in ((3, 7), (4, 3), (4, 3))]
    head = rng.standard_normal((4, 5))
    content = b"\x01\x01\x01\x0dloss_metric_2"
    for convolution, affine in pairs:
        content += _layer("con_4", convolution) + _integer(4) + _layer("affine_", affine)
        content += b"\x01\x06relu_1"
    return content + _layer("fc_2", head, (5, 4)), pairs, head


def test_a_converted_network_does_what_its_layers_do_one_by_one(published, rng):
    content, pairs, head = published
    network = FaceEmbedder(**SIZES).eval()
    fill(network, read_layers(content))

    def layer(hidden_states, pair, inputs, side, **how):
        convolution, affine = (torch.from_numpy(one.astype(np.float32)) for one in pair)
        weight = convolution[:-4].view(4, inputs, side, side)
        hidden_states = F.conv2d(hidden_states, weight, convolution[-4:], **how)
        return hidden_states * affine[:4, None, None] + affine[4:, None, None]

    pixels = torch.from_numpy(rng.random((2, 3, 150, 150), dtype=np.float32))
    mean = torch.tensor([122.782, 117.001, 104.298])[:, None, None]
    hidden_states = layer((255 * pixels - mean) / 256, pairs[0], 3, 7, stride=2).relu()
    hidden_states = F.max_pool2d(hidden_states, 3, 2)
    change = layer(hidden_states, pairs[1], 4, 3, padding=1).relu()
    change = layer(change, pairs[2], 4, 3, padding=1)
    pooled = (hidden_states + change).relu().mean((2, 3))
    wanted = pooled @ torch.from_numpy(head.astype(np.float32))
    with torch.no_grad():
        torch.testing.assert_close(network(pixels), wanted, atol=1e-3, rtol=1e-4)


def test_other_layers_and_other_files_are_refused(published, tmp_path):
    content, _, _ = published
    with pytest.raises(CheckpointError, match="expected 5 pairs of layers"):
        fill(FaceEmbedder(widths=(4,), num_blocks=(2,), dim=5), read_layers(content))
    path = tmp_path / "other.dat"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="has SHA-256"):
        main(str(path), str(tmp_path / "out.safetensors"))
    assert not (tmp_path / "out.safetensors").exists()
