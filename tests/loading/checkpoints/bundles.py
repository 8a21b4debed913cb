"""Write a checkpoint as TensorFlow does, so that tests need neither it nor a download."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

_TYPES = {"float32": 1, "int64": 9}


def write_tensor_bundle(
    prefix: Path, tensors: Mapping[str, torch.Tensor | np.ndarray], compression: bool = False
) -> None:
    """Write `prefix`.index and `prefix`.data-00000-of-00001."""
    data, entries = b"", [(b"", b"\x08\x01")]  # the header has an empty key
    for name in sorted(tensors):
        array = np.asarray(tensors[name])
        dims = b"".join(_message(2, b"\x08" + _varint(size)) for size in array.shape)
        entry = b"\x08" + _varint(_TYPES[array.dtype.name]) + _message(2, dims)
        entry += b"\x20" + _varint(len(data)) if data else b""
        entry += b"\x28" + _varint(array.nbytes) + b"\x35" + bytes(4)
        entries.append((name.encode(), entry))
        data += array.tobytes()
    kind = b"\x01" if compression else b"\x00"
    table = block = _block(entries)
    table += kind + bytes(4)
    handle = _varint(0) + _varint(len(block))
    start, index = len(table), _block([(entries[-1][0], handle)])
    table += index + b"\x00" + bytes(4)
    footer = _varint(0) + _varint(0) + _varint(start) + _varint(len(index))
    table += footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    Path(f"{prefix}.index").write_bytes(table)
    Path(f"{prefix}.data-00000-of-00001").write_bytes(data)


def _block(entries: list[tuple[bytes, bytes]]) -> bytes:
    block, before = b"", b""
    for key, value in entries:
        shared = next((i for i, (a, b) in enumerate(zip(before, key)) if a != b), None)
        shared = min(len(before), len(key)) if shared is None else shared
        own = key[shared:]
        block += _varint(shared) + _varint(len(own)) + _varint(len(value)) + own + value
        before = key
    return block + struct.pack("<II", 0, 1)


def _message(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = b""
    while value > 127:
        encoded += bytes([value & 127 | 128])
        value >>= 7
    return encoded + bytes([value])
