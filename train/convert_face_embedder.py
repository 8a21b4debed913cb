"""Write the weights of the face embedder from dlib's published file; once, nothing is trained.

    pip download --no-deps face_recognition_models==0.3.0
    tar xzf face_recognition_models-0.3.0.tar.gz
    python -m train.convert_face_embedder \
        face_recognition_models-0.3.0/face_recognition_models/models/\
dlib_face_recognition_resnet_model_v1.dat assets/nano/identity.safetensors
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

import numpy as np
import torch

from skyreels_avatar.errors import CheckpointError
from skyreels_avatar.loading.checkpoints.load import save_module
from skyreels_avatar.models.face_embedder import FaceEmbedder

SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
# Layers with parameters begin with their name, preceded by its length.
_LAYERS = re.compile(rb"\x01\x05con_4|\x01\x07affine_|\x01\x04fc_2")


def read_layers(content: bytes) -> list[tuple[str, np.ndarray]]:
    """Return name ("con_4", "affine_", "fc_2") and parameters of each layer, input first.

    Raises:
        CheckpointError: a layer is not stored as this reader knows it.
    """
    layers, position = [], 0
    while found := _LAYERS.search(content, position):
        name, position = found.group()[2:].decode(), found.end()
        if name == "fc_2":  # sizes of its output and input
            _, position = _read_integer(content, position)
            _, position = _read_integer(content, position)
        version, position = _read_integer(content, position)
        if version != 2:
            raise CheckpointError(f"parameters of {name} are of version {version}, expected 2")
        shape = []
        for _ in range(4):
            side, position = _read_integer(content, position)
            shape.append(side)
        size = int(np.prod(shape))
        layers.append((name, np.frombuffer(content, "<f4", size, position).reshape(shape)))
        position += 4 * size
    return layers


def _read_integer(content: bytes, position: int) -> tuple[int, int]:
    """Return an integer, stored after the number of its bytes and its sign, and where it ends."""
    header, start = content[position], position + 1
    stop = start + (header & 15)
    value = int.from_bytes(content[start:stop], "little")
    return (-value if header & 0x80 else value), stop


def fill(model: FaceEmbedder, layers: list[tuple[str, np.ndarray]]) -> None:
    """Copy layers into a network, each affine layer folded into the convolution before it.

    Raises:
        CheckpointError: the layers are not those of the network.
    """
    convolutions = [model.stem]
    for block in model.blocks:
        convolutions += [block.conv1, block.conv2]
    names = [name for name, _ in layers]
    if names != ["con_4", "affine_"] * len(convolutions) + ["fc_2"]:
        raise CheckpointError(f"expected {len(convolutions)} pairs of layers, got {names}")
    tensors = [torch.tensor(values.ravel().astype(np.float64)) for _, values in layers]
    for conv, weights, affine in zip(convolutions, tensors[::2], tensors[1::2]):
        width = conv.out_channels
        weight, bias = weights.split([conv.weight.numel(), width])
        gain, shift = affine.split([width, width])
        conv.weight.data.copy_((weight.view(width, -1) * gain[:, None]).view_as(conv.weight))
        conv.bias.data.copy_(bias * gain + shift)
    model.head.weight.data.copy_(tensors[-1].view(model.head.in_features, -1).T)


def main(source: str, target: str) -> None:
    """Convert one file, after checking that it is the published one."""
    content = Path(source).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise CheckpointError(f"{source} has SHA-256 {digest}, the published file {SHA256}")
    model = FaceEmbedder()
    fill(model, read_layers(content))
    save_module(model, target, torch.int8)
    print(f"{target}: {Path(target).stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
